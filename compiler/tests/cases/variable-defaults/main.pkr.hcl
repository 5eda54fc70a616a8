variable "full" {
  default = "${var.name}-${var.size}"
}

variable "name" {
  default = "web"
}

variable "size" {
  type    = number
  default = 3
}

variable "secret" {
  default   = "x${env("NOTHING")}"
  sensitive = true
}

variable "derived" {
  default = "${var.secret}y"
}

variable "here" {
  default = path.root
}

variable "first" {
  default = var.second
}

variable "second" {
  default = "a${var.first}"
}

variable "typo" {
  default = var.nmae
}

source "null" "base" {
  communicator = "none"
}

build {
  sources = ["null.base"]
}
