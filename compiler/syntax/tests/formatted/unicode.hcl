variable "größe" {
  description = "Wie groß? 😀 — „so“ groß"
  default     = "é ñ 日本語"
}

locals {
  größe-2         = var.größe
  日本              = "\u65e5\u672c"
  emoji           = "\U0001F600"
  mapa            = { año = 2024, "clé" = "valeur" }
  escapes         = "tab\tnewline\nreturn\rquote\"backslash\\"
  _private        = 1
  with-dash_and_2 = 3
}
