packer {
  required_plugins {
    veertu-anka = {
      version = ">= v3.2.0"
      source  = "github.com/veertuinc/veertu-anka"
    }
    ansible = {
      version = "v1.0.3"
      source  = "github.com/hashicorp/ansible"
    }
    vsphere = {
      source  = "github.com/vmware/vsphere"
      version = ">= 2.5.0"
    }
    windows-update = {
      version = "0.14.1"
      source  = "github.com/rgl/windows-update"
    }
  }
}
variables {
  builder_type = "veertu-anka-vm-clone"
  sp           = env("NOTHING")
}
variable "sources_enabled" {
  type    = list(string)
  default = ["source.qemu.vm"]
}
variable "is_windows" {
  type    = bool
  default = false
}
variable "communicator" {
  type    = string
  default = null
}
variable "qemuargs" {
  type    = list(list(string))
  default = null
}
variable "null_url" {
  type    = string
  default = null
}
variable "tags" {
  type    = map(string)
  default = { a = "b" }
}
variable "http" {
  type    = string
  default = "http"
}
data "host-info" "this" {}
data "git-repository" "cwd" {}
locals {
  host_os      = data.host-info.this.os_type
  communicator = var.communicator == null ? (var.is_windows ? "winrm" : "ssh") : var.communicator
  acc          = local.host_os == "darwin" ? "hvf" : (local.host_os == "windows" ? "whpx" : "kvm")
  efi          = true ? (local.host_os == "darwin" ? "/opt/x" : "/usr/x") : null
  args         = var.qemuargs == null ? (var.is_windows ? [["-device", "a"], ["-boot"]] : [["-b", "{{ .Name }}"]]) : var.qemuargs
  version      = data.git-repository.cwd.head
  source_names = [for source in var.sources_enabled : trimprefix(source, "source.")]
  content      = { "/ks.cfg" = "hello ${local.version}" }
  date         = formatdate("YYYY-MM-DD hh:mm ZZZ", timestamp())
}
source "veertu-anka-vm-clone" "template" {
  vm_name = "a"
  stop_vm = "true"
}
source "hyperv-iso" "vm" {
  iso_url        = var.null_url
  iso_checksum   = var.null_url
  communicator   = local.communicator
  ssh_username   = "u"
  winrm_username = "u"
}
source "parallels-ipsw" "vm" {
  ipsw_url     = var.null_url
  boot_command = []
}
source "qemu" "vm" {
  accelerator       = local.acc
  qemuargs          = local.args
  efi_firmware_code = local.efi
  iso_url           = "x"
  iso_checksum      = "none"
  disk_image        = "${var.is_windows}"
  memory            = "4096"
  cpus              = "2"
  boot_wait         = "-1s"
  communicator      = local.communicator
  ssh_username      = "u"
  winrm_username    = "u"
  http_content      = var.http == "http" ? local.content : null
  cd_content        = var.http == "disk" ? local.content : null
}
source "vsphere-iso" "v" {
  vcenter_server = "x"
  username       = "u"
  password       = "p"
  host           = ""
  cluster        = "c"
  vm_name        = "n-${local.version}"
  communicator   = "winrm"
  winrm_username = "a"
  CPUs           = 2
  RAM            = 2
  storage {
    disk_size             = 1
    disk_thin_provisioned = true
  }
  network_adapters {
    network      = "n"
    network_card = "vmxnet3"
  }
  iso_paths       = true ? ["a"] : ["b", "c"]
  reattach_cdroms = 2
  dynamic "export" {
    for_each = true ? [1] : []
    content {
      name             = "x"
      force            = true
      image_files      = true
      options          = ["extraconfig"]
      output_directory = "x"
    }
  }
  dynamic "content_library_destination" {
    for_each = false ? [1] : []
    content {
      library     = "x"
      ovf         = true
      skip_import = true
    }
  }
}
source "azure-arm" "b" {
  allowed_inbound_ip_addresses      = "${["a"]}"
  client_id                         = "${var.sp}"
  image_offer                       = "o"
  image_publisher                   = "p"
  image_sku                         = "s"
  location                          = "${var.sp}"
  managed_image_name                = "n"
  managed_image_resource_group_name = "${var.sp}"
  os_disk_size_gb                   = "75"
  os_type                           = "Linux"
  virtual_network_name              = "${var.sp}"
  virtual_network_subnet_name       = "${var.sp}"
  dynamic "azure_tag" {
    for_each = var.tags
    content {
      name  = azure_tag.key
      value = azure_tag.value
    }
  }
}
source "azure-arm" "win" {
  use_azure_cli_auth                = true
  location                          = "UK South"
  os_type                           = "Windows"
  vm_size                           = "x"
  image_publisher                   = "a"
  image_offer                       = "b"
  image_sku                         = "c"
  managed_image_name                = "n"
  managed_image_resource_group_name = "g"
  communicator                      = "winrm"
  winrm_use_ssl                     = true
}
source "googlecompute" "g" {
  project_id              = "p"
  source_image_family     = "f"
  source_image_project_id = ["x"]
  zone                    = "z"
  ssh_username            = "u"
  account_file            = "x"
  tags                    = [for r in ["a/b"] : reverse(split("/", r))[0]]
  use_iap                 = true
  ssh_wait_timeout        = "90s"
  disk_size               = "10"
  metadata                = { enable-oslogin = "FALSE" }
}
source "amazon-ebs" "aws" {
  ami_name  = "n"
  ami_users = ["1"]
  subnet_filter {
    filters = { "tag:Env" : "x" }
    random  = true
  }
  spot_instance_types = ["c"]
  spot_price          = "auto"
  source_ami_filter {
    filters     = { name = "x" }
    owners      = ["amazon"]
    most_recent = true
  }
  ssh_username = "ubuntu"
  run_tags     = { a = 1 }
  launch_block_device_mappings {
    device_name           = "/dev/sda1"
    volume_size           = 10
    delete_on_termination = true
  }
}
source "proxmox-iso" "p" {
  proxmox_url      = "u"
  username         = "u"
  token            = "t"
  node             = "n"
  vm_id            = "9000"
  iso_file         = "local:iso/x"
  iso_storage_pool = "local"
  unmount_iso      = true
  cores            = "2"
  ssh_username     = "x"
  network_adapters {
    model    = "virtio"
    bridge   = "vmbr0"
    firewall = "false"
    vlan_tag = "12"
  }
  disks {
    disk_size         = "25G"
    format            = "raw"
    storage_pool      = "x"
    storage_pool_type = "lvm"
    type              = "virtio"
  }
}
source "docker" "d" {
  image       = "x"
  commit      = true
  platform    = "linux/amd64"
  changes     = ["CMD x"]
  run_command = ["-d", "{{ .Image }}"]
}
source "nutanix" "n" {
  cluster_name     = "c"
  cpu              = 2
  image_delete     = false
  image_name       = "x"
  memory_mb        = 1
  nutanix_endpoint = "x"
  nutanix_insecure = true
  nutanix_username = "u"
  nutanix_password = "p"
  nutanix_port     = 9440
  os_type          = "Linux"
  ssh_username     = "u"
  vm_disks {
    image_type       = "DISK_IMAGE"
    disk_size_gb     = 1
    source_image_uri = "x"
  }
  vm_nics {
    subnet_name = "s"
  }
}
build {
  name    = "main"
  sources = concat(var.sources_enabled, ["vsphere-iso.v", "azure-arm.b", "azure-arm.win", "sources.googlecompute.g", "amazon-ebs.aws", "proxmox-iso.p", "docker.d", "nutanix.n", "source.${var.builder_type}.template"])
  provisioner "shell" {
    inline      = ["echo 'After reboot'"]
    pause_after = "10s"
    except      = var.is_windows ? local.source_names : null
  }
  provisioner "shell" {
    execute_command     = "sudo sh -c '{{ .Vars }} {{ .Path }}'"
    inline              = ["x"]
    start_retry_timeout = "10m"
    environment_vars    = []
    valid_exit_codes    = [0, 143]
    expect_disconnect   = true
  }
  provisioner "powershell" {
    elevated_password = "vagrant"
    elevated_user     = "vagrant"
    inline            = ["x"]
    only              = var.is_windows ? null : ["vsphere-iso.v"]
  }
  provisioner "windows-restart" {
    restart_timeout = "30m"
    only            = ["vsphere-iso.v"]
  }
  provisioner "windows-update" {
    search_criteria = "x"
    filters         = ["include:$true"]
    only            = ["vsphere-iso.v"]
  }
  provisioner "ansible" {
    user                   = "root"
    playbook_file          = "main.pkr.hcl"
    galaxy_force_with_deps = true
    roles_path             = "x"
    ansible_env_vars       = ["A=b"]
    extra_arguments        = ["--extra-vars", "a=${var.sp}"]
    use_proxy              = false
  }
  post-processors {
    post-processor "docker-tag" {
      repository = "x"
      tags       = ["latest"]
      only       = ["docker.d"]
    }
    post-processor "docker-push" {
      only = ["docker.d"]
    }
  }
  post-processor "manifest" {
    output      = "m.json"
    strip_path  = true
    custom_data = { a = 2, b = true, c = local.version }
  }
  post-processor "vagrant" {
    compression_level    = 9
    output               = "x.{{ .Provider }}.box"
    vagrantfile_template = var.is_windows ? "x" : null
    except               = ["utm-iso.vm"]
  }
  post-processor "utm-vagrant" {
    only         = ["utm-iso.vm"]
    architecture = "${var.is_windows ? "amd64" : "arm64"}"
  }
  post-processor "shell-local" {
    inline         = ["mount $${nbd}p4"]
    inline_shebang = "/bin/bash -e"
  }
  dynamic "hcp_packer_registry" {
    for_each = false ? [1] : []
    content {
      bucket_name   = "x"
      bucket_labels = { "a" : "b", }
    }
  }
}
