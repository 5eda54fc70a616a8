source "file" "a" {
  target  = "{{ user `name` }}.txt"
  content = "{{ build_name }} of {{ timestamp }}"
}

build {
  sources = ["source.file.a"]

  provisioner "shell-local" {
    inline = ["echo {{user `what` | upper}}"]
  }
}
