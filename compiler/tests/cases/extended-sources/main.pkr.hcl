locals {
  hosts = { a = "192.0.2.1", b = "192.0.2.2" }
}

# Lacks what it must have, and is never built: it is checked as a part of those that extend it.
source "qemu" "abstract" {
  iso_checksum = "none"
  memory       = 1024
  qemuargs     = [["-m", "${source.name}"]]
}

source "qemu" "middle" {
  extends = source.qemu.abstract
  memory  = 2048
}

source "qemu" "full" {
  extends      = "source.qemu.middle"
  iso_url      = "file.iso"
  ssh_username = "root"
}

source "null" "repeated" {
  for_each     = local.hosts
  ssh_host     = each.value
  ssh_username = "base-${each.key}"
}

source "null" "one" {
  extends      = source.null.repeated["a"]
  ssh_password = "x"
}

source "null" "each" {
  for_each     = convert(["b", "a"], set(string))
  extends      = source.null.repeated[each.key]
  ssh_password = each.key
}

build {
  sources = ["source.qemu.full", "source.null.one", "source.null.each"]

  # Overrides come on top of all of it.
  source "source.null.one" {
    name         = "again"
    ssh_host     = "192.0.2.9"
    ssh_username = "nested"
  }
}
