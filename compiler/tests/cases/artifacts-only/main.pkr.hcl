source "file" "one" {
  content = "1"
  target  = "one.txt"
}
source "file" "two" {
  content = build.one.artifact.id
  target  = "two.txt"
}
source "file" "three" {
  content = build.two.artifact.id
  target  = "three.txt"
}
build {
  name    = "one"
  sources = ["source.file.one"]
}
build {
  name    = "two"
  sources = ["source.file.two"]
}
build {
  name    = "three"
  sources = ["source.file.three"]
}
build {
  name    = "other"
  sources = ["source.file.one"]
}
