//! Expressions to values.
//!
//! One evaluator does both jobs: with unknown values in scope it types an expression, with known ones it computes it.
//! Problems go to [`Context::report`] and the expression becomes [`Value::error`], which everything accepts silently:
//! one mistake, one message.

mod access;
mod call;
mod each;
mod operators;
mod references;
mod scope;
mod secrets;
mod template;
mod template_file;
pub(crate) mod trace;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::path::Path;

use imgc_syntax::Span;
use smol_str::SmolStr;

pub(crate) use operators::equal;
pub use references::{Reference, body_references, references};
pub use scope::{Child, Empty};
pub use secrets::Secrets;

use crate::convert::{ConvertError, Step, convert, kinds, unify};
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::hir::{Expr, ExprKind};
use crate::source::{SourceMap, World};
use crate::types::Type;
use crate::value::{Data, Value};

/// The problems this module reports.
pub const IDS: &[Entry] = &[
    Entry::error(
        "eval/unknown-name",
        "an expression uses a name that is not there",
    ),
    Entry::error(
        "eval/unknown-attribute",
        "a value does not have that attribute or element",
    ),
    Entry::error(
        "eval/no-attributes",
        "a value of this kind has no attributes or elements",
    ),
    Entry::error(
        "eval/bad-index",
        "an index is not of the right kind or out of range",
    ),
    Entry::error("eval/null", "a null stands where a value is needed"),
    Entry::error(
        "eval/wrong-type",
        "a value is not of the type that is needed here",
    ),
    Entry::error("eval/operand", "an operator cannot work on such a value"),
    Entry::error("eval/number", "a calculation has no result"),
    Entry::error("eval/condition", "a condition is neither true nor false"),
    Entry::error(
        "eval/sides-differ",
        "the two sides of a conditional have no common type",
    ),
    Entry::error("eval/template", "a value cannot be put into text"),
    Entry::error(
        "eval/not-a-collection",
        "something that has no elements is walked",
    ),
    Entry::error("eval/bad-key", "a key is not a string"),
    Entry::error("eval/repeated-key", "a `for` gives the same key twice"),
    Entry::warning("eval/key-overwritten", "an object gives the same key twice"),
    Entry::error("eval/unknown-function", "there is no function of that name"),
    Entry::error(
        "eval/function-not-here",
        "the function cannot be used in this place",
    ),
    Entry::error(
        "eval/argument-count",
        "a function gets too few or too many arguments",
    ),
    Entry::error("eval/argument", "a function cannot work on an argument"),
    Entry::error("eval/call", "a function has no result"),
    Entry::error(
        "eval/not-constant",
        "a constant is needed and something else is written",
    ),
    Entry::error("eval/too-deep", "an expression is nested too deeply"),
    Entry::error("eval/too-large", "a value has too many parts"),
];

/// Deepest nesting of expressions evaluated. Chains of operators on one level do not count.
const MAX_DEPTH: u32 = 250;

/// Most parts of a value, those in its parts included: a value that holds another one twice, twenty times over, is quickly
/// written, and has a million.
const MOST_PARTS: usize = 250_000;

/// The names an expression may use.
pub trait Scope {
    /// What a bare name (the root of a traversal) means here.
    fn root(&self, name: &str) -> Option<Root<'_>>;
    /// All root names, for "did you mean".
    fn root_names(&self) -> Vec<SmolStr>;
    /// The message for a root name that is not here; the default says so and suggests the nearest.
    fn unknown_root(&self, name: &str, span: Span) -> Option<Diagnostic> {
        let _ = (name, span);
        None
    }
}

/// The meaning of a root name.
pub enum Root<'a> {
    /// A value.
    Value(Value),
    /// Something whose members are looked up one at a time (`var`, `local`, `build`): nothing large is built for it.
    Namespace(&'a dyn Namespace),
}

