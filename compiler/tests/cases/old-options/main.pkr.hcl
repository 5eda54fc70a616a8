source "virtualbox-iso" "checksum" {
  iso_url              = "https://images.example/debian.iso"
  iso_checksum_type    = "sha256"
  iso_checksum         = "ab12"
  ssh_username         = "admin"
  ssh_key_path         = "key"
  ssh_wait_timeout     = "10m"
  ssh_disable_agent    = true
  guest_additions_attach = true
}

source "virtualbox-iso" "file" {
  iso_url          = "https://images.example/debian.iso"
  iso_checksum_url = "https://images.example/SUMS"
  ssh_username     = "admin"
  # The new name goes first.
  ssh_timeout      = "20m"
  ssh_wait_timeout = "10m"
}

source "virtualbox-iso" "none" {
  iso_url           = "https://images.example/debian.iso"
  iso_checksum_type = "none"
  ssh_username      = "admin"
}

source "parallels-iso" "mac" {
  iso_url                = "https://images.example/debian.iso"
  iso_md5                = "ab12"
  ssh_username           = "admin"
  guest_os_distribution  = "debian"
  headless               = true
  parallels_tools_flavor = "lin"
}

source "vsphere-iso" "net" {
  host         = "esx"
  vcenter_server = "vc"
  username     = "u"
  password     = "p"
  vm_name      = "web"
  disk_size    = 1000
  network      = "VM Network"
  network_card = "vmxnet3"
  ssh_username = "admin"
}

build {
  sources = [
    "virtualbox-iso.checksum", "virtualbox-iso.file", "virtualbox-iso.none", "parallels-iso.mac", "vsphere-iso.net",
  ]
  post-processor "docker-tag" {
    repository = "example/web"
    tag        = ["latest"]
  }
}
