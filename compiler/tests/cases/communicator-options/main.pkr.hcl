source "qemu" "nobody" {
  iso_url      = "https://images.example/debian.iso"
  iso_checksum = "none"
}

source "qemu" "forgot_communicator" {
  iso_url        = "https://images.example/debian.iso"
  iso_checksum   = "none"
  ssh_username   = "admin"
  winrm_username = "admin"
  winrm_password = "x"
}

# Keys serve to decrypt the first password.
source "amazon-ebs" "windows" {
  ami_name             = "web"
  instance_type        = "t3.micro"
  source_ami           = "ami-1"
  communicator         = "winrm"
  winrm_username       = "Administrator"
  ssh_keypair_name     = "key"
  ssh_private_key_file = "key"
}

source "amazon-ebs" "both" {
  ami_name       = "web"
  instance_type  = "t3.micro"
  source_ami     = "ami-1"
  communicator   = "winrm"
  winrm_username = "Administrator"
  ssh_username   = "root"
  ssh_timeout    = "5m"
}

source "qemu" "bastion" {
  iso_url          = "https://images.example/debian.iso"
  iso_checksum     = "none"
  ssh_username     = "admin"
  ssh_bastion_host = "gate"
  ssh_proxy_host   = "proxy"
}

source "qemu" "folded" {
  iso_url      = "https://images.example/debian.iso"
  iso_checksum = "none"
  ssh_username = "admin"
  communicator = "SSH"
}

source "azure-arm" "has_a_default" {
  subscription_id                   = "x"
  managed_image_name                = "a"
  managed_image_resource_group_name = "b"
  os_type                           = "Linux"
  location                          = "West Europe"
  image_publisher                   = "Canonical"
  image_offer                       = "focal"
  image_sku                         = "20_04-lts"
}

source "docker" "default_is_docker" {
  image  = "debian"
  commit = true
}
