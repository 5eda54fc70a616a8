source "file" "page" {
    target="page.txt"
  content       =   "Hello"
}

build {
sources=["source.file.page"]
}
