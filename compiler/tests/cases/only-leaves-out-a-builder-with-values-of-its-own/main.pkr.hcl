source "null" "a" { communicator = "none" }

source "amazon-ebs" "b" {
  region        = "eu-west-1"
  instance_type = "t3.micro"
  ssh_username  = "admin"
  ami_name      = "x"
  source_ami    = "ami-1"
}

build {
  sources = ["null.a", "amazon-ebs.b"]

  provisioner "shell-local" {
    only   = ["amazon-ebs.b"]
    inline = ["echo ${build.SourceAMI}"]
  }
}
