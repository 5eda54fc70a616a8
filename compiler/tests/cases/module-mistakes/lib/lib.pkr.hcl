variable "region" {
  type = string
  validation {
    condition     = length(var.region) < 5
    error_message = "Too long."
  }
}
variable "number" {
  type = number
}
source "null" "base" {
  communicator = "none"
}
provisioners "group" {
  provisioner "shell-local" {
    inline = ["echo ${var.nope}"]
  }
}
output "text" {
  value = var.region
}
