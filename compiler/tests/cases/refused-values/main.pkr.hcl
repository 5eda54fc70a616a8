variable "size" {
  default = 5
  validation {
    condition     = var.size > 4
    error_message = "too small"
  }
  validation {
    condition     = var.size > 3
    error_message = ""
  }
}

source "qemu" "base" {
  iso_url      = "https://images.example/base.iso"
  iso_checksum = "sha265:abc"
  ssh_username = "root"
  disk_size    = "10GB"
  disk_cache   = "write-back"
  vnc_port_min = 6000
  vnc_port_max = 5900
  http_port_max = 5000
}

source "virtualbox-iso" "base" {
  iso_url              = "https://images.example/base.iso"
  iso_checksum         = "sha256:abc"
  ssh_username         = "root"
  guest_additions_mode = "atach"
  sata_port_count      = 31
  cpus                 = -1
  disk_size            = var.size - 6
}

source "null" "nowhere" {
}

source "null" "nobody" {
  ssh_host = "10.0.0.1"
}

source "null" "windows" {
  communicator   = "winrm"
  winrm_host     = "10.0.0.1"
  winrm_username = "admin"
}

build {
  sources = ["qemu.base", "virtualbox-iso.base", "null.nowhere", "null.nobody", "null.windows"]

  error-cleanup-provisioner "shell-local" {
    inline = ["true"]
  }
  error-cleanup-provisioner "shell-local" {
    inline = ["false"]
  }
}
