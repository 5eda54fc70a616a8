module "inner" {
  source   = "./inner"
  for_each = ["x"]
}
source "null" "base" {
  communicator = "none"
}
provisioners "greet" {
  provisioner "shell-local" {
    inline = ["echo from the module"]
  }
}
build {
  sources = ["source.null.base", "module.inner[\"x\"].source.null.deep"]
}
