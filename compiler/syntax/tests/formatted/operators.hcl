locals {
  sum      = 1 + 2 * 3 - 4 / 2 % 3
  grouped  = (1 + 2) * (3 - 4)
  negative = -1
  negated  = -var.x + -(2 * var.y)
  not      = ! var.flag && ! (var.a || var.b)
  compare  = var.a > 1 && var.a <= 10 || var.b != 2 && var.c == "x"
  chain    = var.a ? 1 : var.b ? 2 : 3
  in_parens = (
    var.long_condition
    && var.other_condition
    ? "both"
    : "not both"
  )
  ratio    = 0.5e-3
  large    = 12345678901234
  precise  = 0.1
  exponent = 1e10
  indexed  = var.matrix[var.row + 1][var.column * 2].value
  by_key   = var.map["key"]["other ${var.suffix}"]
  expanded = max(var.numbers...)
  mixed    = max(1, 2, var.more...)
  nested   = upper(lower(trim(var.text, " ")))
  multi_line = format(
    "%s-%s",
    var.one,
    var.two,
  )
}
