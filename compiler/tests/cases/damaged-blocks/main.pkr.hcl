variable "region" {
  defualt = "eu-west-1"
}

variable "zone" {
  default "a"
}

variable "list" {
  default = ["a", "b"
}

source "file" "a" {
  target "x"
  content = "y"
}

source "file" "b" {
  content = "y" +
  target = var.list
}

build {
  sources [ "file.a" ]
}

build {
  sources = ["file.b", "file.a"]
  provisioner "shell" {
    inlin = ["x"]
  }
  provisioner shell {
    inline: ["x"]
  }
}
