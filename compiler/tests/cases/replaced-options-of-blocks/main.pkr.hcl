source "azure-arm" "gallery" {
  use_azure_cli_auth = true
  location           = "West Europe"
  os_type            = "Linux"
  image_publisher    = "canonical"
  image_offer        = "ubuntu-24_04-lts"
  image_sku          = "server"

  shared_image_gallery_destination {
    resource_group      = "images"
    gallery_name        = "gallery"
    image_name          = "base"
    image_version       = "1.0.0"
    replication_regions = ["West Europe"]
  }
}

# A near miss: the block that replaces it.
source "azure-arm" "regions" {
  use_azure_cli_auth = true
  location           = "West Europe"
  os_type            = "Linux"
  image_publisher    = "canonical"
  image_offer        = "ubuntu-24_04-lts"
  image_sku          = "server"

  shared_image_gallery_destination {
    resource_group = "images"
    gallery_name   = "gallery"
    image_name     = "base"
    image_version  = "1.0.0"

    target_region {
      name = "West Europe"
    }
  }
}

build {
  sources = ["azure-arm.gallery", "azure-arm.regions"]
}
