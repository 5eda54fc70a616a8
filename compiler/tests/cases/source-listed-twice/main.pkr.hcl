source "null" "a" { communicator = "none" }

build {
  sources = ["null.a", "source.null.a"]

  source "null.a" {
    ssh_username = "x"
  }
}
