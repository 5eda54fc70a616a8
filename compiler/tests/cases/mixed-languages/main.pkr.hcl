locals {
  from_toml = var.in_toml
}

build {
  name    = "hcl"
  sources = ["source.null.in_json"]
}
