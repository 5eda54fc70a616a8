source "null" "local" {
  communicator = "none"
}

source "null" "machine" {
  ssh_host                  = var.host
  ssh_port                  = 2222
  ssh_username              = "root"
  ssh_private_key_file      = pathexpand("~/.ssh/id_ed25519")
  ssh_bastion_host          = "bastion.example.org"
  ssh_handshake_attempts    = 10
  ssh_clear_authorized_keys = true
}

build {
  sources = ["null.local", "null.machine"]

  provisioner "shell-local" {
    inline           = ["echo ${build.ID} > id.txt"]
    environment_vars = ["LANG=C", "NAME=${source.name}"]
    only             = ["null.local"]
  }

  provisioner "shell" {
    inline_shebang      = "/bin/bash -e"
    inline              = ["true"]
    valid_exit_codes    = [0, 2]
    expect_disconnect   = true
    start_retry_timeout = "5m"
    max_retries         = 3
    timeout             = "1h30m"
    env = {
      DEBIAN_FRONTEND = "noninteractive"
      HTTP_PROXY      = var.proxy
    }
  }

  error-cleanup-provisioner "shell-local" {
    inline = ["rm -f id.txt"]
  }
}
