data "htpp" "misspelt" {
  url = "https://example.com"
}

data "http" "list" {
  url    = "https://example.com"
  metod  = "GET"
}

data "http" "empty" {
}

data "http" "twice" { url = "x" }
data "http" "twice" { url = "y" }

locals {
  a = data.http.list.body
  b = data.http.lst.body
  c = "${data.http.list.body}!"
}

source "null" "a" {
  communicator = "none"
  ssh_username = local.c
}

build {
  sources = ["null.a"]
}
