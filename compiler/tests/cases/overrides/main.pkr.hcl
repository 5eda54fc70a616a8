source "null" "a" { communicator = "none" }
source "null" "b" { communicator = "none" }

build {
  sources = ["null.a", "null.b"]

  provisioner "shell-local" {
    inline = ["x"]
    override = {
      a = { inline = ["only a"] }
      "null.b" = { inlin = ["y"] }
      c = { inline = ["z"] }
    }
  }

  provisioner "shell-local" {
    inline   = ["x"]
    override = { a = { inline = { b = 1 } } }
  }

  provisioner "shell-local" {
    inline   = ["x"]
    override = ["a"]
  }

  provisioner "shell-local" {
    inline   = ["x"]
    override = { a = "script.sh" }
  }

  post-processor "manifest" {
    override = { a = {} }
  }
}
