# Written before what it uses: the plan puts it behind.
source "file" "copy" {
  source = build.base.file.one.artifact.files[0]
  target = "copy.txt"
}
build {
  name    = "copy"
  sources = ["source.file.copy"]
  provisioner "shell-local" {
    inline = ["echo ${build.name} ${build["note"].artifact.id} ${build.ID}"]
  }
  post-processor "shell-local" {
    inline = [for f in build.base.file.two.artifact.files : "echo ${f} ${build.late.artifact.builder_id}"]
  }
  error-cleanup-provisioner "shell-local" {
    inline = ["echo ${build.clean.artifact.id}"]
  }
}
source "file" "one" {
  content = "1"
  target  = "one.txt"
}
source "file" "two" {
  content = "2"
  target  = "two.txt"
}
build {
  name    = "base"
  sources = ["source.file.one", "source.file.two"]
}
source "null" "n" {
  communicator = "none"
}
build {
  name    = "note"
  sources = ["source.null.n"]
}
build {
  name    = "late"
  sources = ["source.null.n"]
}
build {
  name    = "clean"
  sources = ["source.null.n"]
}
build {
  sources = ["source.null.n"]
  post-processor "shell-local" {
    # A block without a name goes by its source; `name` is a name like any other where parts follow.
    inline = ["echo ${length(build.base)} ${build.name.null.n.artifact.id}"]
  }
}
build {
  name    = "name"
  sources = ["source.null.n"]
}
