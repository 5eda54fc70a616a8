variable "region" {
  default = "eu"
}
module "base" {
  source = "./base"
  region = var.region
  sizes  = [1, "2"]
}
# Given another module's artifact: it waits for it, through a local as well.
locals {
  image = "${module.base.image}!"
}
module "app" {
  source   = "./app"
  for_each = { a = 1, b = 2 }
  parent   = local.image
  number   = each.value
}
source "null" "own" {
  communicator = "none"
}
build {
  name    = "top"
  sources = ["source.null.own", "module.base.source.file.note"]
  provisioners "module.base.greet" {}
  provisioner "shell-local" {
    inline = [module.base.region, module.app["a"].text, module.base.image, "${path.root}"]
  }
}
build {
  name    = "all"
  sources = ["source.null.own"]
  provisioner "shell-local" {
    inline = [for key, app in module.app : "${key} ${app.number}"]
  }
}
output "image" {
  value       = module.base.image
  description = "What base made"
}
output "apps" {
  value = { for key, app in module.app : key => app.id }
}
output "secret" {
  value     = "s3cret"
  sensitive = true
}
output "plain" {
  value = [module.base.region, module.app["b"].number]
}
