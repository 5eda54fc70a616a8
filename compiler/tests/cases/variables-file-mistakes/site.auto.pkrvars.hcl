region = var.list
region = "twice"
list   = "a"

variable "region" {
  default = "b"
}

other = upper("x")