/// Members by name, looked up when used.
pub trait Namespace {
    /// The value of `root.member`; the error is shown at `span` (the member's place).
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>>;
    /// All members as an object, for the rare use of the bare name.
    fn all(&self) -> Value;
    /// Whether what follows a member decides what it means, as in `build.NAME.artifact`: then [`Namespace::walk`] is
    /// asked with everything that follows the root. Only `build` and `module` are asked this.
    fn is_deep(&self) -> bool {
        false
    }
    /// The value of `root` followed by the first of `path`: how many steps that were, at least one, and the value. The
    /// steps that are left are taken into that value.
    fn walk(&self, path: &[PathStep]) -> (usize, Result<Value, Box<Diagnostic>>) {
        let first = path
            .first()
            .and_then(|step| Some((step, step.key.as_str()?)));
        (
            1,
            match first {
                Some((step, member)) => self.member(member, step.span),
                None => Ok(Value::error()),
            },
        )
    }
}

/// One step into a namespace: `.name` or `[key]`.
#[derive(Clone, Debug)]
pub struct PathStep {
    /// The name as a string, or the value of the key: any value, unknown ones and errors too.
    pub key: Value,
    /// Where the name or the key stands.
    pub span: Span,
}

/// What evaluation needs besides names: the outside, and where problems go.
pub struct Context<'a> {
    /// Clock, environment, files.
    pub world: &'a dyn World,
    /// The template's directory: functions such as `file` resolve relative paths against the working directory, as
    /// Packer does; `path.root` is this.
    pub root: &'a Path,
    /// The texts that expressions stand in, where places inside of them are to be shown.
    pub texts: Option<&'a SourceMap>,
    /// Problems found so far.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether `env()` may be called: only in the default of a variable.
    pub env_allowed: bool,
    /// The names that expressions used since this was set, where somebody wants to know.
    pub uses: Option<Uses>,
    /// What options that are secrets by their nature were given: the names in their expressions, and their values.
    pub secret_uses: Vec<(Vec<Reference>, Value)>,
    /// The secrets that calls have given so far.
    pub secrets: Secrets,
    /// Whether only constants are allowed: no names, no calls.
    constant: bool,
    /// Whether the text of a `templatefile` is evaluated.
    in_template_file: bool,
    depth: u32,
}

impl<'a> Context<'a> {
    /// A context without problems, outside of a variable's default.
    pub fn new(world: &'a dyn World, root: &'a Path) -> Self {
        Self {
            world,
            root,
            texts: None,
            diagnostics: Vec::new(),
            env_allowed: false,
            uses: None,
            secret_uses: Vec::new(),
            secrets: Secrets::default(),
            constant: false,
            in_template_file: false,
            depth: 0,
        }
    }

    /// Adds a problem.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Adds a problem; the expression has no value.
    fn fail(&mut self, diagnostic: Diagnostic) -> Value {
        self.report(diagnostic);
        Value::error()
    }

    /// Whether an error was reported since `mark` problems were known.
    fn failed_since(&self, mark: usize) -> bool {
        self.diagnostics[mark..].iter().any(Diagnostic::is_error)
    }
}

/// Names of locals and data sources that were used.
pub type Uses = Vec<Reference>;

/// The value of an expression; [`Value::error`] where it has none, with the reason reported to `cx`.
pub fn evaluate(expr: &Expr, scope: &dyn Scope, cx: &mut Context<'_>) -> Value {
    if let Some(uses) = &mut cx.uses {
        let outer = |used: &Reference| matches!(used.root.as_str(), "local" | "data");
        uses.extend(references(expr).into_iter().filter(outer));
    }
    Evaluator { scope, item: None }.expr(expr, cx)
}

/// The value of an expression as one of the type `ty`; `what` names what it is for, such as an option.
///
/// A value that cannot be converted is reported at the part of the expression that is wrong.
pub fn evaluate_as(
    expr: &Expr,
    ty: &Type,
    scope: &dyn Scope,
    cx: &mut Context<'_>,
    what: &str,
) -> Value {
    let value = evaluate(expr, scope, cx);
    match convert(&value, ty) {
        Ok(value) => value,
        Err(error) => {
            let diagnostic = wrong_type(expr, &error, what);
            cx.fail(diagnostic)
        }
    }
}

