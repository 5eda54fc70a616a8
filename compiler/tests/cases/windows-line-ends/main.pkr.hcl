variable "a" {
  default = "x"
}

locals {
  b = var.aa
  c = <<-EOF
    one
    two
    EOF
}
