source "docker" "app" {
  image  = "debian:bookworm-slim"
  commit = true
  changes = [
    "WORKDIR /srv",
    "ENV PATH=/srv/bin:$PATH",
    "EXPOSE 80 443",
    "LABEL version=${var.version}",
    "CMD [\"nginx\", \"-g\", \"daemon off;\"]",
  ]
}

build {
  name = "app"
  dynamic "source" {
    for_each = var.flavours
    labels   = ["docker.app"]
    content {
      name = source.value.name
    }
  }

  provisioner "shell" {
    inline = ["apt-get update && apt-get install -y --no-install-recommends nginx"]
  }

  post-processors {
    post-processor "docker-tag" {
      repository = "registry.example.org/app"
      tags       = compact([var.version, var.latest ? "latest" : ""])
    }
    post-processor "docker-push" {}
  }
  post-processors {
    post-processor "artifice" { files = ["app.tar"] }
    post-processor "shell-local" {
      inline              = ["sha256sum app.tar"]
      keep_input_artifact = true
    }
  }
}