/// The problem that an expression's value is not of the type `what` needs.
pub fn wrong_type(expr: &Expr, error: &ConvertError, what: &str) -> Diagnostic {
    let (part, rest) = locate(expr, &error.steps);
    let path: String = error.steps.iter().map(Step::to_string).collect();
    let message = match error.message_for(&format!("for `{what}{path}`")) {
        message if message == error.message => format!("`{what}{path}`: {message}"),
        message => message,
    };
    let mut diagnostic = Diagnostic::error("eval/wrong-type", part.span, message);
    if error.message.starts_with("expected a list of") && is_text(part) {
        diagnostic = diagnostic.help("a list stands in brackets: `[…]`");
    }
    let rest: String = rest.iter().map(Step::to_string).collect();
    if rest.is_empty() {
        diagnostic
    } else {
        diagnostic.here(format!(
            "the value's part `{}`",
            rest.trim_start_matches('.')
        ))
    }
}

/// Whether an expression is a string as it is written.
fn is_text(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(_) | ExprKind::Template(_))
}

/// The part of a literal collection that a path leads to, and the steps that lead further.
fn locate<'e, 's>(expr: &'e Expr, steps: &'s [Step]) -> (&'e Expr, &'s [Step]) {
    let Some((step, rest)) = steps.split_first() else {
        return (expr, steps);
    };
    let part = match (&expr.kind, step) {
        (ExprKind::Paren(inner), _) => return locate(inner, steps),
        (ExprKind::Tuple(elements), Step::Index(at)) => elements.get(*at),
        (ExprKind::Object(entries), Step::Attribute(name) | Step::Key(name)) => entries
            .iter()
            .rev()
            .find(|(key, _)| matches!(&key.kind, ExprKind::Literal(key) if key.as_str() == Some(name)))
            .map(|(_, value)| value),
        _ => None,
    };
    match part {
        Some(part) => locate(part, rest),
        None => (expr, steps),
    }
}

/// The value of an expression in which only constants may stand: no names, no calls. For variable files and the
/// defaults of `optional`.
pub fn constant(expr: &Expr, diagnostics: &mut Vec<Diagnostic>) -> Value {
    let mut cx = Context::new(&Nowhere, Path::new(""));
    cx.constant = true;
    let value = evaluate(expr, &Empty, &mut cx);
    diagnostics.append(&mut cx.diagnostics);
    value
}

/// A world without anything, for constants: they never ask.
struct Nowhere;

