packer {
  required_plugins {
    mine = {
      version = ">= 1.0.0"
      source  = "github.com/hashicorp/qemu"
    }
    aws = {
      version = ">= 1.0.0"
      source  = "github.com/hashicorp/amazon"
    }
  }
}

source "mine" "base" {
  iso_url      = "https://images.example/debian.iso"
  iso_checksum = "none"
  ssh_username = "admin"
}

source "aws-ebs" "base" {
  nonsense = true
}
