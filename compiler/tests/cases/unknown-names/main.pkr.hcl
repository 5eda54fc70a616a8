variable "regoin" {
  default = "x"
}
locals {
  a = var.region
  b = local.aa
  c = regoin
  d = uper("x")
  e = build.ID
  f = data.amazon-ami.x.id
}
source "nul" "a" {}
source "null" "b" {
  shh_host     = "h"
  communicator = "none"
}
build {
  sources = ["source.null.c", "b"]
  provisioner "shel" {
    inline = ["x"]
  }
}
build {
  sources = ["null.b"]
  provisoner "shell" {}
  provisioner "shell" {
    inline = ["${build.Idd}"]
    only   = ["null.x"]
  }
}
