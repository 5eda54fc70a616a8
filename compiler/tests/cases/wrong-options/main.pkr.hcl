source "null" "a" {
  communicator = "sshh"
  ssh_port     = "many"
  ssh_timeout  = "5 minutes"
  ssh_host     = ["a"]
  ssh_local_tunnels = "x"
}
source "file" "b" {
  content = "x"
  source  = "y"
}
source "amazon-ebs" "c" {
  region        = "eu-west-1"
  instance_type = "t3.micro"
  ssh_username  = "admin"
  source_ami_filter = {
    owners = ["amazon"]
  }
  tags {
    a = "b"
  }
}
build {
  sources = ["null.a", "file.b", "amazon-ebs.c"]
  provisioner "shell" {
    inline = ["a"]
    script = "b"
    timeout = "soon"
  }
  provisioner "file" {
    source = "nothing.txt"
  }
  provisioner "shell" {}
}
