variable "disk" {
  type = object({
    size = number
    name = optional(string, "root")
  })
}

variable "disks" {
  type = list(object({ size = number }))
}

variable "from_default" {
  default = { a = 1, b = "x" }
}

variable "any" {
  type = any
}

variable "strings" {
  type = map(string)
}
