# Provisions a machine that already exists, over SSH: a real sshd on this machine, in the tests.
#
#   imgc apply -var host=192.0.2.10 -var user=admin -var key=~/.ssh/id_ed25519 examples/ssh-machine

variable "host" {
  type = string
}

variable "port" {
  type    = number
  default = 22
}

variable "user" {
  type = string
}

variable "key" {
  description = "The private key file to log in with."
  type        = string
}

variable "destination" {
  description = "Where the application goes on the machine."
  type        = string
  default     = "/opt/app"
}

variable "token" {
  description = "A secret the application needs; it never shows in a log or on a command line."
  type        = string
  sensitive   = true
  default     = "change-me"
}

source "null" "machine" {
  ssh_host             = var.host
  ssh_port             = var.port
  ssh_username         = var.user
  ssh_private_key_file = var.key
  ssh_timeout          = "2m"
}

build {
  sources = ["source.null.machine"]

  provisioner "shell" {
    inline = ["mkdir -p '${var.destination}'"]
  }

  provisioner "file" {
    source      = "${path.root}/app/"
    destination = var.destination
  }

  provisioner "shell" {
    env = { TOKEN = var.token }
    inline = [
      "cd '${var.destination}'",
      "umask 077",
      "printf '%s' \"$TOKEN\" > token",
      "sh ./install.sh",
      "echo \"configured $(cat version) for ${build.User} on ${build.Host}\"",
    ]
  }

  error-cleanup-provisioner "shell" {
    inline = ["rm -f '${var.destination}/token'"]
  }
}
