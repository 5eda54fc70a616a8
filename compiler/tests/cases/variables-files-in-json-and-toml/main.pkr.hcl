variable "a" {
  type = string
}

variable "b" {
  type = string
}

variable "c" {
  type = list(number)
}

variable "d" {
  type    = map(string)
  default = {}
}

variable "e" {
  type    = bool
  default = false
}
