# A plugin of another owner than the catalogue's, by the same name: its options may be others.
packer {
  required_plugins {
    proxmox = {
      version = ">= 1.0.0"
      source  = "github.com/example/proxmox"
    }
    # The same owner, written in another way.
    qemu = {
      version = ">= 1.0.0"
      source  = "github.com/HashiCorp/qemu"
    }
  }
}

source "proxmox-iso" "forked" {
  proxmox_url          = "https://pve.example:8006/api2/json"
  username             = "root@pam"
  password             = "x"
  node                 = "pve"
  ssh_username         = "root"
  sparkle              = true
  boot_iso {
    iso_file = "local:iso/debian.iso"
    glitter  = 1
  }
  quux {
    depth = 2
  }
}

source "qemu" "own" {
  iso_url      = "https://images.example/debian.iso"
  iso_checksum = "none"
  ssh_username = "admin"
  sparkle      = true
}

build {
  sources = ["source.proxmox-iso.forked", "source.qemu.own"]
}
