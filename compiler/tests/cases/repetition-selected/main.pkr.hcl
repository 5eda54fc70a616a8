source "null" "base" {
  for_each     = ["a", "b"]
  communicator = "none"
}

build {
  name     = "web"
  for_each = ["eu", "us"]
  sources  = ["source.null.base"]
}

build {
  name    = "db"
  sources = ["source.null.base"]
}

build {
  name    = "cache"
  count   = 11
  sources = ["source.null.base[\"a\"]"]
}
