locals {
  a = { for k, v in local.b : k => v }
  b = try(local.a, {})
  c = local.a
  d = [for local in ["x"] : local]
}
