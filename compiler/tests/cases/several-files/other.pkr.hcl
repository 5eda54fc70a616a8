variable "prefix" {
  default = "web"
}

locals {
  suffix = "1"
}

source "null" "a" {
  communicator = "none"
  ssh_username = local.name
}
