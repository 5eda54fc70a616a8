variable "secret" {
  default   = "{{ hunter3 }}"
  sensitive = true
}

locals {
  elsewhere = "{{ elsewhere }}"
}

source "amazon-ebs" "base" {
  ami_name      = "web-{{timestampp}}"
  instance_type = "t3.small"
  region        = "eu-west-1"
  source_ami    = "ami-1"
  ssh_username  = "admin"
  user_data     = <<-EOT
    #!/bin/sh
    echo {{ clean_ami_name `a b` }}
  EOT
  tags = {
    base = "{{ .SourceAMIName }}"
    when = "{{ isotime 2006 }} {{ .Anything }}"
    id   = "{{ build `ID` }}"
  }
  launch_block_device_mappings {
    device_name = "/dev/{{ uper `sda` }}"
  }
}

build {
  sources = ["amazon-ebs.base"]

  provisioner "shell" {
    execute_command = "{{ .Vars }} {{ Path }}"
    inline = [
      "docker ps --format '{{.Names}}'",
      "docker ps --format '{{json .}}'",
      "echo \"{{ env \"HOME\" }}\"",
      "echo {{ if eq build_name `base` }}",
      "echo ${local.elsewhere}",
      "echo ${build.ID} {{ upper }} ${build.Host}",
      "echo ${var.secret}",
    ]
  }
  post-processor "manifest" {
    output      = "{{"
    custom_data = { a = "{{ sed `s/a/b/` `c` }}" }
  }
}
