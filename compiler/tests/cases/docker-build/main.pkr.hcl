# The image is built from a Dockerfile, with arguments.
source "docker" "app" {
  commit = true
  build {
    path      = "Dockerfile"
    build_dir = "."
    arguments = {
      VERSION = "1.2"
    }
  }
}

# As in Compose files; this builder calls them otherwise.
source "docker" "compose" {
  commit = true
  build {
    path = "Dockerfile"
    args = {
      VERSION = "1.2"
    }
  }
}

# A map is no block.
source "docker" "block" {
  commit = true
  build {
    path = "Dockerfile"
    arguments {
      VERSION = "1.2"
    }
  }
}

build {
  sources = ["docker.app", "docker.compose", "docker.block"]
}
