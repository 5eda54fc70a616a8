variable "nothing" {
  type    = string
  default = null
}

source "null" "a" {
  communicator = "none"
}

build {
  sources = ["source.null.a"]

  dynamic "provisoner" {
    for_each = ["a"]
    labels   = ["shell"]
    content {}
  }

  dynamic "build" {
    for_each = ["a"]
    content {}
  }

  dynamic "provisioner" {
    for_each = ["a"]
    content {
      inline = ["echo"]
    }
  }

  dynamic "provisioner" {
    labels = ["shell"]
    content {
      inline = ["echo"]
    }
  }

  dynamic "provisioner" {
    for_each = ["a"]
    labels   = ["shell", "more"]
    content {
      inline = ["echo"]
    }
  }

  dynamic "provisioner" {
    for_each = ["a"]
    labels   = ["shel"]
    iterator = "item"
    label    = "x"
    content {
      inline = ["echo ${item.value}"]
    }
    contents {}
  }

  dynamic "provisioner" {
    for_each = ["a"]
    labels   = [var.nothing]
    content {
      for_each = ["x"]
      count    = 2
      inline   = ["echo"]
    }
    content {}
  }

  # Repeated for nothing, and checked.
  dynamic "provisioner" {
    for_each = []
    labels   = ["shell"]
    content {
      inlne = ["echo ${provisioner.valeu} ${each.key}"]
    }
  }

  dynamic "provisioner" {
    for_each = 5
    labels   = ["shell"]
    content {
      inline = ["echo"]
    }
  }

  dynamic "post-processors" {
    for_each = ["a"]
    labels   = ["x"]
    content {
      post-processor "manifest" {}
    }
  }

  dynamic {
    for_each = ["a"]
    content {}
  }
}
