variable "release" {
  type    = string
  default = "bookworm"
}

source "rootfs" "web" {
  from       = "debian:${var.release}"
  formats    = ["oci", "qcow2"]
  entrypoint = ["/usr/sbin/nginx", "-g", "daemon off;"]
}

source "file" "notes" {
  target  = "notes.txt"
  content = "Web servers on Debian ${var.release}"
}

build {
  name    = "notes"
  sources = ["source.file.notes"]

  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "notes.sums"
  }
}

build {
  name    = "web"
  sources = ["source.rootfs.web"]

  provisioner "shell" {
    inline = ["apt-get update", "apt-get install --yes nginx-light"]
  }

  provisioner "shell" {
    inline  = ["nginx -t"]
    timeout = "5m"
  }

  post-processor "manifest" {
    output = "manifest.json"
  }
}
