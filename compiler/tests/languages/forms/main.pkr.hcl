variable "old" {
  default = "a"
}
variable "none" {
  default = null
}
locals {
  a = 1
  b = "${var.old}b"
}
source "null" "a" {
  communicator = "none"
}
source "null" "b" {
  communicator = "none"
}
build {
  sources = ["null.a", "null.b"]
  provisioner "shell-local" {
    inline = ["one"]
  }
  provisioner "shell-local" {
    inline = ["two"]
  }
}
