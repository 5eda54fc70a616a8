source "file" "page" {
  target  = "page.html"
  content = "Hello"
}

build {
  sources = ["source.file.page"]
}
