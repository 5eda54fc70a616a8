source "null" "a" {
  extends = source.null.b
}

source "null" "b" {
  extends = source.null.c
}

source "null" "c" {
  extends = source.null.a
}

source "null" "self" {
  extends = "null.self"
}

source "file" "other" {
  extends = source.null.plain
  content = "x"
  target  = "y"
}

source "null" "plain" {
  communicator = "none"
}

source "null" "lost" {
  extends = source.null.plian
  ssh_hst = "x"
}

source "null" "repeated" {
  for_each     = ["a", "b"]
  communicator = "none"
}

source "null" "which" {
  extends = source.null.repeated
}

source "null" "none" {
  extends = source.null.repeated["c"]
}

source "null" "not_repeated" {
  extends = source.null.plain["c"]
}

source "null" "number" {
  extends = 5
}

source "null" "nothing" {
  extends = null
}

source "null" "shape" {
  extends = source.null.repeated[true]
}

# Neither built nor extended: what it lacks is a mistake.
source "qemu" "abstract" {
  memory = 1024
}

# Still lacks something with all it extends.
source "qemu" "base" {
  memory = 1024
}

source "qemu" "incomplete" {
  extends      = source.qemu.base
  iso_checksum = "none"
  ssh_username = "root"
}

build {
  extends = source.null.plain
  sources = ["source.null.plain", "source.null.which"]
}
