#![allow(clippy::unwrap_used)]

use imgc_syntax::FileId;
use insta::assert_snapshot;

use super::fixture::{check, eval};
use super::{references, wrong_type};
use crate::convert::convert;
use crate::hir::{BinaryOp, Expr, ExprKind};
use crate::types::{Type, parse_type};
use crate::value::Value;

#[test]
fn arithmetic() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("0.1 + 0.2", "0.3"),
        ("1 / 3 * 3", "1"),
        ("1/3 + 1/3 + 1/3", "1"),
        ("10 / 4", "2.5"),
        ("-5 % 3", "-2"),
        ("5.5 % 2", "1.5"),
        ("-\"5\"", "-5"),
        ("\"5\" + 5", "10"),
        ("9223372036854775807 + 1", "9223372036854775808"),
        ("9223372036854775808 - 1 == 9223372036854775807", "true"),
        (
            "123456789012345678901234567890 * 1000000007",
            "123456789876543201987654320198641975230",
        ),
        ("1e3", "1000"),
        ("1.50", "1.5"),
        ("1 / 0", "eval/number at `0`: division by zero"),
        ("1 % 0", "eval/number at `0`: division by zero"),
        ("1 + null", "eval/null at `null`: `+` cannot work on null"),
        (
            "1 + list",
            "eval/operand at `list`: expected a number beside `+`, found a list of strings",
        ),
        (
            "text + 1",
            "eval/operand at `text`: expected a number beside `+`, found the string \"hello\"",
        ),
        (
            "secret + 1",
            "eval/operand at `secret`: expected a number beside `+`, found another string",
        ),
        ("unknown + 1", "(known at run time): number"),
        (
            "unknown_list + 1",
            "eval/operand at `unknown_list`: expected a number beside `+`, found a list of strings",
        ),
        ("secret_number + 1", "(sensitive)"),
        ("failed + 1", "failed silently"),
        (
            "-text",
            "eval/operand at `text`: expected a number beside `-`, found the string \"hello\"",
        ),
    ]);
}

#[test]
fn comparison() {
    check(&[
        ("1 < \"2\"", "true"),
        ("2 >= 2", "true"),
        ("unknown_number > 1", "(known at run time): bool"),
        ("1 == \"1\"", "false"),
        ("[1, 2] == [1, 2]", "true"),
        ("list == [\"a\", \"b\"]", "false"),
        ("{ a = 1 } == { a = 1 }", "true"),
        ("{ a = 1 } != { b = 1 }", "true"),
        ("null == null", "true"),
        ("1 == null", "false"),
        ("unknown == null", "(known at run time): bool"),
        ("unknown_string == 1", "false"),
        ("half == [\"b\", \"x\"]", "false"),
        ("half == [\"a\", \"x\"]", "(known at run time): bool"),
        ("secret == \"hunter2\"", "(sensitive)"),
        ("keyring == {}", "(sensitive)"),
        ("failed == 1", "failed silently"),
    ]);
}

#[test]
fn logic() {
    check(&[
        ("true && \"true\"", "true"),
        (
            "true && 1",
            "eval/operand at `1`: expected a bool beside `&&`, found a number",
        ),
        ("!\"true\"", "false"),
        ("!null", "eval/null at `null`: `!` cannot work on null"),
        // The left side decides.
        ("false && nothing_here", "false"),
        ("true || 1 / 0 == 1", "true"),
        ("null != null && length(null) > 0", "false"),
        ("unknown_bool && false", "false"),
        ("unknown_bool || true", "true"),
        ("unknown_bool && true", "(known at run time): bool"),
        (
            "unknown_bool && nothing_here",
            "eval/unknown-name at `nothing_here`: there is no `nothing_here` here",
        ),
    ]);
}

