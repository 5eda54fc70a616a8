packer "x" {}
variable {}
variable "a" "b" {}
source "null" {}
source "null" "a" "b" {}
source null c { communicator = "none" }
source "null" "" {}
source "null" "a b" {}
source "null" "${x}" {}
data "http" {}
build "web" {
  sources = ["null.c"]
}
locals "x" {}
build {
  sources = ["null.c"]
  provisioner {
    inline = ["x"]
  }
  provisioner "shell-local" "b" {
    inline = ["x"]
  }
  post-processor {}
  post-processors "x" {}
  source {}
}
