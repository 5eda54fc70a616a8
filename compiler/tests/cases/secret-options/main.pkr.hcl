# Options that are secrets by their nature, wherever their values come from; and near misses.
variable "password" {
  default = "vagrant"
}

variable "prefix" {
  default = "pre-"
}

variable "user" {
  default = "vagrant"
}

variable "account" {
  default = { name = "root", password = "vagrant" }
}

variable "elsewhere" {
  default = "s3cr3tT0ken"
}

locals {
  password = "${var.prefix}x"
}

source "null" "literal" {
  ssh_host             = "192.0.2.1"
  ssh_username         = var.user
  ssh_password         = "s3cr3tT0ken"
  ssh_bastion_host     = "192.0.2.2"
  ssh_bastion_username = "root"
  ssh_bastion_password = ""
}

source "null" "variable" {
  ssh_host     = "vagrant.example"
  ssh_username = var.user
  ssh_password = var.password
}

source "null" "local" {
  ssh_host           = "192.0.2.1"
  ssh_username       = "vagrant"
  ssh_password       = local.password
  ssh_proxy_host     = "192.0.2.3"
  ssh_proxy_password = var.account.password
}

source "amazon-ebs" "cloud" {
  ami_name         = "vagrant"
  region           = "eu-west-1"
  source_ami       = "ami-1"
  instance_type    = "t3.micro"
  access_key       = "AKIAIOSFODNN7EXAMPLE"
  secret_key       = "wJalrXUtnFEMI"
  token            = "T"
  ssh_username     = "admin"
  ssh_keypair_name = "keys"
  ssh_agent_auth   = true
  kms_key_id       = "alias/one"
  metadata_options {
    http_tokens = "required"
  }
}

build {
  sources = ["null.literal", "null.variable", "null.local", "amazon-ebs.cloud"]

  provisioner "powershell" {
    elevated_user     = "vagrant"
    elevated_password = "vagrant"
    inline            = ["x"]
    only              = ["amazon-ebs.cloud"]
  }
}
