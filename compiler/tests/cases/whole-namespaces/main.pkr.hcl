variable "a" { default = "x" }
variable "b" {
  default   = "y"
  sensitive = true
}

locals {
  all     = var
  names   = keys(var)
  everything = jsonencode(local.all)
}

source "null" "a" {
  communicator = "none"
  ssh_username = local.everything
}

build {
  sources = ["null.a"]
  provisioner "shell-local" {
    inline = [for k, v in build : k]
  }
}
