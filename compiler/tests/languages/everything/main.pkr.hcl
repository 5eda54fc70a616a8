packer {
  required_version = ">= 1.7.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1"
    }
  }
}

variable "region" {
  type        = string
  default     = "eu-central-1"
  description = "where"
  validation {
    condition     = length(var.region) > 2
    error_message = "The region is too short."
  }
}

variable "sizes" {
  type    = map(number)
  default = { small = 1, large = 1.5 }
}

variable "tags" {
  type = object({
    team  = string
    stage = optional(string, "dev")
  })
  default = { team = "a" }
}

variable "password" {
  type      = string
  default   = "hunter2"
  sensitive = true
}

locals {
  names   = [for k, v in var.sizes : "${k}-${v}"]
  motd    = "line one\nline \"two\" $${x} %%{y}"
  mixed   = [1, "a", true, null, { "a b" = [] }]
  keyed   = { "${var.region}-x" = 1 }
  number  = 1e3
  choose  = "%{ if var.region == "x" }a%{ else }b%{ endif }"
  unicode = "é😀"
}

local "secret" {
  expression = "x${var.password}"
  sensitive  = true
}

source "amazon-ebs" "web" {
  ami_name      = "web-${local.names[0]}"
  instance_type = "t3.micro"
  region        = var.region
  ssh_username  = "admin"
  source_ami_filter {
    filters     = { name = "debian-*" }
    most_recent = true
    owners      = ["136693071363"]
  }
  launch_block_device_mappings {
    device_name = "/dev/sda1"
    volume_size = 20
  }
  launch_block_device_mappings {
    device_name = "/dev/sdb"
    volume_size = 10 + 10
  }
  tags = var.tags
}

source "null" "base" {
  communicator = "none"
}

build {
  name        = "first"
  description = "the first build"
  timeout     = "2h30m"
  sources     = ["source.amazon-ebs.web", "source.null.base"]

  source "source.null.base" {
    name = "other"
  }

  provisioner "shell-local" {
    inline = ["echo ${build.ID}", local.motd]
  }
  provisioner "shell" {
    only             = ["amazon-ebs.web"]
    inline           = ["echo two"]
    environment_vars = ["A=${local.secret}"]
    override = {
      web = { inline = ["echo three"] }
    }
    pause_before = "5s"
    max_retries  = 2
  }
  provisioner "shell-local" {
    inline = ["echo last"]
  }
  error-cleanup-provisioner "shell-local" {
    inline = ["echo sorry"]
  }
  post-processor "manifest" {
    output     = "a.json"
    strip_path = true
  }
  post-processors {
    post-processor "manifest" {
      output = "b.json"
    }
    post-processor "checksum" {
      checksum_types = ["sha256"]
      output         = "{{.BuildName}}.sum"
    }
  }
}

build {
  name    = "second"
  sources = ["null.base"]
}
