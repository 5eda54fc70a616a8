locals = {
  a = 1
}

variable "b" {
  default    = 1
  validation = [true]
}

source "null" "base" {
  communicator = "none"
}

build {
  sources         = ["null.base"]
  post-processors = []
}

# A name of its own.
region = "eu"
