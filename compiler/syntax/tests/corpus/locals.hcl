locals {
  stamp    = formatdate("YYYYMMDDhhmmss", timestamp())
  owners   = ["a", "b", "c"]
  first    = local.owners[0]
  last     = local.owners[length(local.owners) - 1]
  old      = local.owners.0
  nested   = [[1, 2], [3, 4]]
  four     = local.nested.1.1
  upper    = [for owner in local.owners : upper(owner)]
  indexed  = { for index, owner in local.owners : owner => index }
  grouped  = { for user in var.users : user.team => user.name... if user.active }
  names    = var.users[*].name
  emails   = var.users.*.contact.email
  deep     = var.teams[*].members[*].name
  firsts   = var.teams.*.members.0.name
  empty    = {}
  nothing  = []
  null_one = null
  yes      = true
  no       = false
}

local "secret" {
  expression = vault("secret/data/build", "token")
  sensitive  = true
}

local "flat" {
  expression = flatten([
    for zone, hosts in var.zones : [
      for host in hosts : {
        zone = zone
        host = host
        fqdn = "${host}.${zone}.example.org"
      }
    ]
  ])
}
