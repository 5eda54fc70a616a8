source "amazon-ebs" "base" {
  region        = "eu-central-1"
  source_ami    = "ami-1"
  instance_type = "t3.micro"
  ssh_username  = "admin"
  ami_name      = source.name

  assume_role {
    role_arn     = "arn:aws:iam::1:role/base"
    session_name = "base"
  }

  launch_block_device_mappings {
    device_name = "/dev/sda"
  }
}

# One takes the place of the base's; two in one source are too many.
source "amazon-ebs" "twice" {
  extends = source.amazon-ebs.base

  assume_role {
    role_arn = "arn:aws:iam::1:role/first"
  }

  assume_role {
    role_arn = "arn:aws:iam::1:role/second"
  }
}

build {
  sources = ["source.amazon-ebs.twice"]
}
