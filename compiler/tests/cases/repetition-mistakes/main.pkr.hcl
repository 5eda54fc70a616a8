variable "secret" {
  default   = "x"
  sensitive = true
}

variable "nothing" {
  type    = map(string)
  default = null
}

data "null" "later" {
  input = "x"
}

source "null" "text" {
  for_each     = "abc"
  communicator = "none"
}

source "null" "numbers" {
  for_each     = ["a", 1, null]
  communicator = "none"
}

source "null" "twice" {
  for_each     = ["a", "b", "a"]
  communicator = "none"
}

source "null" "computed_twice" {
  for_each     = concat(["a"], ["a"])
  communicator = "none"
}

source "null" "secret" {
  for_each     = ["a", var.secret]
  communicator = "none"
}

source "null" "secret_map" {
  for_each     = { a = var.secret }
  communicator = "none"
  ssh_password = each.value
}

source "null" "secret_count" {
  count        = length(var.secret)
  communicator = "none"
}

source "null" "both" {
  for_each     = ["a"]
  count        = 2
  communicator = "none"
}

source "null" "half" {
  count        = 1.5
  communicator = "none"
}

source "null" "negative" {
  count        = 0 - 1
  communicator = "none"
}

source "null" "truth" {
  count        = true
  communicator = "none"
}

source "null" "none" {
  count        = null
  communicator = "none"
}

source "null" "millions" {
  count        = 100001
  communicator = "none"
}

source "null" "later" {
  for_each     = data.null.later.output
  communicator = "none"
}

source "null" "maybe" {
  enabled      = "perhaps"
  communicator = "none"
}

# An element that does not exist is looked for, and an option of a source that no instance has is checked.
source "null" "checked" {
  for_each     = var.nothing
  communicator = "none"
  ssh_usrname  = each.keys
}

build {
  for_each = ["a"]
  sources  = ["source.null.twice[\"c\"]", "source.null.checked[\"a\"]", "source.null.maybe[0]", "source.null.numbers"]

  provisioner "shell" {
    count  = 1
    inline = [each.key, each.kee, count.index, count.inde]
  }

  provisioner "shell" {
    for_each = [each.key]
    for_each = [each.key]
    inline   = [each.key, count.index, item.key]
  }
}

build {
  name    = "plain"
  sources = ["source.null.twice"]
  enable  = true

  provisioner "shell" {
    foreach = ["a"]
    inline  = [each.value]
  }
}
