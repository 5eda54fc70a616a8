variable "pin" {
  type      = number
  sensitive = true
}

variable "list" {
  type      = list(number)
  sensitive = true
}

variable "words" {
  type      = list(string)
  sensitive = true
}

variable "from_file" {
  type      = list(string)
  sensitive = true
}

variable "choice" {
  sensitive = true
  validation {
    condition     = var.choice == "a"
    error_message = "Not ${var.choice}."
  }
}

variable "named" {
  type = string
}

source "null" "a" {
  communicator = var.choice
  ssh_timeout  = var.choice
  ssh_port     = var.choice
  ssh_host     = "${var.choice}"
}

locals {
  a = var.choice + 1
  b = { (var.choice) = 1 }[var.named]
}

build {
  sources = ["null.a"]
  provisioner "shell-local" {
    timeout = var.choice
    inline  = ["x"]
  }
  provisioner "shell-local" {
    script = var.choice
  }
}
