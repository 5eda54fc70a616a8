# The templates of modules that are not enabled say what names there are.
module "lib" {
  source  = "./lib"
  enabled = false
}
module "some" {
  source   = "./lib"
  for_each = { a = true, b = false }
  enabled  = each.value
}
source "null" "own" {
  communicator = "none"
}
source "null" "extended" {
  extends = "module.lib.source.null.base"
}
build {
  sources = [
    "source.null.own",
    "module.lib.source.null.bas",
    "module.lib.source.null.other",
    "module.lib.module.iner.source.null.deep",
    "module.lib.module.inner.source.null.nope",
    "module.lib[\"x\"].source.null.base",
    "module.some[\"b\"].source.null.bse",
    "module.some[\"c\"].source.null.base",
  ]
  source "module.lib.source.null.nope" {}
  provisioners "module.lib.gret" {}
  provisioners "module.lib.module.inner[\"x\"].other" {}
  provisioners "module.some[\"b\"].gret" {}
}
locals {
  computed = "source.null.onw"
}
build {
  # Only what is written out has a correction.
  sources = [local.computed, "source.null.${"onw"}"]
}
