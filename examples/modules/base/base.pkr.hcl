source "file" "base" {
  content = "base 12\n"
  target  = "out/base.txt"
}

build {
  name    = "base"
  sources = ["source.file.base"]
}

output "file" {
  value = build.base.artifact.files[0]
}
