variable "regions" {
  default = {
    eu = { host = "192.0.2.1", mirror = "eu.example.com" }
    us = { host = "192.0.2.2", mirror = "us.example.com" }
  }
}

source "null" "machine" {
  for_each     = var.regions
  ssh_host     = each.value.host
  ssh_username = "${source.name}-${each.key}-${source.key}"

  ssh_agent_auth = true
}

source "null" "counted" {
  count        = 2
  communicator = "none"
  ssh_username = "n${count.index}"
}

build {
  for_each    = ["small", "large \"1\"", "none"]
  enabled     = each.key != "none"
  name        = "web"
  description = "for ${each.value}"
  sources     = ["source.null.machine", "source.null.counted[1]"]

  source "source.null.machine[\"eu\"]" {
    count        = 2
    name         = "more"
    ssh_username = "${each.key}-${count.index}-${source.key}"
  }

  # The same for all builds: evaluated once.
  provisioner "shell" {
    inline = ["echo same"]
  }

  # Its own element hides the build's.
  provisioner "shell" {
    for_each = convert(["b", "a"], set(string))
    inline   = ["echo ${each.key} ${build.name} ${build.ID} ${source.key == null ? "-" : source.key}"]
  }

  provisioner "shell" {
    count        = 2
    enabled      = count.index > 0
    only         = ["null.machine[\"eu\"]"]
    pause_before = "${count.index}s"
    timeout      = each.key == "small" ? "1m" : "2m"
    inline       = ["echo ${each.key} ${count.index}"]
  }

  error-cleanup-provisioner "shell-local" {
    for_each = { x = 1 }
    inline   = ["echo ${each.key} ${each.value}"]
  }

  post-processor "manifest" {
    for_each = ["first.json", "second.json"]
    output   = each.key
  }

  post-processors {
    count = 1

    post-processor "shell-local" {
      for_each = { y = "why" }
      inline   = ["echo ${each.value} ${count.index}"]
    }
    post-processor "checksum" {
      enabled        = each.key != "small"
      checksum_types = ["sha256"]
    }
  }
}
