variable "url" {
  type    = string
  default = null
}

# For another build: what it lacks is only worth a warning.
source "hyperv-iso" "unused" {
  iso_url        = var.url
  iso_checksum   = ""
  winrm_username = "admin"
  ssh_username   = "admin"
}

source "digitalocean" "unused" {
  region = "fra1"
}

# Mistakes, yet nothing reads them.
source "qemu" "unused" {
  iso_url      = "https://images.example/${var.release}.iso"
  iso_checksum = "none"
  ssh_username = locals.user
  memori       = 2048
}

# Read by everything: a mistake all the same.
locals {
  name = upper(local.nobody)
}

source "null" "used" {
  communicator = "none"
}

build {
  sources = ["null.used"]

  provisioner "shell-local" {
    only   = ["qemu.unused"]
    script = "made-by-another-build.sh"
    enviro = {}
  }

  # A near miss: it runs.
  provisioner "shell-local" {
    except = ["qemu.unused"]
    inlin  = ["true"]
  }
}
