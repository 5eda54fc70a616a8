variable "name" {
  default = "web"
}

locals {
  page  = "${var.name}.html"
  title = var.name
}
