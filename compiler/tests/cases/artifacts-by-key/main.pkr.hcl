source "file" "base" {
  for_each = ["eu", "us"]
  content  = each.key
  target   = "base-${each.key}.txt"
}
build {
  name    = "base"
  sources = ["source.file.base"]
}
source "file" "web" {
  for_each = ["eu"]
  source   = build.base.file.base[each.key].artifact.files[0]
  target   = "web-${each.key}.txt"
}
build {
  name    = "web"
  sources = ["source.file.web"]
  provisioner "shell-local" {
    inline = [for key, one in build.base.file.base : "${key} ${one.artifact.id}"]
  }
}
build {
  name     = "counted"
  count    = 2
  sources  = ["source.file.base[\"us\"]"]
}
source "null" "n" {
  communicator = "none"
}
build {
  name     = "last"
  for_each = { a = 0, b = 1 }
  sources  = ["source.null.n"]
  provisioner "shell-local" {
    inline = [build.counted[each.value].artifact.id, join(",", build.counted[*].artifact.id), build.counted[0].file.base["us"].artifact.id]
  }
}
