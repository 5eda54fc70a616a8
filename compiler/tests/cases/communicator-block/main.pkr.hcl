communicator "ssh" "fast" {
  ssh_timeout = "1m"
}

source "null" "a" {
  communicator "ssh" {
    ssh_host = "x"
  }
}

build {
  sources = ["null.a"]
}
