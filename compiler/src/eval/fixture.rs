//! Expressions as text in, results as text out: what the tests of evaluation are written in.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use imgc_syntax::{FileId, Span};
use smol_str::SmolStr;

use super::{Context, Namespace, Root, Scope, evaluate};
use crate::diagnostic::Diagnostic;
use crate::source::{FixedWorld, Memory};
use crate::types::Type;
use crate::value::Value;

/// The names of the tests: one of each kind of value, and a namespace `var`.
pub(crate) struct Names;

impl Scope for Names {
    fn root(&self, name: &str) -> Option<Root<'_>> {
        let secret = || Value::string("hunter2").mark(true);
        Some(Root::Value(match name {
            "var" => return Some(Root::Namespace(&Var)),
            "number" => Value::number(5_i64),
            "text" => Value::string("hello"),
            "list" => Value::strings(["a", "b"]),
            "set" => Value::set(Type::String, ["b", "a"].map(Value::from)),
            "map" => Value::map(Type::String, [("a", Value::from("x")), ("b", "y".into())]),
            "object" => Value::object([("name", Value::from("web")), ("size", 3_i64.into())]),
            "objects" => {
                Value::tuple([1_i64, 2].map(|id| Value::object([("id", Value::number(id))])))
            }
            "unknown" => Value::unknown(Type::Any),
            "unknown_string" => Value::unknown(Type::String),
            "unknown_number" => Value::unknown(Type::Number),
            "unknown_bool" => Value::unknown(Type::Bool),
            "unknown_list" => Value::unknown(Type::list(Type::String)),
            "unknown_map" => Value::unknown(Type::map(Type::Number)),
            "unknown_object" => Value::unknown(Type::object([("name", Type::String)])),
            "half" => Value::tuple([Value::from("a"), Value::unknown(Type::String)]),
            "secret" => secret(),
            "secret_number" => Value::number(42_i64).mark(true),
            "secret_list" => Value::strings(["a", "b"]).mark(true),
            "secret_unknown" => Value::unknown(Type::String).mark(true),
            "keyring" => Value::object([("user", Value::from("root")), ("password", secret())]),
            "failed" => Value::error(),
            _ => return None,
        }))
    }

    fn root_names(&self) -> Vec<SmolStr> {
        ["number", "text", "list", "map", "object", "secret", "var"]
            .map(SmolStr::new)
            .to_vec()
    }
}

struct Var;

impl Namespace for Var {
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>> {
        match member {
            "name" => Ok(Value::string("web")),
            _ => {
                let message = format!("there is no variable `{member}`");
                Err(Box::new(Diagnostic::error(
                    "check/unknown-variable",
                    span,
                    message,
                )))
            }
        }
    }

    fn all(&self) -> Value {
        Value::object([("name", Value::string("web"))])
    }
}

/// A world at 1970-01-01 with a few files.
pub(crate) fn world() -> FixedWorld {
    let mut world = FixedWorld::default();
    world.env.insert("HOME".to_owned(), "/home/user".to_owned());
    let files: [(&str, &[u8]); 17] = [
        ("motd.txt", b"Welcome\n"),
        ("motd.tpl", b"Welcome to ${name}"),
        ("loop.tpl", b"%{ for x in list }<${x}>%{ endfor }"),
        ("broken.tpl", b"Hello ${nobody}"),
        ("self.tpl", b"${templatefile(\"self.tpl\", {})}"),
        ("bytes.bin", b"\xff\xfe"),
        ("scripts/a.sh", b"a"),
        ("scripts/b.sh", b"b"),
        ("scripts/deep/c.sh", b"c"),
        (
            "password.enc",
            include_bytes!("../../tests/functions/keys/password.enc"),
        ),
        (
            "key.pem",
            include_bytes!("../../tests/functions/keys/pkcs1.pem"),
        ),
        (
            "key8.pem",
            include_bytes!("../../tests/functions/keys/pkcs8.pem"),
        ),
        (
            "openssh.pem",
            include_bytes!("../../tests/functions/keys/openssh.pem"),
        ),
        (
            "locked.pem",
            include_bytes!("../../tests/functions/keys/pkcs1-with-password.pem"),
        ),
        (
            "locked8.pem",
            include_bytes!("../../tests/functions/keys/pkcs8-with-password.pem"),
        ),
        (
            "other.pem",
            include_bytes!("../../tests/functions/keys/other.pem"),
        ),
        (
            "ec.pem",
            include_bytes!("../../tests/functions/keys/ec.pem"),
        ),
    ];
    world.files = Memory::new(files);
    world
}

/// The value of an expression as [`Value::display`] shows it, with its type where it is not known; or its problems, each
/// with the place it is shown at.
pub(crate) fn eval(text: &str) -> String {
    run(text, &world(), false)
}

/// The same in another world.
pub(crate) fn eval_in(world: &FixedWorld, text: &str) -> String {
    run(text, world, false)
}

/// The same where `env()` may be called.
pub(crate) fn eval_default(text: &str) -> String {
    run(text, &world(), true)
}

/// The secrets that the calls in an expression give, where services answer; sorted.
pub(crate) fn secrets(text: &str) -> Vec<String> {
    let mut world = world();
    for (call, answer) in [
        ("vault(\"secret/data/web\", \"password\")", "battery-staple"),
        ("consul_key(\"web/token\")", "t0ken"),
        ("aws_secretsmanager(\"web\", \"key\")", "a-value"),
        ("aws_secretsmanager_raw(\"web\")", "{\"key\": \"a-value\"}"),
    ] {
        world.services.insert(call.to_owned(), answer.to_owned());
    }
    let mut cx = Context::new(&world, Path::new("."));
    let expr = crate::lower::hcl::expression(FileId(0), 0, text, &mut cx.diagnostics);
    let value = evaluate(&expr, &Names, &mut cx);
    assert!(cx.diagnostics.is_empty(), "{text}: {:?}", cx.diagnostics);
    assert!(value.is_wholly_known(), "{text}");
    let kept = cx.secrets.into_values().into_iter();
    kept.map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

fn run(text: &str, world: &FixedWorld, env_allowed: bool) -> String {
    let mut cx = Context::new(world, Path::new("."));
    cx.env_allowed = env_allowed;
    let expr = crate::lower::hcl::expression(FileId(0), 0, text, &mut cx.diagnostics);
    let value = evaluate(&expr, &Names, &mut cx);
    if cx.diagnostics.is_empty() {
        return match value.is_known() {
            true => value.display(),
            false if value.is_error() => "failed silently".to_owned(),
            false => format!("{}: {}", value.display(), value.ty()),
        };
    }
    let problems = cx.diagnostics.iter().map(|problem| {
        let place = &text[problem.span.start as usize..problem.span.end as usize];
        let help = problem
            .help
            .as_ref()
            .map_or_else(String::new, |help| format!("\n  {help}"));
        let level = if problem.is_error() { "" } else { "warning: " };
        format!(
            "{level}{} at `{place}`: {}{help}",
            problem.id, problem.message
        )
    });
    problems.collect::<Vec<_>>().join("\n")
}

/// The problems of `actual` against `wanted`, all at once.
pub(crate) fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(text, wanted)| {
            let found = eval(text);
            let first_line = found.lines().next().unwrap_or_default();
            (first_line != *wanted)
                .then(|| format!("{text}\n  wanted {wanted}\n  found  {first_line}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_wrong_answer_is_noticed() {
    let wrong = std::panic::catch_unwind(|| check(&[("1 + 1", "3")]));
    assert!(wrong.is_err());
}
