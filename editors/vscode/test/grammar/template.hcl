# A comment with ${nothing} in it
// another
/* and
   one more */
packer {
  required_plugins {
    amazon = { version = ">= 1.2.0", source = "github.com/hashicorp/amazon" }
  }
}

variable "names" {
  type        = list(object({ name = string, size = optional(number, 20) }))
  default     = [{ name = "a", size = 1.5e3 }, null, true, -7]
  sensitive   = false
  validation {
    condition     = length(var.names) > 0 && !contains(var.names[*].name, "")
    error_message = "At least one: \"x\" \n \u00e9 \q."
  }
}

locals {
  stamp = formatdate("YYYYMMDD", timestamp())
  each  = { for key, one in var.names : key => upper(one.name)... if one.size >= 2 }
  some  = [for one in var.names : one.*.size]
  text  = "web-${local.stamp}-%{ if var.names != null ~}x%{ else }y%{ endif }-$${literal}-%%{literal}"
  ask   = aws::secret("name", local.list...) == "" ? 1 : 2 % 3
  "quoted key" = 1
}

source "amazon-ebs" "web" {
  ami_name      = "web {{ isotime `2006-01-02` | clean_resource_name }} {{timestamp}}"
  instance_type = var.names[0].size
  tags = {
    Name : "x", (local.stamp) = "y"
    "quoted" = source.amazon-ebs.web.id
  }
  launch_block_device_mappings { device_name = "/dev/sda1" }
}

build {
  name    = "one"
  sources = ["source.amazon-ebs.web"]
  provisioner "shell" {
    execute_command = "{{ .Vars }} sudo -E sh '{{ .Path }}' {{/* why */}}"
    inline = [<<-EOT
      echo "${build.ID}" {{ if eq .A "b" }}x{{ end }}
      # no comment
      EOT
    , "second"]
  }
  dynamic "provisioner" {
    for_each = local.some
    labels   = ["shell"]
    content { inline = [each.value] }
  }
  post-processor "manifest" {}
}
