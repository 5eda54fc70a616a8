locals {
  list = [
    var.nope,
    upper(),
    "${local.nope}" + 1,
  ]
  later = length(local.list) + local.list[9]
  chain = local.later.a.b.c
}

source "null" "a" {
  communicator = "none"
  ssh_username = local.chain
  ssh_port     = local.later
}

build {
  name    = local.chain
  sources = [local.chain]
}
