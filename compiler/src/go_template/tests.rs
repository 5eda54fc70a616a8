#![allow(clippy::unwrap_used)]

use super::{Pipeline, Segment, TermKind, parse};

/// The tree of a template, or what is wrong with it.
fn tree(text: &str) -> String {
    match parse(text) {
        Ok(segments) => segments
            .iter()
            .map(|segment| match segment {
                Segment::Text(range) => format!("{:?}", &text[range.clone()]),
                Segment::Action(action) => {
                    let keyword = action.keyword.unwrap_or_default();
                    let pipeline = action.pipeline.as_ref().map(|p| shown(text, p));
                    format!("{{{keyword} {}}}", pipeline.unwrap_or_default())
                }
            })
            .collect::<Vec<_>>()
            .join(" "),
        Err(problem) => format!("{:?}: {}", &text[problem.range], problem.message),
    }
}

fn shown(text: &str, pipeline: &Pipeline) -> String {
    let commands = pipeline.commands.iter().map(|command| {
        let terms = command.terms.iter().map(|term| match &term.kind {
            TermKind::Paren(inner) => format!("({})", shown(text, inner)),
            TermKind::Text(text) => format!("{text:?}"),
            TermKind::Function => format!("f:{}", &text[term.range.clone()]),
            _ => text[term.range.clone()].to_owned(),
        });
        terms.collect::<Vec<_>>().join(" ")
    });
    let declared = if pipeline.declares { "$ := " } else { "" };
    format!("{declared}{}", commands.collect::<Vec<_>>().join(" | "))
}

#[test]
fn actions_become_trees() {
    let cases = [
        ("plain }} text", r#""plain }} text""#),
        ("a{{user `x`}}b", r#""a" { f:user "x"} "b""#),
        ("{{ user \"a\\tb\\u00e9\\\"\" }}", r#"{ f:user "a\tbé\""}"#),
        (
            "{{isotime | clean_resource_name}}",
            "{ f:isotime | f:clean_resource_name}",
        ),
        (
            "{{upper (user `x` | lower)}}",
            r#"{ f:upper (f:user "x" | f:lower)}"#,
        ),
        ("a {{- .Path -}} b", r#""a" { .Path} "b""#),
        ("a {{-3}} b", r#""a " { -3} " b""#),
        ("{{/* nothing */}}x{{- /* y */ -}} z", r#""x" "z""#),
        (
            "{{if eq .A `b`}}y{{else if .C}}z{{else}}n{{end}}",
            r#"{if f:eq .A "b"} "y" {else .C} "z" {else } "n" {end }"#,
        ),
        (
            "{{range $i, $e := .L}}{{$e.X}}{{end}}",
            "{range $ := .L} { $e.X} {end }",
        ),
        ("{{(index .M `k`).V}}", "{ (index .M `k`).V}"),
        ("{{ `}}` }}", r#"{ "}}"}"#),
        ("{{\n user\n `x`\n}}", r#"{ f:user "x"}"#),
        ("{{template `t` .}}", "{template .}"),
        (
            "{{ $x := 0x1F }}{{ $x }} {{ $ }} {{ 1_000 }} {{ +.5e3 }}",
            r#"{ $ := 0x1F} { $x} " " { $} " " { 1_000} " " { +.5e3}"#,
        ),
        ("{{split `a-b` `-` 1}}", r#"{ f:split "a-b" "-" 1}"#),
        (
            "{{true}} {{nil}} {{'a'}}",
            r#"{ true} " " { nil} " " { 'a'}"#,
        ),
    ];
    for (text, answer) in cases {
        assert_eq!(tree(text), answer, "{text}");
    }
}

#[test]
fn mistakes_have_a_place() {
    let cases = [
        (
            "a {{ user",
            r#""{{": these braces open a template action that is never closed"#,
        ),
        ("{{ }}", r#""{{ }}": there is nothing between these braces"#),
        ("{{ user `x }}", r#""`": this text is never closed"#),
        ("{{ user \"x }}", r#""\"": this text is never closed"#),
        (
            "{{ user \"\\q\" }}",
            r#""\\": a text in a template has no such escape"#,
        ),
        (
            "{{ a | }}",
            r#""{{ a | }}": a function or a value is missing here"#,
        ),
        ("{{ (a }}", r#""(": this parenthesis is never closed"#),
        ("{{ a ) }}", r#"")": `)` has no place here"#),
        (
            "{{ if }}x{{end}}",
            r#""{{ if }}": this `if` has no condition"#,
        ),
        (
            "{{ if .A }}x",
            r#""{{ if .A }}": this `if` is never closed"#,
        ),
        ("{{ end }}", r#""{{ end }}": this `end` closes nothing"#),
        (
            "{{ else }}",
            r#""{{ else }}": this `else` belongs to nothing"#,
        ),
        (
            "{{ user % }}",
            r#""%": `%` has no meaning in a template action"#,
        ),
        ("{{/* x", r#""/*": this comment is never closed"#),
        ("{{ user end }}", r#""end": `end` has no place here"#),
        ("{{ - }}", r#""-": `-` is no number"#),
        ("{{ 1a }}", r#""1a": `1a` is no number"#),
        ("{{ .A. }}", r#"".A.": `.A.` has a dot without a name"#),
        ("{{ .. }}", r#""..": `..` has a dot without a name"#),
        ("{{ user`x` }}", r#""`": a text begins right behind a name"#),
        ("{{ nil.X }}", r#"".X": `.X` has no place here"#),
        (
            "{{ $x }}{{ $x := 1 }}",
            r#""$x": there is no variable `$x` in this template"#,
        ),
    ];
    for (text, answer) in cases {
        assert_eq!(tree(text), answer, "{text}");
    }
}

#[test]
fn garbage_neither_panics_nor_hangs() {
    let pieces = [
        "{{", "}}", "-", " ", "`", "\"", "'", "(", ")", "|", ".", "$x", ":=", "if", "end", "else",
        "é", "1", "user", "\n", "/*", "*/", "\\", ",", "=",
    ];
    let mut seed = 7u64;
    for _ in 0..20_000 {
        let mut text = String::from("{{");
        for _ in 0..10 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        if let Err(problem) = parse(&text) {
            assert!(text.get(problem.range).is_some(), "{text}");
        }
    }
    let deep = format!("{{{{ {}x{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(parse(&deep).is_err());
}
