//! What HCL's specification says, fact by fact: the cases follow its own test suite and its text, in words of ours.
//!
//! A case is a body of HCL and what it comes to: one line for each attribute, `path = value`, blocks by type and labels;
//! or one line for each mistake, where it is and its id.

#![allow(clippy::unwrap_used)]

mod expressions;
mod structure;
mod templates;

use std::fmt::Write as _;
use std::path::Path;

use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::eval::{Context, Root, Scope, evaluate};
use imgc_compiler::hir::Body;
use imgc_compiler::lower::hcl;
use imgc_compiler::source::{FixedWorld, SourceMap};
use imgc_compiler::types::Type;
use imgc_compiler::value::Value;
use smol_str::SmolStr;

/// A few names of each kind.
struct Names;

impl Scope for Names {
    fn root(&self, name: &str) -> Option<Root<'_>> {
        let person = |name: &str| Value::object([("name", Value::from(name))]);
        Some(Root::Value(match name {
            "word" => Value::from("word"),
            "blanks" => Value::from("   "),
            "words" => Value::strings(["one", "two"]),
            "people" => Value::tuple([person("Ada"), person("Kurt")]),
            "person" => person("Ada"),
            "sizes" => Value::map(
                Type::Number,
                [
                    ("big", Value::number(9_i64)),
                    ("small", Value::number(1_i64)),
                ],
            ),
            "letters" => Value::set(Type::String, ["b", "a"].map(Value::from)),
            "nothing" => Value::null(Type::Any),
            "no_text" => Value::null(Type::String),
            "no_list" => Value::null(Type::list(Type::String)),
            "later" => Value::unknown(Type::Any),
            "later_text" => Value::unknown(Type::String),
            "later_list" => Value::unknown(Type::list(Type::String)),
            _ => return None,
        }))
    }

    fn root_names(&self) -> Vec<SmolStr> {
        Vec::new()
    }
}

/// What a body comes to.
fn run(text: &str) -> String {
    let mut sources = SourceMap::default();
    let file = sources.add("spec.hcl", text);
    let world = FixedWorld::default();
    let mut cx = Context::new(&world, Path::new(""));
    let body = hcl::file(file, text, &mut cx.diagnostics);
    let mut out = String::new();
    write_body(&body, "", &mut cx, &mut out);
    if cx.diagnostics.iter().any(Diagnostic::is_error) {
        cx.diagnostics.sort_by_key(|problem| problem.span.start);
        return cx
            .diagnostics
            .iter()
            .map(|problem| {
                let (line, column) = sources.file(file).position(problem.span.start);
                format!("{line}:{column} {}\n", problem.id)
            })
            .collect();
    }
    out
}

fn write_body(body: &Body, path: &str, cx: &mut Context<'_>, out: &mut String) {
    for attribute in &body.attributes {
        let value = evaluate(&attribute.value, &Names, cx);
        let shown = match value.is_wholly_known() {
            true => value.display(),
            false => format!("{}: {}", value.display(), value.ty()),
        };
        writeln!(out, "{path}{} = {shown}", attribute.name.text).unwrap();
    }
    for block in &body.blocks {
        let labels = block.labels.iter().map(|label| format!("[{}]", label.text));
        let path = format!(
            "{path}{}{}",
            block.kind.text,
            labels.collect::<Vec<_>>().concat()
        );
        writeln!(out, "{path}").unwrap();
        write_body(&block.body, &format!("{path}."), cx, out);
    }
}

/// Every case whose answer is another one.
fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, wanted)| {
            let found = run(text);
            (found.trim_end() != *wanted)
                .then(|| format!("{text}\n  wanted\n{wanted}\n  found\n{found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Each expression as the attribute `x`.
fn check_expressions(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, wanted)| {
            let found = run(&format!("x = {text}\n"));
            let found = found.trim_end();
            let found = found.strip_prefix("x = ").unwrap_or(found);
            (found != *wanted).then(|| format!("{text}\n  wanted {wanted}\n  found  {found}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
