packer {
  required_version = ">= 1.7.0, < 2"
  required_plugin {
  }
  required_plugins {
    amazon = {
      version = ">= 1.0"
      source  = "github.com/hashicorp/amazon"
    }
    docker = "x"
    qemu = {
      vesion = "1"
    }
    null = {
      version = "one"
      source  = "github.com/hashicorp/null"
    }
  }
  required_versio = "1"
}

packer {
  required_version = 1.7
}
