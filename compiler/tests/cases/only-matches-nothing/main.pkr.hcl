source "null" "a" { communicator = "none" }
build {
  name    = "web"
  sources = ["null.a"]
}
