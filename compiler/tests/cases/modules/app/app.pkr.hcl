variable "parent" {
  type = string
}
variable "number" {
  type = number
}
module "inner" {
  source = "../inner"
}
source "file" "app" {
  content = "${var.parent} ${module.inner.word}"
  target  = "app-${var.number}.txt"
}
build {
  name    = "app"
  sources = ["source.file.app"]
}
output "text" {
  value = "made from ${var.parent}"
}
output "id" {
  value = build.app.artifact.id
}
output "number" {
  value = var.number
}
