# A Debian image that serves one page with nginx: as an OCI image layout for containers and as a disk for QEMU.
#
#   imgc apply examples/quickstart

variable "release" {
  description = "The Debian release to start from."
  type        = string
  default     = "bookworm"
}

variable "title" {
  type    = string
  default = "It works"
}

locals {
  page = templatefile("${path.root}/site/index.html.pkrtpl", { title = var.title })
}

source "rootfs" "debian" {
  from          = "debian:${var.release}"
  formats       = ["oci", "qcow2"]
  exposed_ports = ["80/tcp"]
  entrypoint    = ["/usr/sbin/nginx", "-g", "daemon off;"]
  labels        = { "org.opencontainers.image.title" = "quickstart" }
}

build {
  name    = "web"
  sources = ["source.rootfs.debian"]

  provisioner "shell" {
    env = { DEBIAN_FRONTEND = "noninteractive" }
    inline = [
      "apt-get update",
      "apt-get install --yes --no-install-recommends nginx-light",
    ]
  }

  provisioner "file" {
    content     = local.page
    destination = "/var/www/html/index.html"
    mode        = "0644"
  }

  provisioner "shell" {
    inline = ["nginx -v", "grep -q '${var.title}' /var/www/html/index.html"]
  }

  post-processor "manifest" {
    output = "output-debian/manifest.json"
  }
}
