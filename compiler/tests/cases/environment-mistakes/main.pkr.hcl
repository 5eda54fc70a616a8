variable "ports" {
  type = list(number)
}

variable "on" {
  type    = bool
  default = false
}
