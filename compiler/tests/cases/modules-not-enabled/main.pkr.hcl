# What is in modules that are not enabled is there, and nobody builds it.
variable "with_lib" {
  type    = bool
  default = false
}
module "lib" {
  source  = "./lib"
  enabled = var.with_lib
}
module "some" {
  source   = "./lib"
  for_each = { a = true, b = false }
  enabled  = each.value
}
source "null" "own" {
  communicator = "none"
}
source "null" "like_lib" {
  extends = module.lib.source.null.base
  enabled = var.with_lib
}
build {
  sources = [
    "source.null.own",
    "source.null.like_lib",
    "module.lib.source.null.base",
    "module.lib.module.inner[\"x\"].source.null.deep",
    "module.some[\"a\"].source.null.base",
    "module.some[\"b\"].source.null.base",
  ]
  source "module.lib.source.null.base" {
    name = "again"
  }
  provisioners "module.lib.greet" {}
  provisioners "module.some[\"a\"].greet" {}
  provisioners "module.some[\"b\"].greet" {}
  provisioners "module.lib.module.inner[\"x\"].greet" {}
}
source "null" "like_some" {
  extends = module.some["a"].module.inner["x"].source.null.deep
}
