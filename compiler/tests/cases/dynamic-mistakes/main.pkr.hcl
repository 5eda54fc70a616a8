variable "tags" {
  default = { a = "1" }
}

source "amazon-ebs" "c" {
  region        = "eu-west-1"
  instance_type = "t3.micro"
  ssh_username  = "admin"
  ami_name      = "x"
  source_ami    = "ami-1"

  dynamic "tagg" {
    for_each = var.tags
    content {
      key = "x"
    }
  }

  dynamic "tag" {
    for_each = 5
    content {
      key   = "x"
      value = "y"
    }
  }

  dynamic "tag" {
    for_each = var.tags
    iterator = "it"
    content {
      key   = it.key
      value = tag.valu
    }
  }

  dynamic {
    for_each = var.tags
  }

  dynamic "run_tag" {
    for_each = var.tags
    labels   = ["x"]
    content {
      key    = run_tag.key
      valeur = "x"
    }
  }
}

build {
  sources = ["amazon-ebs.c"]
}
