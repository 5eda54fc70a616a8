# The file's own comment.
// In the other notation.

/*
 * A block comment
 * of two lines.
 */
variable "image" { # behind the brace
  type    = string
  default = "debian" # what we build

  # Before another.
  description = <<-EOT
    Several
      lines.

    And ${upper("code")}.
  EOT
  # At the end of the block.
}

locals {
  list = [ # behind the bracket
    # before an element
    "a", # behind an element
    "b",
    # before the bracket
  ]
  short = ["a", "b"]
  nested = {
    # before a key
    key = "value" # behind a value
    "quoted key" = [1, 2.50, -3]

    other = merge(local.a, { b = 1 })
  }
  sum     = (1 + 2) * 3 - (4 - 5) # kept and needed
  choice  = var.a == "x" && !var.b ? "yes" : var.c > 1 ? "maybe" : "no"
  splat   = [local.a[*].b[0], local.a.*.b[0], local.a.0]
  each    = { for k, v in local.nested : "${k}-x" => upper(v)... if v != null }
  text    = "a \"quoted\" $${not} ${local.a}%{if true}x%{else}y%{endif}\t"
  inner   = 1 + /* inside an expression */ 2
  long    = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccccc"]
}
source "null" "empty" {}
build {
  sources = ["source.null.empty"]
  provisioner "shell" {
    inline = ["true"]
    override = { empty = { inline = ["false"] } }
  } # behind the block
}
# At the very end.
