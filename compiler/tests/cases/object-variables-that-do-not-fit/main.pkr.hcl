variable "disk" {
  type = object({ size = number })
}

variable "disks" {
  type = list(object({ size = number }))
}

variable "open" {
  type = list(string)
}

variable "flag" {
  type = bool
}
