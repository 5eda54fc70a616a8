# The smallest image of `cargo xtask aws-smoke`.
variable "name" {
  type = string
}
variable "region" {
  type = string
}
variable "login" {
  default = "ubuntu"
}
variable "port" {
  default = 22
}

source "amazon-ebs" "smoke" {
  region        = var.region
  ami_name      = var.name
  instance_type = "t4g.nano"
  ssh_username  = var.login
  ssh_port      = var.port
  source_ami_filter {
    filters = {
      name                = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = ["099720109477"]
    most_recent = true
  }
  tags = { purpose = "cargo xtask aws-smoke" }
}

build {
  sources = ["amazon-ebs.smoke"]
  provisioner "shell" {
    inline = ["uname -srm"]
  }
  post-processor "manifest" {
    output = "made.json"
  }
}
