source "null" "base" {
  ssh_host = "h"
}
source "amazon-ebs" "base" {
  region = "eu-west-1"
}
build {
  source "null.base" {
    ssh_username = "x"
  }
  source "source.amazon-ebs.base" {
    name = "web"
    instance_type = "t3.small"
  }
}
build {
  name = "two"
  source "null.base" {
    ssh_password = "x"
  }
}
build {
  name = "three"
  sources = ["null.base"]
}