impl World for Nowhere {
    fn now(&self) -> (i64, u32) {
        (0, 0)
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn env_with_prefix(&self, _prefix: &str) -> Vec<(String, String)> {
        Vec::new()
    }

    fn random(&self) -> [u8; 16] {
        [0; 16]
    }

    fn working_directory(&self) -> std::path::PathBuf {
        std::path::PathBuf::new()
    }

    fn home(&self) -> Option<std::path::PathBuf> {
        None
    }

    fn read(&self, _path: &Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn kind(&self, _path: &Path) -> std::io::Result<crate::source::EntryKind> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn list(&self, _directory: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Evaluates in one scope; `item` is the element at hand inside a splat.
struct Evaluator<'a> {
    scope: &'a dyn Scope,
    item: Option<&'a Value>,
}

impl Evaluator<'_> {
    fn expr(&self, expr: &Expr, cx: &mut Context<'_>) -> Value {
        match &expr.kind {
            ExprKind::Error => return Value::error(),
            ExprKind::Literal(value) => return value.clone(),
            _ if cx.depth >= MAX_DEPTH => return too_deep(expr.span, cx),
            _ => {}
        }
        cx.depth += 1;
        let value = self.compound(expr, cx);
        cx.depth -= 1;
        match makes_parts(&expr.kind) && has_too_many_parts(&value) {
            true => too_large(expr.span, cx),
            false => value,
        }
    }

    fn compound(&self, expr: &Expr, cx: &mut Context<'_>) -> Value {
        match &expr.kind {
            ExprKind::Error => Value::error(),
            ExprKind::Literal(value) => value.clone(),
            ExprKind::Variable(name) => self.variable(name, expr.span, cx),
            ExprKind::Template(parts) => self.template(parts, cx),
            ExprKind::Unary(operator, operand) => self.unary(*operator, operand, cx),
            ExprKind::Binary(..) => self.binary(expr, cx),
            ExprKind::Conditional(parts) => self.conditional(parts, expr.span, cx),
            ExprKind::For(each) => self.for_expr(each, cx),
            ExprKind::Splat { operand, each } => self.splat(operand, each, cx),
            ExprKind::SplatItem => self.item.cloned().unwrap_or_else(Value::error),
            ExprKind::Index(operand, key) => self.index(operand, key, cx),
            ExprKind::Attribute(operand, name) => self.attribute(operand, name, cx),
            ExprKind::Call(call) => self.call(call, expr.span, cx),
            ExprKind::Tuple(elements) => Value::tuple(
                elements
                    .iter()
                    .map(|part| self.expr(part, cx))
                    .collect::<Vec<_>>(),
            ),
            ExprKind::Object(entries) => self.object(entries, cx),
            ExprKind::Paren(inner) => self.expr(inner, cx),
        }
    }

    fn variable(&self, name: &str, span: Span, cx: &mut Context<'_>) -> Value {
        if cx.constant {
            return cx.fail(not_constant(span));
        }
        match self.scope.root(name) {
            Some(Root::Value(value)) => value,
            Some(Root::Namespace(namespace)) => namespace.all(),
            None => self.unknown_name(name, span, cx),
        }
    }

    fn unknown_name(&self, name: &str, span: Span, cx: &mut Context<'_>) -> Value {
        let diagnostic = self.scope.unknown_root(name, span).unwrap_or_else(|| {
            let message = format!("there is no `{name}` here");
            let diagnostic = Diagnostic::error("eval/unknown-name", span, message);
            let names = self.scope.root_names();
            match nearest(name, names.iter().map(SmolStr::as_str)) {
                Some(near) => diagnostic
                    .help(format!("did you mean `{near}`?"))
                    .guess(format!("write `{near}`"), Edit::replace(span, near)),
                None => diagnostic.help(format!("for the text, write \"{name}\" in quotes")),
            }
        });
        cx.fail(diagnostic)
    }

    fn object(&self, entries: &[(Expr, Expr)], cx: &mut Context<'_>) -> Value {
        let mut object = std::collections::BTreeMap::new();
        let mut sensitive = false;
        let mut unknown_keys = false;
        for (key_expr, value_expr) in entries {
            let key = self.expr(key_expr, cx);
            let value = self.expr(value_expr, cx);
            sensitive |= key.is_sensitive();
            let Some(key) = self.key(&key, key_expr.span, cx) else {
                unknown_keys = true;
                continue;
            };
            // Whoever computes keys may mean it so.
            let is_written = matches!(key_expr.kind, ExprKind::Literal(_));
            if object.insert(key.clone(), value).is_some() && is_written && !sensitive {
                let message =
                    format!("the key `{key}` is in this object twice; the last one counts");
                cx.report(
                    Diagnostic::warning("eval/key-overwritten", key_expr.span, message)
                        .help("keep one of them"),
                );
            }
        }
        if unknown_keys {
            return Value::unknown(Type::Any).mark(sensitive);
        }
        Value::object(object).mark(sensitive)
    }

    /// The key of an object's entry; `None` where it is not known or wrong.
    fn key(&self, key: &Value, span: Span, cx: &mut Context<'_>) -> Option<SmolStr> {
        if key.is_null() {
            cx.report(
                Diagnostic::error("eval/null", span, "the key is null").help("a key is a string"),
            );
            return None;
        }
        match convert(key, &Type::String) {
            Ok(key) => key.as_str().map(SmolStr::new),
            Err(error) => {
                let message = error.message_for("as a key");
                cx.report(Diagnostic::error("eval/bad-key", span, message));
                None
            }
        }
    }

    fn conditional(&self, parts: &[Expr; 3], span: Span, cx: &mut Context<'_>) -> Value {
        let [condition, yes, no] = parts;
        let condition_value = self.expr(condition, cx);
        let chosen = self.truth(&condition_value, condition.span, cx);
        let before = cx.diagnostics.len();
        let yes_value = self.expr(yes, cx);
        if chosen == Truth::False {
            cx.diagnostics.truncate(before);
        }
        let between = cx.diagnostics.len();
        let no_value = self.expr(no, cx);
        if chosen == Truth::True {
            cx.diagnostics.truncate(between);
        }
        let Some(common) = common_type(&yes_value, &no_value) else {
            if chosen == Truth::Failed {
                return Value::error();
            }
            let types = [yes_value.ty(), no_value.ty()];
            let message = format!("the two sides have no common type: {}", kinds(&types));
            return cx.fail(
                Diagnostic::error("eval/sides-differ", span, message)
                    .label(yes.span, types[0].describe())
                    .label(no.span, types[1].describe())
                    .help("give both sides the same type"),
            );
        };
        let value = match chosen {
            Truth::Failed => return Value::error(),
            Truth::Later => {
                let sensitive = yes_value.contains_sensitive() || no_value.contains_sensitive();
                return Value::unknown(common).mark(sensitive || condition_value.is_sensitive());
            }
            Truth::True => (yes, yes_value),
            Truth::False => (no, no_value),
        };
        match convert(&value.1, &common) {
            Ok(converted) => converted.mark(condition_value.is_sensitive()),
            Err(error) => {
                let diagnostic = wrong_type(value.0, &error, "the conditional");
                cx.fail(diagnostic)
            }
        }
    }

    /// What a condition decides.
    fn truth(&self, value: &Value, span: Span, cx: &mut Context<'_>) -> Truth {
        if value.is_error() {
            return Truth::Failed;
        }
        if value.is_null() {
            cx.report(
                Diagnostic::error("eval/null", span, "the condition is null")
                    .help("compare with `== null`, or give a default"),
            );
            return Truth::Failed;
        }
        match convert(value, &Type::Bool) {
            Ok(value) => match value.data() {
                Data::Bool(true) => Truth::True,
                Data::Bool(false) => Truth::False,
                _ => Truth::Later,
            },
            Err(error) => {
                let message = error.message_for("as the condition");
                cx.report(Diagnostic::error("eval/condition", span, message));
                Truth::Failed
            }
        }
    }
}

/// What a condition decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    True,
    False,
    /// Known only at run time.
    Later,
    /// There is no answer; the reason was reported.
    Failed,
}

/// The type of a conditional: a bare `null` has that of the other side.
fn common_type(yes: &Value, no: &Value) -> Option<Type> {
    let bare_null = |value: &Value| matches!(value.data(), Data::Null(Type::Any));
    match (bare_null(yes), bare_null(no)) {
        (true, _) => Some(no.ty()),
        (_, true) => Some(yes.ty()),
        _ => unify(&[yes.ty(), no.ty()]),
    }
}

fn too_deep(span: Span, cx: &mut Context<'_>) -> Value {
    cx.fail(
        Diagnostic::error("eval/too-deep", span, "this is nested too deeply")
            .help("give parts of it names in `locals`"),
    )
}

/// Whether an expression may put values together to one that is larger than each of them.
fn makes_parts(kind: &ExprKind) -> bool {
    matches!(
        kind,
        ExprKind::Tuple(_)
            | ExprKind::Object(_)
            | ExprKind::For(_)
            | ExprKind::Splat { .. }
            | ExprKind::Call(_)
    )
}

fn has_too_many_parts(value: &Value) -> bool {
    let mut left = MOST_PARTS;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let count = value.len().unwrap_or_default();
        if count > left {
            return true;
        }
        left -= count;
        open.extend(
            value
                .parts()
                .filter(|part| !part.is_empty() && part.len().is_some()),
        );
    }
    false
}

fn too_large(span: Span, cx: &mut Context<'_>) -> Value {
    let message = format!("this value has more than {MOST_PARTS} parts");
    cx.fail(
        Diagnostic::error("eval/too-large", span, message)
            .help("put large contents into files and name them; what holds another value twice has twice its parts"),
    )
}

fn not_constant(span: Span) -> Diagnostic {
    Diagnostic::error("eval/not-constant", span, "only constants may stand here")
        .help("write the value itself, without names and function calls")
}
