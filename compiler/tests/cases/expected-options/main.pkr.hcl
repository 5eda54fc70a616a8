source "lxc" "base" {
  config_file = "lxc.conf"
}

source "vmware-iso" "card" {
  iso_url              = "https://images.example/debian.iso"
  iso_checksum         = "none"
  ssh_username         = "admin"
  network_adapter_type = "pcnet32"
}
