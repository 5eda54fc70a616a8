variable "filter" {
  type    = list(string)
  default = ["null.x"]
}
source "null" "x" {
  communicator = "none"
}
build {
  sources = ["null.x"]
  provisioner "shell-local" {
    only   = ["null.x"]
    except = var.filter
    inline = ["one"]
  }
  post-processor "manifest" {
    only   = length(var.filter) > 0 ? var.filter : null
    except = ["null.x"]
  }
}
