source "null" "base" {
  for_each     = ["a", "b"]
  communicator = "none"
}

build {
  name     = "web"
  for_each = ["eu", "us"]
  sources  = ["source.null.base"]

  provisioner "shell-local" {
    only   = ["null.base[\"a\"]"]
    inline = ["echo base a, eu and us"]
  }
  provisioner "shell-local" {
    except = ["null.base[\"a\"]"]
    inline = ["echo base b, eu and us"]
  }
  provisioner "shell-local" {
    only   = ["web[\"eu\"].null.base"]
    inline = ["echo base a and b, eu"]
  }
  provisioner "shell-local" {
    only   = ["web.null.base[\"b\"]"]
    inline = ["echo base b, eu and us"]
  }
  provisioner "shell-local" {
    only   = ["build.web[\"us\"].null.base[\"b\"]"]
    inline = ["echo base b, us"]
  }
  provisioner "shell-local" {
    only   = ["null.base[\"c\"]", "web[\"asia\"].null.base"]
    inline = ["echo nowhere"]
  }
  provisioner "shell-local" {
    only   = ["null.${build.name == "web" ? "base" : "other"}[\"${each.key == "eu" ? "a" : "b"}\"]"]
    inline = ["echo base a in eu, base b in us"]
  }
  provisioner "shell-local" {
    inline = ["echo"]
    override = {
      "base[\"a\"]"           = { inline = ["echo overridden for a"] }
      "web[\"us\"].null.base" = { inline = ["echo overridden for us"] }
      "base[\"x\"]"           = { inline = ["echo nowhere"] }
    }
  }
}
