source "file" "page" {
  target  = "page.txt"
  content = "${var.word}, world"
}

build {
  sources = ["source.file.page"]
}
