//! Expressions as text in, answers as text out, in a world that stands still.

use std::path::Path;

use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::eval::{Context, Root, Scope, evaluate};
use imgc_compiler::lower::hcl;
use imgc_compiler::source::{FixedWorld, Memory};
use imgc_compiler::types::Type;
use imgc_compiler::value::Value;
use imgc_syntax::FileId;
use smol_str::SmolStr;

/// What rows may name besides functions.
pub(crate) const NAMES: [&str; 12] = [
    "unknown",
    "unknown_string",
    "unknown_number",
    "unknown_bool",
    "unknown_list",
    "unknown_map",
    "half",
    "half_map",
    "secret",
    "secret_number",
    "secret_list",
    "keyring",
];

/// The names of [`NAMES`], and one more that a test brings.
pub(crate) struct Names<'a>(pub(crate) &'a [(&'a str, Value)]);

impl Scope for Names<'_> {
    fn root(&self, name: &str) -> Option<Root<'_>> {
        if let Some((_, value)) = self.0.iter().find(|(given, _)| *given == name) {
            return Some(Root::Value(value.clone()));
        }
        let secret = |value: Value| value.mark(true);
        Some(Root::Value(match name {
            "unknown" => Value::unknown(Type::Any),
            "unknown_string" => Value::unknown(Type::String),
            "unknown_number" => Value::unknown(Type::Number),
            "unknown_bool" => Value::unknown(Type::Bool),
            "unknown_list" => Value::unknown(Type::list(Type::String)),
            "unknown_map" => Value::unknown(Type::map(Type::Number)),
            "half" => Value::tuple([Value::from("a"), Value::unknown(Type::String)]),
            "half_map" => Value::object([
                ("known", Value::from("a")),
                ("later", Value::unknown(Type::String)),
            ]),
            "secret" => secret(Value::from("hunter2")),
            "secret_number" => secret(Value::number(42_i64)),
            "secret_list" => secret(Value::strings(["hunter2", "b"])),
            "keyring" => Value::object([
                ("user", Value::from("root")),
                ("password", secret(Value::from("hunter2"))),
            ]),
            _ => return None,
        }))
    }

    fn root_names(&self) -> Vec<SmolStr> {
        NAMES.map(SmolStr::new).to_vec()
    }
}

/// 2026-01-02T03:04:05Z, with a few files and what two services keep.
pub(crate) fn world() -> FixedWorld {
    let mut world = FixedWorld::default();
    world.now = 1_767_323_045;
    world.env.insert("HOME".to_owned(), "/home/user".to_owned());
    let files: [(&str, &[u8]); 13] = [
        ("motd.txt", b"Welcome\n"),
        ("motd.tpl", b"Welcome to ${name}"),
        ("loop.tpl", b"%{ for x in list ~}\n<${x}>\n%{ endfor ~}\n"),
        ("bare.tpl", b"${list}"),
        ("broken.tpl", b"Hello ${nobody}"),
        ("bytes.bin", b"\xff\xfe"),
        ("windows.txt", b"a\r\nb\r\n"),
        ("scripts/a.sh", b"a"),
        ("scripts/b.sh", b"b"),
        ("scripts/deep/c.sh", b"c"),
        ("scripts/deep/.hidden.sh", b"h"),
        ("key.pem", include_bytes!("keys/pkcs1.pem")),
        ("password.enc", include_bytes!("keys/password.enc")),
    ];
    world.files = Memory::new(files);
    world
}

/// What an expression gives.
pub(crate) enum Outcome {
    /// A value.
    Value(Value),
    /// Problems, each with its place in the text.
    Problems(Vec<(Diagnostic, String)>),
}

/// Evaluates `text` where the names of `extra` are known besides [`NAMES`].
pub(crate) fn evaluate_text(text: &str, extra: &[(&str, Value)]) -> Outcome {
    let world = world();
    let mut cx = Context::new(&world, Path::new("."));
    cx.env_allowed = true;
    let expr = hcl::expression(FileId(0), 0, text, &mut cx.diagnostics);
    let value = evaluate(&expr, &Names(extra), &mut cx);
    if cx.diagnostics.iter().any(Diagnostic::is_error) {
        let problems = cx.diagnostics.into_iter().map(|problem| {
            let place = text[problem.span.start as usize..problem.span.end as usize].to_owned();
            (problem, place)
        });
        return Outcome::Problems(problems.collect());
    }
    Outcome::Value(value)
}

/// One line: the value, with its type where it is not known, or the first problem.
pub(crate) fn answer(text: &str, extra: &[(&str, Value)]) -> String {
    match evaluate_text(text, extra) {
        Outcome::Value(value) if value.is_wholly_known() => value.display(),
        Outcome::Value(value) => format!("{}: {}", value.display(), value.ty()),
        Outcome::Problems(problems) => {
            let (problem, place) = &problems[0];
            format!("{} at `{place}`: {}", problem.id, problem.message)
        }
    }
}
