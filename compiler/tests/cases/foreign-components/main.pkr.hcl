packer {
  required_plugins {
    hologram = {
      version = ">= 1.0.0"
      source  = "github.com/example/hologram"
    }
  }
}

variable "lens" {
  default = "wide"
}

source "hologram-iso" "base" {
  lens  = var.lens
  wrong = var.lenz
  mirror {
    angle = 45
    coating {
      layers = ["a", "b"]
    }
  }
  mirror {
    angle = 50
  }
  dynamic "beam" {
    for_each = ["red", "green"]
    content {
      colour = beam.value
    }
  }
}

# Near a known name, but the plugin may provide it.
source "hologram" "other" {
}

build {
  sources = ["hologram-iso.base", "hologram.other"]

  provisioner "comment" {
    comment = "for ${build.AnyValue} on ${source.name}"
    pause_before = "5s"
  }
  provisioner "comment" {
    comment = "said once"
  }
  post-processor "shell" {
    inline = ["there is a provisioner of that name"]
  }
}
