locals {
  text = var.wrd
}
