source "null" "nothing" {
  communicator = "none"
}

source "null" "linux" {
  ssh_host     = "192.0.2.1"
  ssh_username = "admin"
  ssh_password = "x"
}

source "null" "win2022" {
  ssh_host     = "192.0.2.1"
  ssh_username = "admin"
  ssh_password = "x"
}

source "null" "server" {
  communicator   = "winrm"
  winrm_host     = "192.0.2.1"
  winrm_username = "admin"
  winrm_password = "x"
}

source "amazon-chroot" "mounted" {
  ami_name   = "web"
  source_ami = "ami-1"
}

build {
  sources = [
    "null.nothing", "null.linux", "null.win2022", "null.server", "amazon-chroot.mounted",
  ]

  provisioner "shell" {
    inline = ["uname -a"]
  }
  provisioner "shell" {
    only   = ["null.linux", "amazon-chroot.mounted"]
    inline = ["uname -a"]
  }
  provisioner "powershell" {
    except = ["null.nothing"]
    inline = ["Get-Host"]
  }
  provisioner "powershell" {
    only   = ["null.win2022", "null.server"]
    inline = ["Get-Host"]
  }
  provisioner "powershell" {
    only            = ["null.linux"]
    execute_command = "pwsh {{ .Path }}"
    inline          = ["Get-Host"]
  }
  provisioner "shell-local" {
    inline = ["true"]
  }
  provisioner "shell" {
    only            = ["null.server"]
    execute_command = "bash {{ .Path }}"
    inline          = ["true"]
  }
}
