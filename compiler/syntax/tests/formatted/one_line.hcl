a {}
b {}
c { d = 1 }
e "label" { f = ["x", "y"] }
g label { h = { i = 1, j = 2 } }
k "l" m "n" {
}
o { p = upper(
  "q"
) }
