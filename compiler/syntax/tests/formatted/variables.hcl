variable "simple" {}
variable "typed" {
  type = map(object({
    name    = string
    port    = optional(number, 22)
    tags    = list(string)
    options = optional(object({ fast = bool, slow = bool }), { fast = true, slow = false })
  }))
}
variable "any" { type = any }
variable "size" {
  type        = string
  default     = "small"
  description = "How large the machine is."
  nullable    = false

  validation {
    condition     = contains(["small", "large"], var.size)
    error_message = "The size is small or large."
  }
  validation {
    condition     = length(var.size) > 0 && can(regex("^[a-z]+$", var.size))
    error_message = "Only lower case, but got \"${var.size}\"."
  }
}
variable "password" {
  type      = string
  sensitive = true
  default   = env("BUILD_PASSWORD")
}
variables {
  one = 1
  two = ["a", "b"]
}
