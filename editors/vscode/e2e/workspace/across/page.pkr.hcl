source "file" "page" {
  target  = "page.txt"
  content = "${var.greeting}, world"
}

build {
  sources = ["source.file.page"]
}
