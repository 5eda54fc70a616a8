# A disk image from an installer, unattended.
variable "iso_checksum" { type = string }

source "qemu" "base" {
  iso_url          = "https://images.example.org/${var.suite}/amd64.iso"
  iso_checksum     = "sha256:${var.iso_checksum}"
  output_directory = "out/${source.name}"
  disk_size        = "8G"
  format           = "qcow2"
  accelerator      = var.kvm ? "kvm" : "tcg"
  headless         = ! var.show
  memory           = 2 * 1024
  cpus             = 2
  net_device       = "virtio-net"
  disk_interface   = "virtio"
  boot_wait        = "5s"
  boot_command = [
    "<esc><wait>",
    "auto url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg<wait>",
    " debian-installer=en_US.UTF-8 keymap=${var.keymap}",
    "<enter>",
  ]
  http_content = {
    "/preseed.cfg" = templatefile("${path.root}/preseed.pkrtpl", {
      user     = var.user
      password = bcrypt(var.password)
      packages = ["openssh-server", "sudo"]
    })
  }
  qemuargs = [
    ["-display", "none"],
    ["-serial", "file:serial.log"],
    ["-cpu", var.kvm ? "host" : "max"]
  ]
  ssh_username     = var.user
  ssh_password     = var.password
  ssh_timeout      = "30m"
  shutdown_command = "echo '${var.password}' | sudo -S shutdown -P now"
}

build {
  source "source.qemu.base" {
    name   = "small"
    memory = 512
  }
  source "source.qemu.base" {
    name      = "large"
    disk_size = "40G"
  }

  provisioner "file" {
    sources     = ["files/a.conf", "files/b.conf"]
    destination = "/tmp/"
    direction   = "upload"
  }
  provisioner "shell" {
    only   = ["qemu.large"]
    inline = ["resize2fs /dev/vda1", "sync"]
    override = {
      small = { pause_before = "10s" }
    }
  }

  post-processors {
    post-processor "checksum" {
      checksum_types = ["sha256", "sha512"]
      output         = "{{ .BuildName }}.{{ .ChecksumType }}"
    }
    post-processor "compress" {
      output            = "base.tar.gz"
      compression_level = 9
    }
  }
}
