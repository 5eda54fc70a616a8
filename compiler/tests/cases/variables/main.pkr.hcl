variable "missing" {}
variable "number" { type = number }
variable "object" {
  type = object({ a = string, b = optional(number, 3) })
}
variable "checked" {
  default = 5
  validation {
    condition     = var.checked > 6
    error_message = "The value must be over 6."
  }
}
variable "not_null" {
  default  = null
  nullable = false
}
variable "twice" { default = 1 }
variable "twice" { default = 2 }
variables {
  old = "style"
}
