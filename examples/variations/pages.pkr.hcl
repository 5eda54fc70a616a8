# One template, many files: each language in each format, listed in one manifest. Nothing is needed but this machine.
#
#   imgc apply examples/variations
#   imgc apply -only='pages["text"].*' examples/variations
#   imgc apply -only='*["de"]' examples/variations

variable "greetings" {
  description = "What is said, by language."
  type        = map(string)
  default = {
    de = "Hallo, Welt"
    en = "Hello, world"
    fr = "Bonjour, le monde"
  }
}

variable "checksums" {
  description = "Whether to write a checksum beside each file."
  type        = bool
  default     = true
}

# Never built itself: the others are variations of it.
source "file" "greeting" {
  for_each = var.greetings
  content  = "${each.value}\n"
}

source "file" "text" {
  for_each = var.greetings
  extends  = source.file.greeting[each.key]
  target   = "out/${each.key}.text"
}

source "file" "html" {
  for_each = var.greetings
  extends  = source.file.greeting[each.key]
  target   = "out/${each.key}.html"
  content  = "<p>${each.value}</p>\n"
}

# The machine on which the steps below run is this one.
source "null" "here" {
  communicator = "none"
}

provisioners "announce" {
  provisioner "shell-local" {
    inline = ["echo ${each.value}"]
  }
}

build {
  for_each = ["html", "text"]
  name     = "pages"
  sources  = ["source.file.${each.key}"]

  post-processor "checksum" {
    enabled        = var.checksums
    checksum_types = ["sha256"]
    output         = "out/${source.key}.${each.key}.sha256"
  }
}

build {
  name    = "announcement"
  sources = ["source.null.here"]

  provisioners "announce" {
    for_each = var.greetings
  }
}
