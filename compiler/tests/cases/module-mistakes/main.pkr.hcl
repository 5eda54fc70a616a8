module "lib" {
  source  = "./lib"
  regoin  = "eu"
  count_of = 1
  number  = "many"
  version = "1.0"
}
module "none" {
  source = "./nowhere"
}
module "bare" {
  source = "lib"
}
module "computed" {
  source = "./${local.x}"
}
module "self" {
  source = "./circle"
}
module "me" {
  source = "./"
}
module "git" {
  source = "git::https://example.com/m.git//sub?ref=v1"
}
module "ext" {
  source = "git::ext::sh"
}
module "sourceless" {
}
module "keyed" {
  source   = "./lib"
  for_each = ["a"]
  region   = "x"
  number   = 1
}
locals {
  x   = "x"
  one = module.libb.text
  two = module.lib.txt
  three = module.keyed.text
  four = module.keyed["b"].text
  # What could not be loaded says nothing more.
  five = module.none.text
  six  = module.circular_a.x
}
module "circular_a" {
  source = "./lib"
  region = module.circular_b.text
  number = 1
}
module "circular_b" {
  source = "./lib"
  region = module.circular_a.text
  number = 1
}
source "null" "n" {
  communicator = "none"
}
build {
  sources = ["module.lib.source.null.bse", "module.lbi.source.null.base", "module.keyed.source.null.base", "module.keyed[\"a\"].source.null.base", "module.none.source.null.x", "source.null.n"]
  provisioners "module.lib.grop" {}
  provisioners "module.libx.group" {}
  provisioners "module.none.group" {}
}
output "x" {
  vale = 1
}
output "y" {
  value = build.nothing.artifact.id
}
output "y" {
  value = 2
}
