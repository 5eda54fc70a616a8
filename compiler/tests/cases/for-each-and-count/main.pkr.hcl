source "null" "many" {
  for_each     = ["a", "b"]
  communicator = "none"
}

source "null" "counted" {
  count        = 3
  communicator = "none"
  ssh_username = each.key
}

build {
  for_each = ["a"]
  sources  = ["null.many", "null.counted"]

  provisioner "shell-local" {
    for_each = ["a", "b"]
    inline   = ["echo ${each.value} ${count.index}"]
  }
}
