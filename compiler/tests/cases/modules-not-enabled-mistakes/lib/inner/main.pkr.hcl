source "null" "deep" {
  communicator = "none"
}
provisioners "greet" {
  provisioner "shell-local" {
    inline = ["echo from within"]
  }
}