#[test]
fn conditionals() {
    check(&[
        ("true ? 1 : \"a\"", "\"1\""),
        ("\"true\" ? 1 : 2", "1"),
        ("true ? [1] : [\"a\", \"b\"]", "[\"1\"]"),
        ("true ? { a = 1 } : { b = \"x\" }", "{ a = \"1\" }"),
        ("false ? null : \"x\"", "\"x\""),
        ("true ? null : 1", "null"),
        ("true ? 1 : 1 / 0", "1"),
        ("false ? nothing_here : 2", "2"),
        (
            "true ? nothing_here : 2",
            "eval/unknown-name at `nothing_here`: there is no `nothing_here` here",
        ),
        (
            "true ? { a = 1 } : [1]",
            "eval/sides-differ at `true ? { a = 1 } : [1]`: the two sides have no common type: an object and a tuple of 1 element",
        ),
        ("null ? 1 : 2", "eval/null at `null`: the condition is null"),
        (
            "5 ? 1 : 2",
            "eval/condition at `5`: expected a bool as the condition, found a number",
        ),
        ("unknown_bool ? 1 : \"a\"", "(known at run time): string"),
        ("unknown ? list : []", "(known at run time): list(string)"),
        (
            "unknown_bool ? nothing_here : 2",
            "eval/unknown-name at `nothing_here`: there is no `nothing_here` here",
        ),
        ("secret == \"x\" ? 1 : 2", "(sensitive)"),
        ("unknown_bool ? secret : \"\"", "(sensitive): string"),
        ("failed ? 1 : 2", "failed silently"),
        ("true ? failed : 2", "failed silently"),
    ]);
}

#[test]
fn templates() {
    check(&[
        ("\"a${1 + 1}b\"", "\"a2b\""),
        ("\"${1.50}\"", "1.5"),
        ("\"${[1]}\"", "[1]"),
        ("\"${1.50} \"", "\"1.5 \""),
        ("\"${true}${5}\"", "\"true5\""),
        (
            "\"a${null}\"",
            "eval/null at `null`: null cannot be put into text",
        ),
        (
            "\"a${list}\"",
            "eval/template at `list`: a list of strings cannot be put into text",
        ),
        (
            "\"a${object}\"",
            "eval/template at `object`: an object cannot be put into text",
        ),
        ("\"a${secret}\"", "(sensitive)"),
        ("\"a${unknown}\"", "(known at run time): string"),
        ("\"a${secret_unknown}\"", "(sensitive): string"),
        ("\"a${failed}\"", "failed silently"),
        ("\"%{ if true }yes%{ else }no%{ endif }\"", "\"yes\""),
        ("\"%{ if false }yes%{ endif }\"", "\"\""),
        (
            "\"%{ if unknown_bool }yes%{ endif }\"",
            "(known at run time): string",
        ),
        ("\"%{ if secret == \"\" }yes%{ endif }\"", "(sensitive)"),
        ("\"%{ for x in [1, 2] }${x},%{ endfor }\"", "\"1,2,\""),
        (
            "\"%{ for k, v in map }${k}=${v} %{ endfor }\"",
            "\"a=x b=y \"",
        ),
        (
            "\"%{ for x in unknown_list }${x}%{ endfor }\"",
            "(known at run time): string",
        ),
        (
            "\"%{ for x in secret_list }${x}%{ endfor }\"",
            "(sensitive)",
        ),
        (
            "\"%{ for x in 5 }${x}%{ endfor }\"",
            "eval/not-a-collection at `5`: this value is a number and has no elements to walk",
        ),
        ("\"$${x} %%{ if }\"", "\"$${x} %%{ if }\""),
        ("<<-EOT\n    a\n      ${1}\n    EOT\n", "\"a\\n  1\\n\""),
    ]);
}

