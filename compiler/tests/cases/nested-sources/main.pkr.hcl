source "null" "a" {
  communicator = "none"
}

source "file" "note" {
  target = "a.txt"
}

build {
  name = "web"

  source "source.null.a" {
    name         = "first"
    ssh_usernam  = "x"
  }

  source "null.a" {
    name = "second"
  }

  source "null.b" {}

  source "null" {}

  source "file.note" {
    name    = "third"
    content = "x"
  }

  source "file.note" {
    name = "fourth"
  }

  provisioner "shell-local" {
    only   = ["null.first", "null.a"]
    inline = ["echo ${source.name}"]
  }
}
