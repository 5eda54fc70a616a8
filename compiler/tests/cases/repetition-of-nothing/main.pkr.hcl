variable "nothing" {
  type    = set(string)
  default = null
}

locals {
  on = false
}

source "null" "none" {
  for_each     = var.nothing
  communicator = "none"
  ssh_username = each.value
}

source "null" "off" {
  enabled      = local.on
  communicator = "none"
}

source "null" "kept" {
  for_each     = ["a", "b"]
  enabled      = each.key == "b"
  communicator = "none"
}

build {
  sources = ["source.null.none", "source.null.off", "source.null.kept"]

  source "source.null.kept" {
    enabled = false
    name    = "other"
  }

  provisioner "shell" {
    count  = 0
    inline = ["echo ${count.index} ${build.ID}"]
  }

  provisioner "shell" {
    enabled = false
    inline  = ["echo"]
  }

  post-processor "manifest" {
    for_each = {}
    output   = each.value
  }
}

build {
  name     = "nothing"
  for_each = []
  sources  = ["source.null.${each.key}", "source.null.kept"]

  provisioner "shell" {
    inline = ["echo ${each.key}"]
  }
}

build {
  name    = "${"off"}"
  enabled = local.on
  sources = ["source.null.kept"]
}
