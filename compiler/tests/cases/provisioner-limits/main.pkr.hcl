source "null" "a" { communicator = "none" }

build {
  sources = ["null.a"]

  provisioner "shell-local" {
    inline       = ["x"]
    pause_before = "10"
    timeout      = "-5s"
    max_retries  = -1
  }

  provisioner "shell-local" {
    inline            = ["x"]
    max_retries       = 1.5
    continue_on_error = "maybe"
    only              = "null.a"
  }

  provisioner "shell-local" {
    inline = ["x"]
    only   = ["null.a"]
    except = ["null.a"]
  }

  post-processor "manifest" {
    pause_before        = "5s"
    keep_input_artifact = "no"
  }
}
