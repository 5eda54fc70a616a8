variable "name" {
  type = string
}

variable "port" {
  type = number
}

variable "base" {
  type        = string
  description = "The file to start from"
}

source "file" "image" {
  source = var.base
  target = "out/${var.name}.txt"
}

build {
  name    = "image"
  sources = ["source.file.image"]

  provisioner "shell-local" {
    inline = ["echo ${var.name} on port ${var.port} >> out/${var.name}.txt"]
  }
}

output "file" {
  value = build.image.artifact.files[0]
}
