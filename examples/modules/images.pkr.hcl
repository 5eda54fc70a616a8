# One base, and images on top of it, each made by a module: what the base makes is an input of the others. Text files stand
# for images here; with `amazon-ebs` the artifact's `id` would be handed on.

module "image" {
  source = "./image"
  name   = each.key
  port   = each.value
  base   = module.base.file
  for_each = {
    web = 80
    db  = 5432
  }
}

module "base" {
  source = "./base"
}

output "images" {
  description = "The image of each service"
  value       = { for name, image in module.image : name => image.file }
}
