source "null" "a" {
  communicator = "none"
  name         = "x"
  only         = ["y"]
}

build {
  name    = "a b/c"
  sources = ["null.a"]

  provisioner "shell-local" {
    inline              = ["x"]
    keep_input_artifact = true
    name                = "first"
    pause_befor         = "5s"
    depends_on          = ["x"]
  }
}
