source "amazon-ebs" "web" {
  ami_name      = "web"
  instance_type = "t3.micro"
  region        = "eu-central-1"
  ssh_username  = "admin"
  source_ami    = "ami-1"
  dynamic "launch_block_device_mappings" {
    for_each = [10, 20]
    iterator = size
    content {
      device_name = "/dev/sd${size.key}"
      volume_size = size.value
    }
  }
}

build {
  sources = ["amazon-ebs.web"]
}
