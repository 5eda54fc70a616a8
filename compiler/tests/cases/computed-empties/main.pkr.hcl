variable "location" {
  type    = string
  default = ""
}

variable "user" {
  type    = string
  default = null
}

# Values that come from elsewhere are empty here: the template is right.
source "qemu" "computed" {
  iso_url      = var.location
  iso_checksum = var.location
  ssh_username = var.user
}

# Written out as empty: a mistake.
source "qemu" "written" {
  iso_url      = ""
  iso_checksum = ""
  ssh_username = ""
}

build {
  sources = ["qemu.computed", "qemu.written"]
}
