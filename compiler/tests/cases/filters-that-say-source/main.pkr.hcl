# Packer compares these with TYPE.NAME, so the first runs nowhere and the second everywhere.
source "null" "a" { communicator = "none" }
source "null" "b" { communicator = "none" }

build {
  sources = ["source.null.a", "source.null.b"]

  provisioner "shell-local" {
    only   = ["source.null.a"]
    inline = ["echo nowhere"]
  }
  provisioner "shell-local" {
    except = ["source.null.a"]
    inline = ["echo everywhere"]
  }
  provisioner "shell-local" {
    only   = ["null.a"]
    inline = ["echo a"]
  }
}
