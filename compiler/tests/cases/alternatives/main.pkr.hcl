source "azure-arm" "nothing" {
  subscription_id = "x"
  managed_image_name = "a"
  managed_image_resource_group_name = "b"
  os_type = "Linux"
  location = "West Europe"
}

source "azure-arm" "half" {
  subscription_id = "x"
  managed_image_name = "a"
  managed_image_resource_group_name = "b"
  os_type = "Linux"
  location = "West Europe"
  image_publisher = "Canonical"
  image_offer     = "0001-com-ubuntu-server-focal"
}

source "azure-arm" "right" {
  subscription_id = "x"
  managed_image_name = "a"
  managed_image_resource_group_name = "b"
  os_type = "Linux"
  location = "West Europe"
  image_publisher = "Canonical"
  image_offer     = "0001-com-ubuntu-server-focal"
  image_sku       = "20_04-lts"
}

source "digitalocean" "token" {
  region       = "fra1"
  size         = "s"
  image        = "debian"
  ssh_username = "root"
}

source "hcloud" "token_in_environment" {
  image        = "debian"
  location     = "nbg1"
  server_type  = "cx11"
  ssh_username = "root"
}
