locals {
  name = "${var.prefix}-${local.suffix}"
}

build {
  sources = ["null.a", "null.b"]
}
