source "vmware-iso" "remote" {
  iso_url         = "https://images.example/debian.iso"
  iso_checksum    = "none"
  ssh_username    = "admin"
  remote_host     = "esx"
  remote_password = 12
  version         = "9 and more"
}

source "vsphere-clone" "export" {
  host         = "esx"
  vcenter_server = "vc"
  username     = "u"
  password     = "p"
  vm_name      = "web"
  template     = "base"
  ssh_username = "admin"
  export {
    images               = true
    directory_permission = 493
  }
}

source "amazon-ebs" "filter" {
  ami_name      = "web"
  instance_type = "t3.micro"
  ssh_username  = "admin"
  source_ami_filter {
    owners      = ["self"]
    most_recent = true
    filter {
      key   = "name"
      value = "debian*"
    }
  }
  packer_debug = true
}
