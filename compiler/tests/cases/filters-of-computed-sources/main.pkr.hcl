variable "enabled" {
  type    = list(string)
  default = ["source.null.linux"]
}

source "null" "linux" {
  communicator = "none"
}

source "null" "windows" {
  communicator = "none"
}

# What this list leaves out today it may have tomorrow.
build {
  sources = var.enabled

  provisioner "shell-local" {
    inline = ["echo not on Windows"]
    except = ["null.windows"]
  }

  provisioner "shell-local" {
    inline = ["echo there is no such source at all"]
    except = ["null.macos"]
  }
}

# Near miss: the list is written out.
build {
  sources = ["source.null.linux"]

  provisioner "shell-local" {
    inline = ["echo not on Windows"]
    except = ["null.windows"]
  }
}
