source "amazon-ebs" "web" {
  ami_name      = "web"
  instance_type = "t3.small"
  region        = "eu-west-1"
  source_ami    = "ami-0123456789abcdef0"
  ssh_username  = "admin"

}

build {
  sources = ["source.amazon-ebs.web"]
}
