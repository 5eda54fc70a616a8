variable "release" {
  description = "The Debian release to start from."
  type        = string
  default     = "bookworm"
}

source "rootfs" "web" {
  from         = "debian:${var.release}"
  formats      = ["oci", "qcow2"]
  exposed_port = ["80/tcp"]
  entrypoint   = ["/usr/sbin/nginx", "-g", "daemon off;"]
}

build {
  sources = ["source.rootfs.web"]

  provisioner "shell" {
    inline = ["apt-get update", "apt-get install --yes nginx-light"]
  }
}
