region = "eu-west-3"
sizes  = [1, 2.5, -3, 1e3]
flags  = { fast = true, slow = false, unset = null }
hosts = [
  { name = "a", address = "10.0.0.1" },
  { name = "b", address = "10.0.0.2" },
]
text = <<EOT
several
lines
EOT