#[test]
fn for_expressions() {
    check(&[
        ("[for x in list : upper(x)]", "[\"A\", \"B\"]"),
        ("[for i, x in list : \"${i}${x}\"]", "[\"0a\", \"1b\"]"),
        ("[for x in set : x]", "[\"a\", \"b\"]"),
        ("[for k, v in map : \"${k}${v}\" if v != \"x\"]", "[\"by\"]"),
        ("{ for k, v in map : v => k }", "{ x = \"a\", y = \"b\" }"),
        (
            "{ for x in [\"a\", \"b\", \"a\"] : x => 1... }",
            "{ a = [1, 1], b = [1] }",
        ),
        (
            "{ for x in [\"a\", \"a\"] : x => 1 }",
            "eval/repeated-key at `x`: two elements give the same key \"a\"",
        ),
        (
            "{ for x in [secret, secret] : x => 1 }",
            "eval/repeated-key at `x`: two elements give the same key",
        ),
        (
            "{ for x in list : null => x }",
            "eval/null at `null`: the key is null",
        ),
        (
            "{ for x in list : [x] => x }",
            "eval/bad-key at `[x]`: expected a string as a key, found a tuple of 1 element",
        ),
        (
            "[for x in 5 : x]",
            "eval/not-a-collection at `5`: this value is a number and has no elements to walk",
        ),
        (
            "[for x in null : x]",
            "eval/null at `null`: this value is null and cannot be walked",
        ),
        (
            "[for x in list : y]",
            "eval/unknown-name at `y`: there is no `y` here",
        ),
        (
            "[for x in list : x if null]",
            "eval/null at `null`: the condition is null",
        ),
        (
            "[for x in unknown_list : upper(x)]",
            "(known at run time): list(string)",
        ),
        (
            "[for x in unknown_list : x.name]",
            "eval/no-attributes at `name`: `x` is a string and has no attribute `name`",
        ),
        (
            "{ for k, v in unknown_map : k => v + 1 }",
            "(known at run time): map(number)",
        ),
        (
            "{ for k, v in unknown_map : k => v... }",
            "(known at run time): map(list(number))",
        ),
        (
            "[for x in [1, 2] : x if unknown_bool]",
            "(known at run time): list(number)",
        ),
        ("[for x in secret_list : x]", "(sensitive)"),
        ("[for x in [secret] : x]", "[(sensitive)]"),
        ("[for x in [secret] : 1 if x == \"\"]", "(sensitive)"),
        ("{ for x in [secret] : x => 1 }", "(sensitive)"),
        (
            "[for x in list : [for y in list : \"${x}${y}\"]]",
            "[[\"aa\", \"ab\"], [\"ba\", \"bb\"]]",
        ),
        ("[for x in failed : x]", "failed silently"),
    ]);
}

#[test]
fn splats() {
    check(&[
        ("objects[*].id", "[1, 2]"),
        ("objects.*.id", "[1, 2]"),
        ("list[*]", "[\"a\", \"b\"]"),
        ("set[*]", "[\"a\", \"b\"]"),
        ("text[*]", "[\"hello\"]"),
        ("object[*].name", "[\"web\"]"),
        ("null[*]", "[]"),
        ("unknown_list[*]", "(known at run time): list(string)"),
        ("unknown[*].name", "(known at run time): any"),
        ("secret_list[*]", "(sensitive)"),
        ("[keyring][*].password", "[(sensitive)]"),
        (
            "objects[*].name",
            "eval/unknown-attribute at `name`: this value has no attribute `name`",
        ),
        ("failed[*].x", "failed silently"),
    ]);
}

