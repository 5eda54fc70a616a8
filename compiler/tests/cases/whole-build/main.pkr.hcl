packer {
  required_version = ">= 1.7.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1.2"
    }
  }
}

variable "region" {
  type    = string
  default = "eu-west-1"
}

variable "password" {
  type      = string
  sensitive = true
}

variable "ports" {
  type    = list(number)
  default = [80]
}

locals {
  greeting = "hello ${local.who}"
  who      = upper(var.region)
}

local "secret" {
  expression = "x-${var.password}"
  sensitive  = true
}

source "null" "base" {
  communicator = "ssh"
  ssh_host     = "127.0.0.1"
  ssh_username = "root"
  ssh_password = local.secret
}

source "null" "quiet" {
  communicator = "none"
}

build {
  name    = "web"
  sources = ["source.null.base", "null.quiet"]

  source "source.null.quiet" {
    name         = "louder"
    ssh_username = "me"
  }

  provisioner "shell" {
    inline       = ["echo ${local.greeting} ${source.name} ${build.ID}", "echo ${local.secret}"]
    only         = ["null.base"]
    pause_before = "5s"
    max_retries  = 3
  }

  provisioner "shell" {
    script = "setup.sh"
    except = ["null.quiet", "null.louder"]
    override = {
      base = {
        execute_command = "sudo {{ .Vars }} {{ .Path }}"
      }
    }
  }

  provisioner "file" {
    source      = "site"
    destination = "/srv/"
  }

  error-cleanup-provisioner "shell-local" {
    inline = ["echo failed"]
  }

  post-processor "manifest" {
    output = "m.json"
  }

  post-processors {
    post-processor "compress" {
      output = "x.tar.gz"
    }
    post-processor "checksum" {
      checksum_types      = ["sha256"]
      keep_input_artifact = true
    }
  }
}
