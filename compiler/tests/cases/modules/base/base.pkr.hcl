variable "region" {
  type = string
}
variable "sizes" {
  type    = list(number)
  default = []
}
locals {
  text = "in ${var.region}, ${join("+", var.sizes)}, ${path.root}"
}
source "file" "note" {
  content = local.text
  target  = "note.txt"
}
build {
  name    = "image"
  sources = ["source.file.note"]
}
provisioners "greet" {
  provisioner "shell-local" {
    inline = ["echo ${local.text} ${build.name}"]
  }
}
output "image" {
  value = build.image.artifact.files[0]
}
output "region" {
  value = upper(var.region)
}
