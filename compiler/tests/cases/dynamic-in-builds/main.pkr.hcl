variable "steps" {
  default = [
    { type = "shell-local", say = "one" },
    { type = "shell", say = "two" },
    { type = "shell-local", say = "one" },
  ]
}

source "null" "a" {
  communicator = "none"
}

source "null" "b" {
  communicator = "none"
}

build {
  dynamic "source" {
    for_each = { x = "a", y = "b" }
    iterator = it
    labels   = ["source.null.${it.value}"]
    content {
      name         = it.key
      ssh_username = it.value
    }
  }

  dynamic "provisioner" {
    for_each = var.steps
    iterator = step
    labels   = [step.value.type]
    content {
      enabled = step.key != 2
      only    = ["null.x"]
      timeout = "${step.key + 1}m"
      inline = ["echo ${step.value.say} ${step.key}"]
    }
  }

  dynamic "error-cleanup-provisioner" {
    for_each = convert(["x"], set(string))
    labels   = ["shell-local"]
    content {
      inline = ["echo ${error-cleanup-provisioner.key}"]
    }
  }

  dynamic "post-processor" {
    for_each = ["a", "b"]
    labels   = ["manifest"]
    content {
      output = post-processor.value
    }
  }

  dynamic "post-processors" {
    for_each = { z = ["1", "2"] }
    iterator = chain
    content {
      dynamic "post-processor" {
        for_each = chain.value
        labels   = [for type in ["shell-local"] : type]
        content {
          inline = ["echo ${chain.key} ${post-processor.value}"]
        }
      }
    }
  }
}
