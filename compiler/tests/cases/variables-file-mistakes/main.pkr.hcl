variable "region" {
  type    = string
  default = "x"
}

variable "list" {
  type    = list(string)
  default = []
}
