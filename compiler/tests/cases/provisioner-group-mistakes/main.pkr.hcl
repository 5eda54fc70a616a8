source "null" "a" {
  communicator = "none"
}

provisioners "base" {
  only = ["null.a"]

  provisioner "shell" {
    inlin = ["echo ${each.key}"]
  }

  post-processor "manifest" {}
  source "null.a" {}
}

provisioners "base" {
  provisioner "shell" {
    inline = ["echo"]
  }
}

provisioners "ring" {
  provisioners "link" {}
}

provisioners "link" {
  provisioner "shell" {
    inline = ["echo"]
  }
  provisioners "ring" {}
}

provisioners "self" {
  provisioners "self" {}
}

provisioners "lost" {
  provisioners "nowhere" {}
}

provisioners {}

build {
  sources = ["source.null.a"]

  provisioners "bse" {}
  provisioners "ring" {}

  provisioners "link" {
    only    = ["null.b"]
    except  = ["null.a"]
    onlyy   = []
    timeout = "1m"
  }

  provisioners "another" {
    provisioner "shell" {
      inline = ["echo"]
    }
  }
}

build {
  name    = "second"
  sources = ["source.null.a"]

  # `each` in the group is what the use is repeated over, and this one is not.
  provisioners "base" {}
}
