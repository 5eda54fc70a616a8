source "null" "a" { communicator = "none" }

build {
  sources = ["null.a"]
}

build {
  sources = ["null.a"]
}

build {
  name    = "named"
  sources = ["null.a"]
}
