//! The gallery: how problems look. Hand-made ones, so that a change of wording elsewhere changes nothing here.
#![allow(clippy::unwrap_used)]

use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::source::SourceMap;

use super::*;

const PLAIN: Look = Look {
    colour: false,
    unicode: false,
    width: None,
};

const DRAWN: Look = Look {
    colour: false,
    unicode: true,
    width: Some(72),
};

/// The place of the `nth` `needle` in a file.
fn find(sources: &SourceMap, file: FileId, needle: &str, nth: usize) -> Span {
    let text = &sources.file(file).text;
    let (start, _) = text.match_indices(needle).nth(nth).unwrap();
    Span::new(file, start as u32, (start + needle.len()) as u32)
}

fn compilation(sources: SourceMap, diagnostics: Vec<Diagnostic>) -> Compilation {
    Compilation {
        sources,
        diagnostics,
        ..Compilation::default()
    }
}

fn example() -> Compilation {
    let mut sources = SourceMap::default();
    let main = sources.add(
        "main.pkr.hcl",
        "variable \"name\" {\n  type = string\n}\n\nlocals {\n  greeting = \"hällo ${var.nme}\"\n}\n",
    );
    let other = sources.add("other.pkr.hcl", "variable \"name\" {\n}\n");
    let unknown = Diagnostic::error(
        "check/unknown-variable",
        find(&sources, main, "nme", 0),
        "there is no variable `nme`",
    )
    .here("not declared")
    .label(
        find(&sources, main, "\"name\"", 0),
        "this one has a similar name",
    )
    .help("write `var.name`");
    let repeated = Diagnostic::warning(
        "check/repeated-variable",
        find(&sources, other, "variable \"name\"", 0),
        "the variable `name` is declared twice",
    )
    .label(
        find(&sources, main, "variable \"name\"", 0),
        "first declared here",
    );
    compilation(sources, vec![unknown, repeated])
}