#[test]
fn parts() {
    check(&[
        ("object.name", "\"web\""),
        ("object[\"name\"]", "\"web\""),
        ("list[0]", "\"a\""),
        ("list[\"1\"]", "\"b\""),
        ("list.1", "\"b\""),
        ("map.a", "\"x\""),
        ("objects[1].id", "2"),
        ("keyring.password", "(sensitive)"),
        ("keyring.user", "\"root\""),
        (
            "list[secret_number]",
            "eval/bad-index at `secret_number`: `list` has no such element: it has 2 elements, numbered from 0 to 1",
        ),
        ("secret_list[0]", "(sensitive)"),
        (
            "secret_list[9]",
            "eval/bad-index at `9`: `secret_list` has no element 9",
        ),
        ("half[1]", "(known at run time): string"),
        ("unknown.a.b[3]", "(known at run time): any"),
        ("unknown_list[0]", "(known at run time): string"),
        ("unknown_map.x", "(known at run time): number"),
        ("unknown_object.name", "(known at run time): string"),
        (
            "unknown_object.nam",
            "eval/unknown-attribute at `nam`: `unknown_object` has no attribute `nam`",
        ),
        ("list[unknown_number]", "(known at run time): string"),
        (
            "list[5]",
            "eval/bad-index at `5`: `list` has no element 5: it has 2 elements, numbered from 0 to 1",
        ),
        ("[][0]", "eval/bad-index at `0`: this value has no elements"),
        (
            "list[-1]",
            "eval/bad-index at `-1`: the index -1 is not a whole number from 0",
        ),
        (
            "list[0.5]",
            "eval/bad-index at `0.5`: the index 0.5 is not a whole number from 0",
        ),
        (
            "list[\"x\"]",
            "eval/bad-index at `\"x\"`: expected a number as the index, found the string \"x\"",
        ),
        ("list[null]", "eval/null at `null`: the index is null"),
        (
            "null.a",
            "eval/null at `a`: this value is null and has no attribute `a`",
        ),
        (
            "set[0]",
            "eval/no-attributes at `0`: `set` is a set, and a set has no order",
        ),
        (
            "number[0]",
            "eval/no-attributes at `0`: `number` is a number and has no elements",
        ),
        (
            "text.size",
            "eval/no-attributes at `size`: `text` is a string and has no attribute `size`",
        ),
        ("var.name", "\"web\""),
        ("var[\"name\"]", "\"web\""),
        ("var", "{ name = \"web\" }"),
        (
            "var.nam",
            "check/unknown-variable at `nam`: there is no variable `nam`",
        ),
        ("failed.a[0]", "failed silently"),
    ]);
}

