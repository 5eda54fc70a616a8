variable "release" {
  type    = string
  default = "bookworm"
}

locals {
  name = "web-${var.release}"
}

source "file" "base" {
  target  = "base.txt"
  content = "base of ${local.name}"
}

source "null" "web" {
  communicator = "none"
}

build {
  name    = "base"
  sources = ["source.file.base"]

  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "base.sums"
  }

  post-processor "manifest" {
    output = "manifest.json"
  }
}

build {
  name    = "web"
  sources = ["source.null.web"]

  provisioner "shell-local" {
    inline = ["echo install ${local.name}"]
  }

  provisioner "shell-local" {
    inline  = ["echo test"]
    timeout = "5m"
  }

  post-processor "shell-local" {
    inline = ["echo publish"]
  }
}
