locals {
  no_arguments = timestamp()
  provider     = provider::example::parse("x")
  long = merge(
    { a = 1 },
    var.defaults,
    { for k, v in var.overrides : lower(k) => v },
  )
  lookup  = lookup(var.map, "key", "default")
  try_it  = try(var.maybe.deep.value, "none")
  can_it  = can(tonumber(var.text)) ? tonumber(var.text) : -1
  index   = element(var.list, length(var.list) - 1)
  method  = split(",", var.csv)[0]
  of_call = yamldecode(file("${path.root}/x.yaml")).items[*].name
  for_map = { for pair in setproduct(["a", "b"], [1, 2]) : "${pair[0]}-${pair[1]}" => pair }
  keyed   = { (var.name) = 1, "${var.name}-2" = 2, literal = 3 }
}
