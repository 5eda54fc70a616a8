hcp_packer_registry {
  bucket_nme = "web"
  labels     = { a = var.nothing }
}

source "null" "base" {
  communicator = "none"
}

build {
  sources = ["null.base"]

  hcp_packer_registry {
    bucket_name   = "web"
    description   = "what it is"
    bucket_labels = { os = "linux" }
    build_labels  = { at = timestamp() }
  }
}
