data "amazon-ami" "debian" {
  filters = {
    name = "debian-12-*"
  }
  owners      = ["136693071363"]
  most_recent = true
  region      = "eu-central-1"
}

data "http" "version" {
  url = "https://example.org/version?suite=${var.suite}&arch=${var.arch}"
  request_headers = {
    Accept = "application/json"
  }
}

data null time {
  input = timestamp()
}

locals {
  source_ami = data.amazon-ami.debian.id
  version    = jsondecode(data.http.version.body)["version"]
  major      = split(".", local.version)[0]
}