#[test]
fn names_that_are_not_there() {
    assert_snapshot!(eval("txt"), @r"
    eval/unknown-name at `txt`: there is no `txt` here
      did you mean `text`?
    ");
    assert_snapshot!(eval("something"), @r#"
    eval/unknown-name at `something`: there is no `something` here
      for the text, write "something" in quotes
    "#);
    assert_snapshot!(eval("object.nmae"), @r"
    eval/unknown-attribute at `nmae`: `object` has no attribute `nmae`
      did you mean `name`?
    ");
    assert_snapshot!(eval("map[\"z\"]"), @r#"
    eval/unknown-attribute at `"z"`: `map` has no element `z`
      it has `a`, `b`
    "#);
    assert_snapshot!(eval("object.colour"), @r"
    eval/unknown-attribute at `colour`: `object` has no attribute `colour`
      it has `name`, `size`
    ");
    assert_snapshot!(eval("objects.id"), @r"
    eval/no-attributes at `id`: `objects` is a tuple of 2 elements and has no attribute `id`
      write `[0].id` for one element, `[*].id` for all of them
    ");
    assert_snapshot!(eval("\"a\" + text"), @r#"
    eval/operand at `"a"`: expected a number beside `+`, found the string "a"
      to join texts, write "${first}${second}"
    "#);
}

#[test]
fn objects() {
    check(&[
        (
            "{ a = 1, \"b c\" = 2, (text) = 3 }",
            "{ a = 1, \"b c\" = 2, hello = 3 }",
        ),
        (
            "{ a = 1, a = 2 }",
            "warning: eval/key-overwritten at `a`: the key `a` is in this object twice; the last one counts",
        ),
        ("{ (secret) = 1 }", "(sensitive)"),
        ("{ (unknown_string) = 1 }", "(known at run time): any"),
        ("{ (null) = 1 }", "eval/null at `(null)`: the key is null"),
        ("{ 5 = 1 }", "{ \"5\" = 1 }"),
        ("max([1, 2]...)", "2"),
        ("max(unknown_list...)", "(known at run time): number"),
        (
            "max(null...)",
            "eval/null at `null`: `...` cannot follow null",
        ),
        (
            "max(5...)",
            "eval/not-a-collection at `5`: `...` cannot follow a number",
        ),
        ("max(failed)", "failed silently"),
        ("upper(text, )", "\"HELLO\""),
    ]);
}

#[test]
fn long_chains_and_deep_nests_do_not_exhaust_the_stack() {
    // As long as other languages may lower them; the HCL parser has a limit of its own.
    let span = imgc_syntax::Span::new(FileId(0), 0, 0);
    let one = || Expr {
        kind: ExprKind::Literal(Value::number(1_i64)),
        span,
    };
    let sum = (1..5_000).fold(one(), |sum, _| Expr {
        kind: ExprKind::Binary(Box::new(sum), BinaryOp::Add, Box::new(one())),
        span,
    });
    let world = super::fixture::world();
    let mut cx = super::Context::new(&world, std::path::Path::new("."));
    let total = super::evaluate(&sum, &super::Empty, &mut cx);
    assert_eq!(total, Value::number(5_000_i64));
    let deep = format!("{}1{}", "[".repeat(240), "]".repeat(240));
    assert!(eval(&deep).starts_with("[[["), "{}", eval(&deep));
    let deeper = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(eval(&deeper).contains("nested"), "{}", eval(&deeper));
    let calls = format!("{}1{}", "abs(".repeat(240), ")".repeat(240));
    let found = eval(&calls);
    assert!(found == "1" || found.contains("nested"), "{found}");
}

#[test]
fn what_an_expression_speaks_of() {
    let found = |text: &str| {
        let expr = crate::lower::hcl::expression(FileId(0), 0, text, &mut Vec::new());
        let found = references(&expr).into_iter().map(|reference| {
            let path: String = reference
                .path
                .iter()
                .map(|name| format!(".{}", name.text))
                .collect();
            let span = reference.span;
            format!(
                "{}{path} at `{}`",
                reference.root,
                &text[span.start as usize..span.end as usize]
            )
        });
        found.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(found("var.a + local.b[\"c\"].d[var.i].e"), @r#"
    var.a at `var.a`
    local.b.c.d at `local.b["c"].d`
    var.i at `var.i`
    "#);
    assert_snapshot!(found("[for x in var.list : \"${x}-${y}\" if x != var.not]"), @r"
    var.list at `var.list`
    y at `y`
    var.not at `var.not`
    ");
    assert_snapshot!(found("\"%{ for x in xs }${x}${z.q}%{ endfor }%{ if c }${x}%{ endif }\""), @r"
    xs at `xs`
    z.q at `z.q`
    c at `c`
    x at `x`
    ");
    assert_snapshot!(found("a[*].b.c ? f(d...) : convert({ (e) = g }, map(string))"), @r"
    a at `a`
    d at `d`
    e at `e`
    g at `g`
    ");
}

/// The type a constraint says, or its problems.
fn type_of(text: &str) -> String {
    let mut diagnostics = Vec::new();
    let expr = crate::lower::hcl::expression(FileId(0), 0, text, &mut diagnostics);
    let ty = parse_type(&expr, &mut diagnostics);
    let problems = diagnostics.iter().map(|problem| {
        let place = &text[problem.span.start as usize..problem.span.end as usize];
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{} at `{place}`: {} ({help})", problem.id, problem.message)
    });
    match diagnostics.is_empty() {
        true => ty.to_string(),
        false => problems.collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn type_constraints() {
    let same = [
        "string",
        "list(any)",
        "map(list(number))",
        "tuple([string, bool])",
        "object({a=string, \"b c\"=optional(number), c=optional(string, \"x\")})",
        "set(object({}))",
    ];
    for text in same {
        assert_eq!(type_of(text), text);
    }
    assert_eq!(type_of("list"), "list(any)");
    assert_eq!(type_of("\"string\""), "string");
    assert_eq!(type_of("\"map\""), "map(any)");
    assert_eq!(
        type_of("object({ a = optional(list(string), [1]) })"),
        "object({a=optional(list(string), [\"1\"])})"
    );
    assert_snapshot!(type_of("strng"), @"type/unknown-type at `strng`: there is no type `strng` (did you mean `string`?)");
    assert_snapshot!(type_of("list(boolean)"), @"type/unknown-type at `boolean`: there is no type `boolean` (did you mean `bool`?)");
    assert_snapshot!(type_of("array(string)"), @"type/unknown-type at `array`: there is no type `array` (did you mean `list`?)");
    assert_snapshot!(type_of("object"), @"type/bad-type at `object`: `object` needs to say what it holds (write it like `object({ name = string })`)");
    assert_snapshot!(type_of("list()"), @"type/bad-type at `list()`: `list(…)` takes one argument, found 0 (say the type of the elements, like `list(string)`)");
    assert_snapshot!(type_of("tuple(string)"), @"type/bad-type at `string`: `tuple(…)` takes a list of types in brackets (write it like `tuple([string, number])`)");
    assert_snapshot!(type_of("optional(string)"), @"type/bad-type at `optional(string)`: `optional` may only stand around the type of an object's attribute (write it like `object({ name = optional(string) })`)");
    assert_snapshot!(type_of("object({ a = string, a = bool })"), @"type/repeated-attribute at `a`: the attribute `a` is here twice (keep one of them)");
    assert_snapshot!(type_of("object({ a = optional(number, \"x\") })"), @r#"type/bad-default at `"x"`: the default does not fit: expected a number, found the string "x" (give a value of the type `number`)"#);
    assert_snapshot!(type_of("object({ a = optional(number, var.x) })"), @"eval/not-constant at `var`: only constants may stand here (write the value itself, without names and function calls)");
    assert_snapshot!(type_of("5 + 5"), @"type/bad-type at `5 + 5`: this is not a type (types are `string`, `number`, `bool`, `any`, `list(…)`, `set(…)`, `map(…)`, `object({…})` and `tuple([…])`)");
}

/// An expression as one of a type, as an option is evaluated.
fn eval_as(text: &str, ty: &str) -> String {
    let world = super::fixture::world();
    let mut cx = super::Context::new(&world, std::path::Path::new("."));
    let mut lower =
        |text: &str| crate::lower::hcl::expression(FileId(0), 0, text, &mut cx.diagnostics);
    let (expr, ty) = (lower(text), lower(ty));
    let ty = parse_type(&ty, &mut cx.diagnostics);
    let value = super::evaluate(&expr, &super::fixture::Names, &mut cx);
    assert!(cx.diagnostics.is_empty(), "{:?}", cx.diagnostics);
    match convert(&value, &ty) {
        Ok(value) => format!("{}: {}", value.display(), value.ty()),
        Err(error) => {
            let problem = wrong_type(&expr, &error, "option");
            let place = &text[problem.span.start as usize..problem.span.end as usize];
            let label = problem
                .label
                .map_or_else(String::new, |label| format!(" ({label})"));
            format!("{} at `{place}`{label}", problem.message)
        }
    }
}

#[test]
fn conversions() {
    let table = [
        ("5", "string", "\"5\": string"),
        ("\"1e3\"", "number", "1000: number"),
        ("\"0\"", "bool", "false: bool"),
        (
            "\"TRUE\"",
            "bool",
            "expected a bool for `option`, found the string \"TRUE\"; write `true` in lower case at `\"TRUE\"`",
        ),
        (
            "\" 1\"",
            "number",
            "expected a number for `option`, found the string \" 1\" at `\" 1\"`",
        ),
        (
            "\"0x10\"",
            "number",
            "expected a number for `option`, found the string \"0x10\" at `\"0x10\"`",
        ),
        (
            "1",
            "bool",
            "expected a bool for `option`, found a number at `1`",
        ),
        (
            "[1, \"a\", true]",
            "list(string)",
            "[\"1\", \"a\", \"true\"]: list(string)",
        ),
        ("[1, \"a\"]", "list(any)", "[\"1\", \"a\"]: list(string)"),
        (
            "[[1], [\"a\"]]",
            "list(list(any))",
            "[[\"1\"], [\"a\"]]: list(list(string))",
        ),
        ("[]", "list(any)", "[]: list(any)"),
        ("[]", "list(string)", "[]: list(string)"),
        ("[1, 1, \"1\"]", "set(string)", "[\"1\"]: set(string)"),
        ("set", "list(string)", "[\"a\", \"b\"]: list(string)"),
        (
            "[1, \"2\"]",
            "tuple([string, number])",
            "[\"1\", 2]: tuple([string, number])",
        ),
        (
            "[1]",
            "tuple([string, number])",
            "expected a tuple of 2 elements for `option`, found a tuple of 1 element at `[1]`",
        ),
        (
            "\"a\"",
            "list(string)",
            "expected a list of strings for `option`, found a string at `\"a\"`",
        ),
        (
            "{ a = 1, b = \"x\" }",
            "map(string)",
            "{ a = \"1\", b = \"x\" }: map(string)",
        ),
        (
            "map",
            "object({ a = string })",
            "{ a = \"x\" }: object({a=string})",
        ),
        (
            "{ a = 1, z = 2 }",
            "object({ a = string })",
            "{ a = \"1\" }: object({a=string})",
        ),
        (
            "{}",
            "object({ a = optional(string), b = optional(number, 5) })",
            "{ a = null, b = 5 }: object({a=string, b=number})",
        ),
        (
            "{ b = null }",
            "object({ b = optional(number, 5) })",
            "{ b = 5 }: object({b=number})",
        ),
        (
            "[{}]",
            "list(object({ b = optional(number, 5) }))",
            "[{ b = 5 }]: list(object({b=optional(number, 5)}))",
        ),
        (
            "{ nmae = 1 }",
            "object({ name = string })",
            "`option`: the attribute `name` is missing; `nmae` looks like it at `{ nmae = 1 }`",
        ),
        (
            "{ tags = { a = [1] } }",
            "object({ tags = map(string) })",
            "expected a string for `option.tags[\"a\"]`, found a tuple of 1 element at `[1]`",
        ),
        (
            "[\"a\", list]",
            "list(list(string))",
            "expected a list of strings for `option[0]`, found a string at `\"a\"`",
        ),
        (
            "[keyring]",
            "list(map(number))",
            "expected a number for `option[0][\"password\"]`, found another string at `keyring` (the value's part `[\"password\"]`)",
        ),
        (
            "keyring",
            "map(string)",
            "{ password = (sensitive), user = \"root\" }: map(string)",
        ),
        ("[secret]", "set(string)", "(sensitive): set(string)"),
        ("null", "number", "null: number"),
        ("unknown", "number", "(known at run time): number"),
        (
            "unknown_list",
            "set(number)",
            "(known at run time): set(number)",
        ),
        (
            "unknown_list",
            "number",
            "expected a number for `option`, found a list of strings at `unknown_list`",
        ),
        (
            "half",
            "list(any)",
            "[\"a\", (known at run time)]: list(string)",
        ),
        ("half", "set(string)", "(known at run time): set(string)"),
        ("failed", "number", "(known at run time): any"),
    ];
    let wrong: Vec<String> = table
        .into_iter()
        .filter_map(|(text, ty, wanted)| {
            let found = eval_as(text, ty);
            (found != wanted)
                .then(|| format!("{text} as {ty}\n  wanted {wanted}\n  found  {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn common_types() {
    let table = [
        ("[string, number]", "string"),
        ("[number, bool]", "nothing"),
        ("[number, any]", "any"),
        ("[list(string), tuple([number])]", "list(string)"),
        ("[tuple([number]), tuple([string])]", "tuple([string])"),
        ("[tuple([number]), tuple([number, string])]", "list(string)"),
        ("[list(number), set(number)]", "list(number)"),
        (
            "[object({ a = number }), object({ a = string })]",
            "object({a=string})",
        ),
        (
            "[object({ a = number }), object({ b = string })]",
            "map(string)",
        ),
        ("[object({ a = number }), map(string)]", "map(string)"),
        ("[object({ a = number }), tuple([number])]", "nothing"),
        ("[string, list(string)]", "nothing"),
    ];
    for (types, wanted) in table {
        let mut diagnostics = Vec::new();
        let text = format!("tuple({types})");
        let expr = crate::lower::hcl::expression(FileId(0), 0, &text, &mut diagnostics);
        let Type::Tuple(parsed) = parse_type(&expr, &mut diagnostics) else {
            panic!("{types} is not a tuple");
        };
        let found = crate::convert::unify(&parsed);
        let found = found.map_or_else(|| "nothing".to_owned(), |ty| ty.to_string());
        assert_eq!(found, wanted, "{types}");
        let backwards: Vec<Type> = parsed.iter().rev().cloned().collect();
        let found = crate::convert::unify(&backwards);
        assert_eq!(
            found.map_or_else(|| "nothing".to_owned(), |ty| ty.to_string()),
            wanted,
            "{types} backwards"
        );
    }
}
