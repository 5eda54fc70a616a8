variable "image" {}
source "null" "a" {
  communicator = var
}
build {
  sources = null.a
}
build {
  sources = [source.null.a, null.a]
}
build {
  sources = "null.a"
}
build {
  sources = []
}
