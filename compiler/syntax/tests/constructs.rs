//! Each construct of the language, from text to typed view.
#![allow(clippy::unwrap_used)]

mod support;

use insta::assert_snapshot;
use support::{expr, valid};

#[test]
fn attributes_and_blocks() {
    assert_snapshot!(valid("a = 1\nb { }\nc \"x\" y {\n  d = true\n  e { f = null }\n}\n"), @r#"
    a = 1
    b: one line
    c "x" y:
      d = true
      e: one line
        f = null
    "#);
    assert_snapshot!(valid(""), @"");
    assert_snapshot!(valid("# only a comment"), @"");
    assert_snapshot!(valid("a = 1 # c\nb = 2 // d\n/* e */ c = /* f */ 3\n"), @r"
    a = 1
    b = 2
    c = 3
    ");
    assert_snapshot!(valid("a = 1\r\nb {\r\n  c = 2\r\n}\r\n"), @r"
    a = 1
    b:
      c = 2
    ");
    assert_snapshot!(valid("\u{feff}a = 1"), @"a = 1");
    assert_snapshot!(valid("größe-2 = été\n_x = 1\n"), @r"
    größe-2 = été
    _x = 1
    ");
}

#[test]
fn labels() {
    assert_snapshot!(valid("a \"x y\" \"\\u00e9\\n\" z {}\n"), @r#"a "x y" "é\n" z: one line"#);
}

#[test]
fn numbers_stay_as_written() {
    assert_snapshot!(expr("[0, 1.50, 1e10, 2E-3, 1.5e+7, 0012, 123456789012345678901234567890]"), @"[0, 1.50, 1e10, 2E-3, 1.5e+7, 0012, 123456789012345678901234567890]");
}

#[test]
fn operators_by_precedence() {
    assert_snapshot!(expr("a || b && c == d < e + f * -g"), @"(|| a (&& b (== c (< d (+ e (* f (- g)))))))");
    assert_snapshot!(expr("a * b + c - d >= e != f && g || h"), @"(|| (&& (!= (>= (- (+ (* a b) c) d) e) f) g) h)");
    assert_snapshot!(expr("1 - 2 - 3"), @"(- (- 1 2) 3)");
    assert_snapshot!(expr("!a.b == !(c || d)"), @"(== (! (get a .b)) (! (paren (|| c d))))");
    assert_snapshot!(expr("-1 - -2 % 3 / 4"), @"(- (- 1) (/ (% (- 2) 3) 4))");
}

#[test]
fn conditionals_nest_to_the_right() {
    assert_snapshot!(expr("a ? b : c ? d : e"), @"(if a b (if c d e))");
    assert_snapshot!(expr("a == 1 ? b ? 1 : 2 : {x : 3}"), @"(if (== a 1) (if b 1 2) {x: 3})");
    assert_snapshot!(valid("a = (\n  b\n  ? c\n  : d\n)\n"), @"a = (paren (if b c d))");
}

#[test]
fn traversals() {
    assert_snapshot!(expr("a.b.c[0][\"k\"].d"), @r#"(get a .b .c [0] ["k"] .d)"#);
    assert_snapshot!(expr("a.0.1.b"), @"(get a .0 .1 .b)");
    assert_snapshot!(expr("f(x).y"), @"(get f(x) .y)");
    assert_snapshot!(expr("[1, 2][0]"), @"(get [1, 2] [0])");
    assert_snapshot!(expr("{a = 1}.a"), @"(get {a: 1} .a)");
}

#[test]
fn splats_own_what_they_apply_to_each_element() {
    assert_snapshot!(expr("a.*.b.0.c[1]"), @"(get a .*(.b .0 .c) [1])");
    assert_snapshot!(expr("a[*].b[1].c"), @"(get a [*](.b [1] .c))");
    assert_snapshot!(expr("a[*].b[*].c"), @"(get a [*](.b [*](.c)))");
    assert_snapshot!(expr("a.*.b.*.c"), @"(get a .*(.b) .*(.c))");
    assert_snapshot!(expr("a[*].b.*.c[0]"), @"(get a [*](.b .*(.c) [0]))");
    assert_snapshot!(expr("a[*]"), @"(get a [*]())");
}

#[test]
fn calls() {
    assert_snapshot!(expr("f()"), @"f()");
    assert_snapshot!(expr("f(1, g(2,), h(xs...))"), @"f(1, g(2), h(xs...))");
    assert_snapshot!(expr("provider::aws::arn(\n  a,\n  b\n)"), @"provider::aws::arn(a, b)");
}

#[test]
fn collections() {
    assert_snapshot!(expr("[1, [], [2,],\n 3\n]"), @"[1, [], [2], 3]");
    assert_snapshot!(expr("{}"), @"{}");
    assert_snapshot!(expr("[\n  \"a\",\n  \"${b}\", # c\n  <<E\nd\nE\n  ,\n  {\n    e = \"f\"\n  }\n]"), @r#"["a", (template ${b}), (heredoc "d\n"), {e: "f"}]"#);
    assert_snapshot!(expr("{a = 1, b : 2\n \"c ${d}\" = 3\n (e) = 4,\n\n 5 = f\n true = 6}"), @r#"{a: 1, b: 2, (template "c " ${d}): 3, (paren e): 4, 5: f, true: 6}"#);
    assert_snapshot!(expr("{a.b = 1}"), @"{(get a .b): 1}");
}

#[test]
fn for_expressions() {
    assert_snapshot!(expr("[for x in xs : x.y if x != null]"), @"(for-tuple x in xs : (get x .y) if (!= x null))");
    assert_snapshot!(expr("[for i, x in xs: {a = i}]"), @"(for-tuple i,x in xs : {a: i})");
    assert_snapshot!(expr("{for k, v in m : k => v... if v > 1}"), @"(for-object k,v in m : k => v... if (> v 1))");
    assert_snapshot!(expr("{\n  for x in c ? a : b :\n  x => [for y in x : y]\n}"), @"(for-object x in (if c a b) : x => (for-tuple y in x : y))");
}

#[test]
fn quoted_templates() {
    assert_snapshot!(expr(r#""a ${b} c""#), @r#"(template "a " ${b} " c")"#);
    assert_snapshot!(expr(r#""\n\r\t\"\\ \u00e9 \U0001F600 $${x} %%{y} $x 100% $$ %""#), @r#""\n\r\t\"\\ é 😀 ${x} %{y} $x 100% $$ %""#);
    assert_snapshot!(expr(r#""${a}""#), @"(template ${a})");
    assert_snapshot!(expr(r#""a  ${~ b ~}  c""#), @r#"(template "a" ${b} "c")"#);
    assert_snapshot!(expr(r#""${f("x ${g("y")}")}""#), @r#"(template ${f((template "x " ${g("y")}))})"#);
    assert_snapshot!(expr("\"${\n  {\n    a = 1\n  }.a\n}\""), @"(template ${(get {a: 1} .a)})");
}

#[test]
fn directives() {
    assert_snapshot!(expr(r#""%{ if a }b%{ else }c%{ endif }""#), @r#"(template %{if a: "b" else "c"})"#);
    assert_snapshot!(expr(r#""%{ for k, v in m }${k}%{ if v }!%{ endif }, %{ endfor }""#), @r#"(template %{for k,v in m: ${k} %{if v: "!"} ", "})"#);
    assert_snapshot!(expr(r#""x %{~ if a ~} y %{~ endif ~} z""#), @r#"(template "x" %{if a: "y"} "z")"#);
}

#[test]
fn heredocs() {
    assert_snapshot!(valid("a = <<EOF\n  b\nc ${d} \\n \"q\"\n  EOF\ne = 1\n"), @r#"
    a = (heredoc "  b\nc " ${d} " \\n \"q\"\n")
    e = 1
    "#);
    assert_snapshot!(valid("a = <<-EOF\n    b\n      c\n\n    d ${e}\n  EOF\n"), @r#"a = (heredoc "b\n  c\n\nd " ${e} "\n")"#);
    assert_snapshot!(valid("a = <<-EOF\n    ${b}\n  c\n  EOF\n"), @r#"a = (heredoc "  " ${b} "\nc\n")"#);
    assert_snapshot!(valid("a = <<EOF\nEOF\n"), @"a = (heredoc )");
    assert_snapshot!(valid("a = [<<A\nx\nA\n, <<B\ny\nB\n]\n"), @r#"a = [(heredoc "x\n"), (heredoc "y\n")]"#);
    assert_snapshot!(valid("a = <<EOF\r\nb\r\nEOF\r\n"), @r#"a = (heredoc "b\r\n")"#);
    assert_snapshot!(valid("a = <<EOF\n%{ for x in xs ~}\n${x}\n%{ endfor ~}\nend\nEOF\n"), @r#"a = (heredoc %{for x in xs: ${x} "\n"} "end\n")"#);
    assert_snapshot!(valid("a = <<EOF\n${<<EOF\nin\nEOF\n}\nEOF\n"), @r#"a = (heredoc ${(heredoc "in\n")} "\n")"#);
}
