# What public templates write and old facts do not list.
packer {
  required_plugins {
    goss = {
      version = "~> 4"
      source  = "github.com/YaleUniversity/goss"
    }
  }
}

source "arm-image" "board" {
  iso_url      = "https://example.com/image.zip"
  iso_checksum = "none"
}

source "null" "here" {
  communicator = "none"
}

build {
  # Packer takes no more than three parts.
  sources = ["arm-image.board", "source.null.here.${1 + 1}"]
  provisioner "shell-local" {
    only   = ["arm-image.board"]
    inline = ["ls ${build.MountPath}"]
  }
  provisioner "goss" {
    only = ["arm-image.board"]
    installation {
      version = "0.4.2"
    }
    validate {
      goss_file   = "goss.yaml"
      vars_inline = { installed = true }
    }
  }
}
