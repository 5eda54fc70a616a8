variable "size" {
  type        = uint
  default     = 40960
  description = How large the disk is, in megabytes
}

variable "names" {
  type    = array
  default = []
}

# What stands behind a value is part of what is wrong with it.
variable "zone" {
  default = one two
}

locals {
  fine = var.zone
}
