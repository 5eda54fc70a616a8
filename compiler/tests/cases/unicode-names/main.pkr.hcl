variable "größe" {
  type    = number
  default = 8
}

locals {
  "名前" = "x"
}

locals {
  doppelt = var.größe * 2
  名前     = "web"
  falsch  = "${local.名} ${var.grösse}"
}
