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

# A block of which there is one takes the place of the base's; of the others there are more.
source "amazon-ebs" "written" {
  extends = source.amazon-ebs.base

  assume_role {
    role_arn = "arn:aws:iam::1:role/written"
  }

  launch_block_device_mappings {
    device_name = "/dev/sdb"
  }
}

source "amazon-ebs" "dynamic" {
  for_each = { some = ["x"], none = [] }
  extends  = source.amazon-ebs.base

  dynamic "assume_role" {
    for_each = each.value
    content {
      role_arn = "arn:aws:iam::1:role/${assume_role.value}"
    }
  }
}

build {
  sources = ["source.amazon-ebs.written", "source.amazon-ebs.dynamic"]
}
