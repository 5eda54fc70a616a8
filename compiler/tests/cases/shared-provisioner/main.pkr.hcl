source "null" "a" { communicator = "none" }
source "null" "b" { communicator = "none" }

build {
  sources = ["null.a", "null.b"]

  provisioner "shell-local" {
    inlin = ["the message comes once, not once for each source"]
  }

  provisioner "shell-local" {
    inline = ["echo ${source.nam} ${build.Nothing}"]
  }

  provisioner "shell" {
    inline = ["x"]
    script = "not there"
  }
}
