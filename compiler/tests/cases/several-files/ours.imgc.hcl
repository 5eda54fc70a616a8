source "null" "b" {
  communicator = "none"
  ssh_username = var.user
}

variable "user" {
}
