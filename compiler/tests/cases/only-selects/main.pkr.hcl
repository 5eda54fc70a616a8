source "null" "a" { communicator = "none" }
source "null" "b" { communicator = "none" }
build {
  name    = "web"
  sources = ["null.a", "null.b"]
  post-processor "manifest" {}
  post-processor "checksum" {}
}
build {
  sources = ["null.a"]
}
