variables {
  nothing = null
  date    = "{{isotime \"2006.01.02\"}}"
}
variable "networks" {
  type    = list(string)
  default = ["n"]
}
variable "disks" {
  type    = list(object({ size = number, thin = bool }))
  default = [{ size = 1, thin = true }]
}
variable "bastion" {
  type    = string
  default = ""
}
variable "headless" {
  type    = string
  default = false
}
variable "volume_size" {
  type    = map(number)
  default = { openhpc = 15 }
}
data "external" "talos" {
  program = ["bash"]
  query   = { a = jsonencode(["x"]) }
}
data "amazon-ami" "ubuntu" {
  filters     = { name = "x-${data.external.talos.result.arch}" }
  most_recent = true
  owners      = ["1"]
  region      = "eu"
}
source "vmware-iso" "win" {
  boot_wait            = "2s"
  communicator         = "winrm"
  disk_size            = "40960"
  guest_os_type        = "windows9-64"
  iso_checksum         = "none"
  iso_url              = "u"
  network_adapter_type = "E1000e"
  network_name         = "VM Network"
  vmx_data             = { memsize = "2048", "scsi0.virtualDev" = "lsisas1068" }
  winrm_insecure       = true
  winrm_username       = "Administrator"
  version              = "18"
  disk_type_id         = "zeroedthick"
  usb                  = "true"
  cdrom_adapter_type   = "sata"
  remote_type          = "esx5"
  remote_host          = "h"
  vnc_over_websocket   = true
}
source "virtualbox-iso" "v" {
  guest_os_type          = "Debian_64"
  iso_urls               = ["a"]
  iso_checksum           = "none"
  ssh_username           = "u"
  boot_keygroup_interval = "1s"
  vboxmanage             = [["modifyvm", "{{.Name}}", "--memory", "4096"]]
  guest_additions_path   = "VBoxGuestAdditions_{{.Version}}.iso"
  headless               = var.headless
  disk_size              = "8000"
  hard_drive_interface   = "sata"
  export_opts            = ["--manifest"]
  format                 = "ova"
}
source "openstack" "o" {
  flavor               = "f"
  domain_name          = "Default"
  networks             = "${var.networks}"
  security_groups      = ["default"]
  image_visibility     = "private"
  image_min_disk       = "20"
  ssh_bastion_host     = "${var.bastion}"
  ssh_bastion_username = "${var.bastion}"
  ssh_keypair_name     = "k"
  volume_size          = var.volume_size["openhpc"]
}
source "vsphere-clone" "c" {
  vcenter_server      = "v"
  username            = "u"
  password            = "p"
  insecure_connection = "true"
  cluster             = "c"
  template            = "t"
  network             = "n"
  vm_name             = "x"
  communicator        = "winrm"
  winrm_username      = "u"
  customize {
    windows_sysprep_file = "main.pkr.hcl"
    network_interface {

    }
  }
  disk_controller_type = ["lsilogic-sas"]
  dynamic "storage" {
    for_each = var.disks
    content {
      disk_size             = storage.value.size
      disk_thin_provisioned = storage.value.thin
      disk_controller_index = 0
    }
  }
  RAM_reserve_all          = true
  convert_to_template      = "false"
  configuration_parameters = true ? { a = "b" } : {}
}
source "vagrant" "g" {
  communicator    = "ssh"
  source_path     = "debian/bookworm64"
  provider        = "virtualbox"
  add_force       = true
  skip_add        = true
  output_dir      = "x"
  teardown_method = "destroy"
  template        = "Vagrantfile.tpl"
}
source "tart-cli" "t" {
  vm_base_name       = "a"
  vm_name            = "b"
  cpu_count          = "4"
  memory_gb          = 8
  disk_size_gb       = 90
  headless           = true
  ssh_username       = "admin"
  ssh_password       = "admin"
  ssh_timeout        = "120s"
  create_grace_time  = "30s"
  recovery_partition = "keep"
  run_extra_args     = ["--disk", "x"]
}
source "arm-image" "r" {
  output_filename   = "${source.name}.img"
  target_image_size = "9368709120"
  resolv-conf       = "delete"
  image_mounts      = ["/"]
  qemu_binary       = "qemu-arm-static"
  qemu_args         = ["-cpu", "x"]
  image_arch        = "arm"
  image_type        = ""
}
source "lxd" "l" {
  image              = "i"
  launch_config      = { "user.user-data" = "#cloud-config\nusers: []" }
  publish_properties = { description = "x" }
  profile            = "default"
}
source "amazon-ebssurrogate" "s" {
  source_ami              = data.amazon-ami.ubuntu.id
  ami_name                = "n"
  instance_type           = "t"
  ssh_username            = "u"
  ssh_interface           = "session_manager"
  ami_virtualization_type = "hvm"
  ami_architecture        = "x86_64"
  ena_support             = true
  sriov_support           = true
  tpm_support             = "v2.0"
  boot_mode               = "uefi"
  imds_support            = "v2.0"
  temporary_key_pair_type = "ed25519"
  security_group_filter {
    filters = { "tag:Name" = "x" }
  }
  launch_block_device_mappings {
    device_name           = "/dev/sdb"
    volume_size           = 4
    volume_type           = "gp2"
    delete_on_termination = true
  }
  ami_root_device {
    source_device_name    = "/dev/sdb"
    device_name           = "/dev/sda1"
    delete_on_termination = true
    volume_size           = 16
  }
  profile = var.bastion != "" ? var.bastion : null
}
source "digitalocean" "d" {
  api_token        = var.bastion
  region           = "fra1"
  size             = "s"
  image            = "i"
  ssh_username     = "root"
  droplet_agent    = false
  tags             = ["a"]
  snapshot_regions = ["x"]
}
source "null" "example" {
  communicator = "none"
}
build {
  sources = ["vmware-iso.win", "virtualbox-iso.v", "vsphere-clone.c", "tart-cli.t", "lxd.l", "amazon-ebssurrogate.s", "digitalocean.d", "null.example"]
  source "openstack.o" {
    name                      = "jammy"
    image_name                = "x"
    ssh_username              = "ubuntu"
    external_source_image_url = "https://x"
    metadata                  = { a = "b" }
  }
  source "arm-image.r" {
    name         = "pi"
    iso_url      = "u"
    iso_checksum = "none"
  }
  source "source.vagrant.g" {
    name = "web"
  }
  provisioner "shell" {
    only            = ["vagrant.web", "arm-image.pi", "lxd.l"]
    execute_command = "sudo sh -c '{{ .Vars }} {{ .Path }}'"
    env_var_format  = "%s='%s' "
    inline          = ["x"]
  }
  provisioner "shell-local" {
    command = "echo"
  }
  provisioner "shell-local" {
    only_on            = ["linux"]
    execute_command    = ["/bin/sh", "-c", "{{.Vars}} {{.Script}}"]
    inline             = ["x"]
    tempfile_extension = ".sh"
  }
  provisioner "salt-masterless" {
    local_state_tree = "."
    only             = ["virtualbox-iso.v"]
  }
  provisioner "puppet-masterless" {
    manifest_file = "main.pkr.hcl"
    only          = ["virtualbox-iso.v"]
  }
  provisioner "chef-solo" {
    cookbook_paths = ["."]
    only           = ["virtualbox-iso.v"]
  }
  provisioner "goss" {
    tests = ["x"]
    only  = ["virtualbox-iso.v"]
  }
  provisioner "cue-export" {
    module_root = "."
  }
  post-processor "vagrant" {
    compression_level   = "8"
    keep_input_artifact = true
    only                = ["virtualbox-iso.v"]
    provider_override   = "virtualbox"
  }
  post-processor "checksum" {
    checksum_types      = ["md5", "sha512"]
    keep_input_artifact = true
  }
  post-processor "vagrant-cloud" {
    box_tag      = "a/b"
    version      = "1"
    access_token = "x"
  }
  post-processor "amazon-ami-management" {
    regions       = ["eu"]
    keep_releases = 3
  }
  post-processor "googlecompute-export" {
    paths = ["gs://x"]
  }
  post-processor "vsphere" {
    cluster    = "c"
    datacenter = "d"
    datastore  = "s"
    host       = "h"
    username   = "u"
    password   = "p"
    vm_name    = "n"
  }
}
