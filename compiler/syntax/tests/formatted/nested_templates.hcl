locals {
  simple = "${var.a}"
  twice  = "${var.a}${var.b}"
  inner  = "a ${"b ${"c ${var.d} e"} f"} g"
  call   = "${join(", ", [for x in var.xs : "<${x}>"])}"
  object = "${jsonencode({ a = "${var.a}", b = { c = "}" } })}"
  over_lines = "${
    var.a
    + 1
  }"
  conditional = "${var.a == "" ? "empty" : "is ${var.a}"}"
  stripped    = "  ${~var.a~}  "
  escaped     = "$${var.a} %%{ if } $$ %% $ % {} $x %d"
  paths       = "${path.root}/${path.cwd}/x"
  braces      = "{{ .Name }} {{ if .X }}y{{ end }}"
  mixed       = "${var.list[0]}-${var.map["k"]}-${var.list.*.id[0]}"
}
