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

# A mistake all the same.
source "qemu" "unused" {
  iso_url      = "https://images.example/debian.iso"
  iso_checksum = "none"
  ssh_username = "admin"
  memori       = 2048
}

source "null" "used" {
  communicator = "none"
}

build {
  sources = ["null.used"]
}
