source "null" "a" { communicator = "none" }

build {
  sources = ["null.a"]

  post-processors {
    post-processor "manifst" {}
    post-processor "checksum" {
      checksum_types = ["sha1", "crc"]
      only           = ["null.b"]
    }
    provisioner "shell-local" {
      inline = ["x"]
    }
    name = "x"
  }

  post-processors {}

  post-processor "compress" {
    format = "rarr"
  }
}
