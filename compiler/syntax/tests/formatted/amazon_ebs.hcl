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
  default = "eu-central-1"
}

source "amazon-ebs" "gateway" {
  ami_name                    = "gateway-${var.release}-${local.stamp}"
  ami_description             = "Edge gateway, release ${var.release}"
  instance_type               = "t3.small"
  region                      = var.region
  ami_regions                 = distinct(concat([var.region], var.copies))
  associate_public_ip_address = false
  encrypt_boot                = true
  kms_key_id                  = var.key == "" ? null : var.key

  source_ami_filter {
    filters = {
      name                = "debian-12-amd64-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = ["136693071363"]
    most_recent = true
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = 16
    volume_type           = "gp3"
    delete_on_termination = true
  }

  vpc_filter {
    filters = { "tag:Purpose" : "build", isDefault : "false" }
  }
  subnet_filter {
    filters   = { "tag:Purpose" : "build" }
    most_free = true
    random    = false
  }

  temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"
    Statement {
      Action   = ["s3:GetObject", "logs:*"]
      Effect   = "Allow"
      Resource = ["*"]
    }
  }

  tags     = merge(local.tags, { Name = "gateway" })
  run_tags = { for key, value in local.tags : "build:${key}" => value if value != "" }
}

build {
  name    = "gateway"
  sources = ["source.amazon-ebs.gateway"]

  provisioner "shell" {
    execute_command = "chmod +x {{ .Path }}; sudo {{ .Vars }} {{ .Path }}"
    scripts         = fileset(".", "scripts/*.sh")
  }

  post-processor "manifest" { output = "manifest.json" }
}
