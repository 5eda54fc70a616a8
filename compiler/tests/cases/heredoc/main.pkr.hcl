variable "packages" {
  default = ["nginx", "curl"]
}

source "null" "a" { communicator = "none" }

build {
  sources = ["null.a"]

  provisioner "shell-local" {
    inline = [
      <<-EOF
        apt-get update
        %{ for package in var.packages ~}
        apt-get install -y ${package}
        %{ endfor ~}
        echo "$${HOME} C:\\x"
      EOF
    ]
  }
}
