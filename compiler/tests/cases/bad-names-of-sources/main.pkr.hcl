source "null" "x" {
  communicator = "none"
}
build {
  sources = ["null.zz", var.nope, 3, ["null.x"], null.x, local.nope, "null.x"]
}
