# What is empty or null counts as not given: nothing here clashes, nothing is a wrong length of time.
variable "except" {
  type    = list(string)
  default = []
}
source "null" "x" {
  communicator = "none"
}
source "null" "y" {
  communicator = "none"
}
build {
  sources = ["null.x", "null.y"]
  provisioner "shell-local" {
    only         = ["null.x"]
    except       = []
    pause_before = ""
    timeout      = ""
    inline       = ["one"]
  }
  provisioner "shell-local" {
    only   = null
    except = ["null.x"]
    inline = ["two"]
  }
  provisioner "shell-local" {
    only   = length(var.except) > 0 ? ["null.x"] : []
    except = length(var.except) > 0 ? null : ["null.y"]
    inline = ["three"]
  }
  post-processor "manifest" {
    only   = ["null.x"]
    except = var.except
  }
}
