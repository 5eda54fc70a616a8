source "amazon-eb" "b" {
  region = "eu-west-1"
}

build {
  sources = ["amazon-eb.b"]

  provisioner "shell-local" {
    inline = ["echo ${build.SourceAMI}"]
  }
}