#[test]
fn plain() {
    insta::assert_snapshot!(render(&example(), PLAIN), @r#"
    error[check/unknown-variable]: there is no variable `nme`
       ,-[main.pkr.hcl:6:27]
     5 | locals {
     6 |   greeting = "hällo ${var.nme}"
       :                           ^|^
       :                            `-- not declared
     7 | }
       `----
      help: write `var.name`
    note: this one has a similar name
       ,-[main.pkr.hcl:1:10]
     1 | variable "name" {
       :          ^^^^^^
     2 |   type = string
       `----

    warning[check/repeated-variable]: the variable `name` is declared twice
       ,-[other.pkr.hcl:1:1]
     1 | variable "name" {
       : ^^^^^^^^^^^^^^^
     2 | }
       `----
    note: first declared here
       ,-[main.pkr.hcl:1:1]
     1 | variable "name" {
       : ^^^^^^^^^^^^^^^
     2 |   type = string
       `----

    1 error, 1 warning
    "#);
}

#[test]
fn drawn() {
    insta::assert_snapshot!(render(&example(), DRAWN), @r#"
    error[check/unknown-variable]: there is no variable `nme`
       ╭─[main.pkr.hcl:6:27]
     5 │ locals {
     6 │   greeting = "hällo ${var.nme}"
       ·                           ─┬─
       ·                            ╰── not declared
     7 │ }
       ╰────
      help: write `var.name`
    note: this one has a similar name
       ╭─[main.pkr.hcl:1:10]
     1 │ variable "name" {
       ·          ──────
     2 │   type = string
       ╰────

    warning[check/repeated-variable]: the variable `name` is declared
      │ twice
       ╭─[other.pkr.hcl:1:1]
     1 │ variable "name" {
       · ───────────────
     2 │ }
       ╰────
    note: first declared here
       ╭─[main.pkr.hcl:1:1]
     1 │ variable "name" {
       · ───────────────
     2 │   type = string
       ╰────

    1 error, 1 warning
    "#);
}

#[test]
fn coloured_text_is_the_plain_text_with_escapes() {
    let colour = Look {
        colour: true,
        ..PLAIN
    };
    let text = render(&example(), colour);
    assert!(text.contains("\x1b["));
    let mut stripped = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\x1b[") {
        stripped.push_str(&rest[..at]);
        rest = &rest[at + rest[at..].find('m').unwrap() + 1..];
    }
    stripped.push_str(rest);
    assert_eq!(stripped, render(&example(), PLAIN));
}

#[test]
fn a_place_at_the_end_of_the_text_and_an_empty_file() {
    let mut sources = SourceMap::default();
    let main = sources.add("a.pkr.hcl", "build {\n");
    let empty = sources.add("b.pkr.hcl", "");
    let open = Diagnostic::error(
        "syntax/unclosed",
        Span::new(main, 8, 8),
        "the block is not closed",
    );
    let nothing = Diagnostic::error(
        "syntax/nothing",
        Span::new(empty, 0, 0),
        "there is nothing here",
    );
    insta::assert_snapshot!(render(&compilation(sources, vec![open, nothing]), PLAIN), @"
    error[syntax/unclosed]: the block is not closed
       ,-[a.pkr.hcl:2:1]
     1 | build {
       `----

    error[syntax/nothing]: there is nothing here
       ,-[b.pkr.hcl:1:1]
       `----

    2 errors
    ");
}

#[test]
fn a_line_of_a_megabyte_is_shown_in_part() {
    let mut sources = SourceMap::default();
    let text = format!(
        "x = \"{}oops{}\"\n",
        "a".repeat(500_000),
        "b".repeat(500_000)
    );
    let file = sources.add("long.pkr.hcl", text);
    let span = find(&sources, file, "oops", 0);
    let problem = Diagnostic::error("check/bad", span, "this is wrong").here("here");
    let text = render(&compilation(sources, vec![problem]), PLAIN);
    assert!(text.len() < 2000, "{} bytes", text.len());
    assert!(text.contains("long.pkr.hcl:1:500006"), "{text}");
    assert!(text.contains("aaoopsbb"), "{text}");
}

#[test]
fn escapes_in_a_template_are_not_passed_on() {
    let mut sources = SourceMap::default();
    let file = sources.add("evil.pkr.hcl", "x = \"\x1b[2J\u{9b}oops\"\n");
    let span = find(&sources, file, "oops", 0);
    let problem = Diagnostic::error("check/bad", span, "no \x1b[31m here").help("\x07ring");
    let text = render(&compilation(sources, vec![problem]), PLAIN);
    assert!(
        !text.chars().any(|c| c.is_control() && c != '\n'),
        "{text:?}"
    );
    assert!(text.contains("evil.pkr.hcl:1:11"), "{text}");
}

#[test]
fn thousands_of_problems_in_a_large_file_are_cut_off_and_quick() {
    let mut sources = SourceMap::default();
    let line = "name = \"some value or other, and more of it\"\n";
    let file = sources.add("large.pkr.hcl", line.repeat(6_000_000 / line.len()));
    let diagnostics = (0..20_000u32)
        .map(|at| {
            let start = at * line.len() as u32;
            Diagnostic::error(
                "check/bad",
                Span::new(file, start, start + 4),
                "this is wrong",
            )
        })
        .collect();
    let all = compilation(sources, diagnostics);
    let begin = std::time::Instant::now();
    let text = render(&all, PLAIN);
    assert!(begin.elapsed().as_secs() < 2, "{:?}", begin.elapsed());
    assert!(text.contains("... and 19900 more; `--json` lists all of them"));
    assert!(text.ends_with("20000 errors\n"));
    let json = json::report(&all);
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), 20_000);
}

#[test]
fn an_error_behind_many_warnings_is_shown() {
    let mut sources = SourceMap::default();
    let file = sources.add("a.pkr.hcl", "x\n".repeat(300));
    let mut diagnostics: Vec<Diagnostic> = (0..200)
        .map(|at| Diagnostic::warning("check/odd", Span::new(file, at * 2, at * 2 + 1), "odd"))
        .collect();
    diagnostics.push(Diagnostic::error(
        "check/bad",
        Span::new(file, 500, 501),
        "bad",
    ));
    let text = render(&compilation(sources, diagnostics), PLAIN);
    assert!(text.starts_with("error[check/bad]: bad"), "{text}");
    assert!(text.ends_with("1 error, 200 warnings\n"), "{text}");
}

#[test]
fn for_programs() {
    let compilation = example();
    let text = serde_json::to_string_pretty(&json::report(&compilation)["diagnostics"][0]).unwrap();
    insta::assert_snapshot!(text, @r#"
    {
      "id": "check/unknown-variable",
      "severity": "error",
      "message": "there is no variable `nme`",
      "range": {
        "path": "main.pkr.hcl",
        "start": {
          "line": 6,
          "column": 27,
          "byte": 73
        },
        "end": {
          "line": 6,
          "column": 30,
          "byte": 76
        }
      },
      "label": "not declared",
      "labels": [
        {
          "range": {
            "path": "main.pkr.hcl",
            "start": {
              "line": 1,
              "column": 10,
              "byte": 9
            },
            "end": {
              "line": 1,
              "column": 16,
              "byte": 15
            }
          },
          "text": "this one has a similar name"
        }
      ],
      "help": "write `var.name`",
      "fixes": []
    }
    "#);
}
