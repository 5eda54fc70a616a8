source "null" "a" {
  communicator = "none"
}

source "null" "b" {
  communicator = "none"
}

provisioners "base" {
  provisioner "shell-local" {
    inline = ["echo first"]
  }

  dynamic "provisioner" {
    for_each = ["shell-local"]
    labels   = [provisioner.value]
    content {
      only   = ["null.a"]
      inline = ["echo ${provisioner.key}"]
    }
  }
}

provisioners "user" {
  provisioners "base" {
    except = ["null.b"]
  }

  provisioner "shell-local" {
    for_each = each.value
    inline   = ["echo ${each.key} ${count.index}"]
  }
}

# Used nowhere, and checked.
provisioners "spare" {
  provisioner "shell-local" {
    inline = ["echo ${each.value.name} ${count.index} ${build.ID}"]
  }
}

build {
  name    = "web"
  count   = 1
  sources = ["source.null.a", "source.null.b"]

  provisioner "shell-local" {
    inline = ["echo before"]
  }

  provisioners "user" {
    for_each = { x = ["1", "2"], y = [], z = ["3"] }
    enabled  = each.key != "z"
  }

  provisioners "base" {
    only = ["null.b"]
  }

  provisioner "shell-local" {
    inline = ["echo after"]
  }
}

build {
  sources = ["source.null.a"]

  provisioners "base" {}
}
