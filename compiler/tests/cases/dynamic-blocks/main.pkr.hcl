variable "tags" {
  default = { a = "1", b = "2" }
}
source "amazon-ebs" "c" {
  region        = "eu-west-1"
  instance_type = "t3.micro"
  ssh_username  = "admin"
  ami_name      = "x-${legacy_isotime("2006")}"
  source_ami    = "ami-1"
  dynamic "tag" {
    for_each = var.tags
    content {
      key   = tag.key
      value = "${tag.value}!"
    }
  }
  dynamic "run_tag" {
    for_each = ["x"]
    iterator = it
    content {
      key   = it.key
      value = it.value
    }
  }
}
build {
  sources = ["amazon-ebs.c"]
}
