//! Half-written templates: every case and example, cut short and with pieces missing, compiles to diagnostics without a
//! panic, and every diagnostic points into its text.
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "tests read their own cases")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::diagnostic::plain;
use imgc_compiler::source::{FixedWorld, Memory, World};

fn templates() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for place in ["tests/cases", "syntax/tests/corpus", "../examples"] {
        collect(&root.join(place), &mut found);
    }
    assert!(found.len() > 20, "the templates were not found");
    found
        .into_iter()
        .filter_map(|path| {
            Some((
                path.clone(),
                String::from_utf8(std::fs::read(path).ok()?).ok()?,
            ))
        })
        .collect()
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "hcl") {
            found.push(path);
        }
    }
}

fn check(text: &str) {
    check_as("main.pkr.hcl", text);
}

/// Compiles a text as the file `name`; whether it has errors.
fn check_as(name: &str, text: &str) -> bool {
    let sources = Memory::new([(name, text)]);
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    let request = Request {
        path: name.into(),
        ..Request::default()
    };
    let compilation = compile(&request, &sources, &world, &Everything);
    for diagnostic in &compilation.diagnostics {
        let file = compilation.sources.file(diagnostic.span.file);
        let range = diagnostic.span.start as usize..diagnostic.span.end as usize;
        assert!(
            file.text.get(range).is_some(),
            "{} points outside of the text",
            diagnostic.id
        );
    }
    plain::render(&compilation.sources, &compilation.diagnostics);
    assert!(compilation.unreadable.is_none());
    compilation.has_errors()
}

/// Places worth cutting at: ends of words and signs, at most about `limit` of them.
fn places(text: &str, limit: usize) -> Vec<usize> {
    let boundary = |(at, c): (usize, char)| (!c.is_alphanumeric()).then_some(at);
    let all: Vec<usize> = text.char_indices().filter_map(boundary).collect();
    let step = (all.len() / limit).max(1);
    all.into_iter().step_by(step).collect()
}

#[test]
fn templates_that_end_anywhere_compile_to_diagnostics() {
    for (_, text) in templates() {
        for at in places(&text, 60) {
            check(&text[..at]);
        }
    }
}

#[test]
fn templates_with_a_piece_missing_compile_to_diagnostics() {
    for (_, text) in templates() {
        let places = places(&text, 60);
        for pair in places.windows(2) {
            check(&format!("{}{}", &text[..pair[0]], &text[pair[1]..]));
        }
    }
}

#[test]
fn absurd_nesting_is_an_error_and_not_a_crash() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{a=", "}"),
        ("!", ""),
        ("-", ""),
        ("\"${", "}\""),
        ("f(", ")"),
        ("[for x in ", ": x]"),
    ] {
        let deep = format!(
            "locals {{\n  a = {}1{}\n}}\n",
            open.repeat(20_000),
            close.repeat(20_000)
        );
        check(&deep);
    }
    for chain in ["1 + ", "a.", "a ? 1 : ", "a || ", "1 == "] {
        check(&format!("locals {{\n  a = {}1\n}}\n", chain.repeat(20_000)));
    }
    check(&format!("locals {{\n  a = x{}\n}}\n", "[0]".repeat(20_000)));
    check(&"a {\n".repeat(20_000));
    // Found by fuzzing: a labelled block below the deepest level was looked at for ever.
    check(&format!(
        "{}p \"s\" {{\n  i = 1\n}}\n{}",
        "a {\n".repeat(160),
        "}\n".repeat(160)
    ));
}

/// Every way to write things that JSON has, with a template in most texts.
const JSON: &str = r#"{
  "//": "a\u00e9\n", // said
  "variable": {"a": {"type": "list(string)", "default": ["x", "${1 + 1}"], /* why */ "sensitive": false}},
  "locals": {"b": "%{ if true }é%{ endif }", "${upper("k")}": {"n": [-1.5e2, null, {}]}},
  "source": {"null": {"c": {"communicator": "none"}}},
  "build": [{"sources": ["null.c"], "provisioner": [{"shell-local": {"inline": ["${var.a[0]}"]}}]},]
}
"#;

/// The same for TOML.
const TOML: &str = r#"# said
[variable.a] # why
type = "list(string)"
default = ["x", "${1 + 1}", # one
]
[locals]
"${upper("k")}" = { n.m = [-1.5e2, 0x1F, 1979-05-27], "é" = {} }
b = """%{ if true }\
  é\u00e9%{ endif }"""
c.d = '${"x"}'
[source.null.c]
communicator = "none"
[[build]]
sources = ["null.c"]
[[build.provisioner]]
type = "shell-local"
inline = ['''${var.a[0]}''']
"#;

fn offsets(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(at, _)| at)
}

#[test]
fn json_that_ends_anywhere_is_an_error() {
    let text = JSON.replace(r#"${upper("k")}"#, r#"${upper(\"k\")}"#);
    assert!(!check_as("main.pkr.json", &text), "the sample has errors");
    let end = text.trim_end().len();
    for at in offsets(&text).filter(|at| *at < end) {
        assert!(check_as("main.pkr.json", &text[..at]), "{}", &text[..at]);
    }
}

#[test]
fn toml_that_ends_anywhere_compiles_to_diagnostics() {
    let text = TOML.replace(r#""${upper("k")}""#, r#""${upper(\"k\")}""#);
    assert!(!check_as("main.imgc.toml", &text), "the sample has errors");
    for at in offsets(&text) {
        check_as("main.imgc.toml", &text[..at]);
    }
}

#[test]
fn json_and_toml_with_a_character_missing_or_wrong_compile_to_diagnostics() {
    for (name, text) in [("main.pkr.json", JSON), ("main.imgc.toml", TOML)] {
        for (at, character) in text.char_indices().step_by(3) {
            let (before, after) = (&text[..at], &text[at + character.len_utf8()..]);
            check_as(name, &format!("{before}{after}"));
            for wrong in ['"', '{', ']', '\\', '='] {
                check_as(name, &format!("{before}{wrong}{after}"));
            }
        }
    }
}
