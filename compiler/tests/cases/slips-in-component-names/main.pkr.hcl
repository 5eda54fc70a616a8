packer {
  required_plugins {
    amazon = {
      version = ">= 1.2.0"
      source  = "github.com/hashicorp/amazon"
    }
    shel = {
      version = ">= 1.2.0"
      source  = "github.com/example/shel"
    }
  }
}

source "amazon-ebz" "base" {
}

source "amazon_ebs" "base" {
}

source "null" "base" {
  communicator = "none"
}

build {
  sources = ["null.base"]

  # A plugin may provide it.
  provisioner "shel" {
    inline = ["true"]
  }
  provisioner "shell-lokal" {
    inline = ["true"]
  }
}
