source "file" "one" {
  content = build.two.artifact.id
  target  = "one.txt"
}
source "file" "two" {
  content = "2"
  target  = "two.txt"
}
source "null" "self" {
  communicator = "none"
}
build {
  name    = "one"
  sources = ["source.file.one"]
}
build {
  name    = "two"
  sources = ["source.file.two"]
  post-processor "shell-local" {
    inline = ["echo ${build.one.artifact.id}"]
  }
}
build {
  name    = "self"
  sources = ["source.null.self"]
  provisioner "shell-local" {
    inline = ["echo ${build.self.artifact.id}"]
  }
}
