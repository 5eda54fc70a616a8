variable "a" {
  typ     = string
  default = local.x
}

variable "b" {
  type    = list
  default = "x"
}

variable "c" {
  type        = strin
  default     = 1
  description = ["x"]
  sensitive   = "perhaps"
}

variable "d" {
  default = env("NOTHING")
}

variable "e" {
  default = 1
  validation {
    condition     = local.x
    error_message = 5
  }
  validation {
    condition     = "yes"
    error_message = "Say yes."
  }
  validations {
  }
}

variable "f" {
  default = timestamp()
}

variable "default" {
  type = string
  type = number
}

locals {
  x = var.a
  y = var
}
