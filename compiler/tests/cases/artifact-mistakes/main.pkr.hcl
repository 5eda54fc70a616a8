locals {
  early = build.base.artifact.id
}
source "file" "one" {
  content = "1"
  target  = "one.txt"
}
source "file" "two" {
  content = build.base.artifact.id
  target  = build.ID
}
source "null" "n" {
  communicator = "none"
}
build {
  name    = "base"
  sources = ["source.file.one", "source.null.n"]
}
build {
  name    = "user"
  sources = ["source.file.two"]
  provisioner "shell-local" {
    inline = [
      build.base.file.one.id,
      build.base.file.oen.artifact.id,
      build.base.file.one.artifact.file,
      build.bose.artifact.id,
      build.nothing.like.it,
      build.Nothing,
      build.Id,
      build["ba se"].artifact.id,
      build[build.ID].artifact.id,
      build.base[0].artifact.id,
    ]
  }
}
