//! The page `docs/reference/functions.md`, made from the table. `IMGC_UPDATE_PAGES=1` writes it.

use std::fmt::Write as _;
use std::path::PathBuf;

use imgc_compiler::functions::{Function, Param, Purity, Shape, TABLE, signature};

const HEAD: &str = "\
# Functions

All functions that may be called in an expression. Generated from the table the compiler itself uses: `cargo xtask gen`.

Arguments are converted to the type they are asked for: numbers and bools to texts, texts that look like them back, lists,
sets and tuples into each other, maps and objects too. Null is refused, with the name of the argument, unless it is said
that it may be given. An argument that is known only at run time makes the result known only then, with the type given
here; a sensitive one makes it sensitive. A list as the last argument can be spread over several: `max([1, 2]...)`.
";

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test reads and writes its page"
)]
fn the_reference_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/functions.md");
    let text = page();
    if std::env::var_os("IMGC_UPDATE_PAGES").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/reference/functions.md is out of date: set IMGC_UPDATE_PAGES=1 and run this test"
    );
}

fn page() -> String {
    let mut out = String::from(HEAD);
    let links: Vec<String> = TABLE
        .iter()
        .map(|function| format!("[`{0}`](#{0})", function.name))
        .collect();
    out.push('\n');
    for line in links.chunks(6) {
        writeln!(out, "{}", line.join(" ")).unwrap();
    }
    for function in TABLE.iter() {
        write_function(function, &mut out);
    }
    out
}

fn write_function(function: &Function, out: &mut String) {
    writeln!(out, "\n## {}\n", function.name).unwrap();
    writeln!(
        out,
        "```text\n{}\n```\n\n{}",
        signature(function),
        function.doc
    )
    .unwrap();
    if let Some(reads) = reads(function) {
        writeln!(out, "{reads}").unwrap();
    }
    let mut rows: Vec<String> = function.params.iter().map(|param| row(param, "")).collect();
    if let Some(variadic) = &function.variadic {
        let count = match (variadic.min, variadic.max) {
            (0, Some(1)) => "may be left out".to_owned(),
            (0, None) => "any number of them".to_owned(),
            (1, None) => "one or more".to_owned(),
            (min, None) => format!("{min} or more"),
            (min, Some(max)) => format!("{min} to {max} of them"),
        };
        rows.push(row(&variadic.param, &count));
    }
    if !rows.is_empty() {
        writeln!(
            out,
            "\n| argument | takes |\n|---|---|\n{}",
            rows.join("\n")
        )
        .unwrap();
    }
    let (expression, result) = function.example;
    writeln!(out, "\n```hcl\n{expression} # {result}\n```").unwrap();
}

fn row(param: &Param, count: &str) -> String {
    let takes = match param.shape {
        Shape::Any => "anything".to_owned(),
        Shape::Type => "a type, as in a variable's `type`".to_owned(),
        Shape::Sequence => "any list, set or tuple".to_owned(),
        Shape::Mapping => "any map or object".to_owned(),
        shape => format!("`{}`", shape.ty()),
    };
    let null = if param.nullable { "null too" } else { "" };
    let notes = [takes.as_str(), count, null];
    let notes: Vec<&str> = notes.into_iter().filter(|note| !note.is_empty()).collect();
    format!("| `{}` | {} |", param.name, notes.join(", "))
}

/// What a function needs besides its arguments.
fn reads(function: &Function) -> Option<&'static str> {
    match function.purity {
        Purity::Pure => None,
        Purity::File if matches!(function.name, "abspath" | "pathexpand") => None,
        Purity::File => Some(
            "Reads files. A relative path starts at the template's directory; where nothing is there, at the working\n\
             directory.",
        ),
        Purity::Env => {
            Some("Reads the environment; may only be called in the default of a variable.")
        }
        Purity::Time => Some("Reads the clock, which stands still for the whole run."),
        Purity::Random => Some("Gives another value at each call."),
        Purity::Network => Some(
            "Asks a service, where the command is allowed to go online (`apply`, `build`, `-online`); otherwise the result is\n\
             known only at run time. The result is sensitive.",
        ),
    }
}
