variable "hours" {
  default = 2
}

source "null" "a" {
  communicator = "none"
}

build {
  name    = "limited"
  timeout = "${var.hours}h"
  sources = ["null.a"]
}

build {
  name    = "wrong"
  timeout = "two hours"
  sources = ["null.a"]
}
