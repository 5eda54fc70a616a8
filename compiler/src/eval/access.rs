//! Parts of values: attributes, indices, splats.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::{Context, Evaluator, PathStep, Root, not_constant};
use crate::convert::{convert, unify};
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::hir::{Expr, ExprKind, Name};
use crate::types::Type;
use crate::value::{self, Data, Number, Value};

impl Evaluator<'_> {
    pub(super) fn attribute(&self, operand: &Expr, name: &Name, cx: &mut Context<'_>) -> Value {
        if let ExprKind::Variable(root) = &operand.kind
            && !self.is_deep(root)
            && let Some(value) = self.member(root, operand.span, name, cx)
        {
            return value;
        }
        if let Some(root) = self.deep_root(operand) {
            let last = Last::Name(name);
            return self.walk(root, operand, &last, cx);
        }
        let object = self.expr(operand, cx);
        attribute(&object, operand, name, cx)
    }

    /// `root.name` where the root is a namespace; `None` where it is a value.
    fn member(&self, root: &str, span: Span, name: &Name, cx: &mut Context<'_>) -> Option<Value> {
        if cx.constant {
            return Some(cx.fail(not_constant(span)));
        }
        match self.scope.root(root)? {
            Root::Value(_) => None,
            Root::Namespace(namespace) => Some(match namespace.member(&name.text, name.span) {
                Ok(value) => value,
                Err(diagnostic) => cx.fail(*diagnostic),
            }),
        }
    }

    pub(super) fn index(&self, operand: &Expr, key: &Expr, cx: &mut Context<'_>) -> Value {
        if let Some(root) = self.deep_root(operand) {
            return self.walk(root, operand, &Last::Key(key), cx);
        }
        let key_value = self.expr(key, cx);
        if let (ExprKind::Variable(root), Some(text)) = (&operand.kind, key_value.as_str()) {
            let name = Name {
                text: SmolStr::new(text),
                span: key.span,
            };
            if let Some(value) = self.member(root, operand.span, &name, cx) {
                return value.mark(key_value.is_sensitive());
            }
        }
        let collection = self.expr(operand, cx);
        let sensitive = collection.is_sensitive() || key_value.is_sensitive();
        let place = Place { operand, key };
        place.element(&collection, &key_value, cx).mark(sensitive)
    }

    fn is_deep(&self, root: &str) -> bool {
        // Asked for every traversal: most roots are none of these.
        matches!(root, "build" | "module")
            && matches!(self.scope.root(root), Some(Root::Namespace(namespace)) if namespace.is_deep())
    }

    /// The root of `root.a["b"].c`, where it is a namespace that wants the whole path.
    fn deep_root<'e>(&self, mut expr: &'e Expr) -> Option<&'e str> {
        loop {
            match &expr.kind {
                ExprKind::Attribute(operand, _) | ExprKind::Index(operand, _) => expr = operand,
                ExprKind::Variable(root) => {
                    return self.is_deep(root).then_some(root.as_str());
                }
                _ => return None,
            }
        }
    }

    /// The value of `operand` followed by one more step, `operand` being steps from a deep namespace.
    fn walk(&self, root: &str, operand: &Expr, last: &Last<'_>, cx: &mut Context<'_>) -> Value {
        if cx.constant {
            return cx.fail(not_constant(operand.span));
        }
        let mut parts = vec![(operand, last.clone())];
        let mut inner = operand;
        loop {
            match &inner.kind {
                ExprKind::Attribute(operand, name) => {
                    parts.push((operand, Last::Name(name)));
                    inner = operand;
                }
                ExprKind::Index(operand, key) => {
                    parts.push((operand, Last::Key(key)));
                    inner = operand;
                }
                _ => break,
            }
        }
        parts.reverse();
        let path: Vec<PathStep> = parts
            .iter()
            .map(|(_, part)| match part {
                Last::Name(name) => PathStep {
                    key: Value::string(name.text.clone()),
                    span: name.span,
                },
                Last::Key(key) => PathStep {
                    key: self.expr(key, cx),
                    span: key.span,
                },
            })
            .collect();
        let Some(Root::Namespace(namespace)) = self.scope.root(root) else {
            return Value::error();
        };
        let (taken, found) = namespace.walk(&path);
        let mut value = match found {
            Ok(value) => value,
            Err(diagnostic) => cx.fail(*diagnostic),
        };
        for ((operand, part), step) in parts.iter().zip(&path).skip(taken) {
            value = match part {
                Last::Name(name) => attribute(&value, operand, name, cx),
                Last::Key(key) => {
                    let sensitive = value.is_sensitive() || step.key.is_sensitive();
                    Place { operand, key }
                        .element(&value, &step.key, cx)
                        .mark(sensitive)
                }
            };
        }
        let secret = path[..taken.min(path.len())]
            .iter()
            .any(|step| step.key.is_sensitive());
        value.mark(secret)
    }

    pub(super) fn splat(&self, operand: &Expr, each: &Expr, cx: &mut Context<'_>) -> Value {
        let collection = self.expr(operand, cx);
        let sensitive = collection.is_sensitive();
        // What is wrong with one element is mostly wrong with all: it is said once.
        let before = cx.diagnostics.len();
        let mut apply = |item: &Value| {
            if cx.failed_since(before) {
                return Value::error();
            }
            let inner = Evaluator {
                scope: self.scope,
                item: Some(item),
            };
            inner.expr(each, cx)
        };
        let result = match collection.data() {
            Data::Unknown(Type::Error) => return collection,
            Data::Null(ty) if ty.is_sequence() => {
                let message = format!("{} is null and has no elements", subject(operand));
                return cx.fail(
                    Diagnostic::error("eval/null", operand.span, message)
                        .help("test for null first, or give an empty list"),
                );
            }
            Data::Null(_) => Value::tuple([]),
            Data::Unknown(Type::List(element) | Type::Set(element)) => {
                let result = apply(&Value::unknown(Type::clone(element)));
                Value::unknown(Type::list(result.ty())).mark(result.contains_sensitive())
            }
            Data::Unknown(Type::Tuple(types)) => Value::tuple(
                types
                    .iter()
                    .map(|ty| apply(&Value::unknown(ty.clone())))
                    .collect::<Vec<_>>(),
            ),
            // Whether it will be a list, null or a single value decides the result.
            Data::Unknown(ty) => {
                apply(&Value::unknown(if *ty == Type::Any {
                    Type::Any
                } else {
                    ty.clone()
                }));
                Value::unknown(Type::Any)
            }
            Data::List(element, elements) | Data::Set(element, elements) => {
                let results: Vec<Value> = elements.iter().map(&mut apply).collect();
                list_or_tuple(results, || apply(&Value::unknown(element.clone())).ty())
            }
            Data::Tuple(elements) => Value::tuple(elements.iter().map(apply).collect::<Vec<_>>()),
            _ => Value::tuple([apply(&collection)]),
        };
        result.mark(sensitive)
    }
}

/// The results for the elements of a list: a list where they have one type.
fn list_or_tuple(results: Vec<Value>, element: impl FnOnce() -> Type) -> Value {
    match results.first().map(Value::ty) {
        None => Value::list(element(), []),
        Some(ty) if results.iter().all(|result| result.ty() == ty) => Value::list(ty, results),
        Some(_) => Value::tuple(results),
    }
}

/// `object.name`.
fn attribute(object: &Value, operand: &Expr, name: &Name, cx: &mut Context<'_>) -> Value {
    let missing = |names: Vec<&str>, cx: &mut Context<'_>| {
        let noun = match object.ty() {
            Type::Map(_) => "element",
            _ => "attribute",
        };
        cx.fail(no_such_part(operand, noun, name, name.span, &names))
    };
    let found = match object.data() {
        Data::Unknown(Type::Error) => Value::error(),
        Data::Unknown(Type::Any) => Value::unknown(Type::Any),
        Data::Unknown(Type::Map(element)) => Value::unknown(Type::clone(element)),
        Data::Unknown(Type::Object(ty)) => match ty.attributes.get(&name.text) {
            Some(attribute) => Value::unknown(attribute.ty.clone()),
            None => missing(ty.attributes.keys().map(SmolStr::as_str).collect(), cx),
        },
        Data::Null(_) => cx.fail(
            Diagnostic::error(
                "eval/null",
                name.span,
                format!(
                    "{} is null and has no attribute `{}`",
                    subject(operand),
                    name.text
                ),
            )
            .help("test for null first, or give a default"),
        ),
        Data::Map(_, entries) | Data::Object(entries) => match entries.get(&name.text) {
            Some(value) => value.clone(),
            // The names inside a sensitive value are not shown.
            None if object.is_sensitive() => missing(Vec::new(), cx),
            None => missing(entries.keys().map(SmolStr::as_str).collect(), cx),
        },
        _ => no_attributes(object, operand, name, cx),
    };
    found.mark(object.is_sensitive())
}

fn no_attributes(object: &Value, operand: &Expr, name: &Name, cx: &mut Context<'_>) -> Value {
    let ty = object.ty();
    let message = format!(
        "{} is {} and has no attribute `{}`",
        subject(operand),
        ty.describe(),
        name.text
    );
    let diagnostic = Diagnostic::error("eval/no-attributes", name.span, message);
    cx.fail(match ty.is_sequence() {
        true => diagnostic.help(format!(
            "write `[0].{0}` for one element, `[*].{0}` for all of them",
            name.text
        )),
        false => diagnostic,
    })
}

/// `x` has no attribute `y`, with the nearest that it has.
fn no_such_part(operand: &Expr, noun: &str, name: &Name, span: Span, names: &[&str]) -> Diagnostic {
    let message = format!("{} has no {noun} `{}`", subject(operand), name.text);
    let diagnostic = Diagnostic::error("eval/unknown-attribute", span, message);
    match nearest(&name.text, names.iter().copied()) {
        Some(near) => diagnostic
            .help(format!("did you mean `{near}`?"))
            .guess(format!("write `{near}`"), Edit::replace(span, near)),
        None if names.is_empty() => diagnostic,
        None => {
            let mut shown: Vec<String> = names
                .iter()
                .take(12)
                .map(|name| format!("`{name}`"))
                .collect();
            if names.len() > shown.len() {
                shown.push("…".to_owned());
            }
            diagnostic.help(format!("it has {}", shown.join(", ")))
        }
    }
}

/// A step of a traversal.
#[derive(Clone)]
enum Last<'e> {
    Name(&'e Name),
    Key(&'e Expr),
}

/// Where an index stands.
struct Place<'e> {
    operand: &'e Expr,
    key: &'e Expr,
}

impl Place<'_> {
    /// `collection[key]`.
    fn element(&self, collection: &Value, key: &Value, cx: &mut Context<'_>) -> Value {
        if collection.is_error() || key.is_error() {
            return Value::error();
        }
        if collection.is_null() || key.is_null() {
            let message = match collection.is_null() {
                true => format!("{} is null and has no elements", subject(self.operand)),
                false => "the index is null".to_owned(),
            };
            let span = if collection.is_null() {
                self.operand.span
            } else {
                self.key.span
            };
            return cx.fail(Diagnostic::error("eval/null", span, message));
        }
        match collection.ty() {
            Type::Any => Value::unknown(Type::Any),
            Type::List(element) => self.position(collection, key, &[Type::clone(&element)], cx),
            Type::Tuple(types) => self.position(collection, key, &types, cx),
            Type::Map(_) | Type::Object(_) => self.entry(collection, key, cx),
            Type::Set(_) => cx.fail(
                Diagnostic::error(
                    "eval/no-attributes",
                    self.key.span,
                    format!("{} is a set, and a set has no order", subject(self.operand)),
                )
                .help("walk it with `for`, or make a list of it with `[for x in … : x]`"),
            ),
            ty => cx.fail(Diagnostic::error(
                "eval/no-attributes",
                self.key.span,
                format!(
                    "{} is {} and has no elements",
                    subject(self.operand),
                    ty.describe()
                ),
            )),
        }
    }

    fn position(&self, list: &Value, key: &Value, types: &[Type], cx: &mut Context<'_>) -> Value {
        let unknown = || Value::unknown(unify(types).unwrap_or(Type::Any));
        let bad = |message: String| Diagnostic::error("eval/bad-index", self.key.span, message);
        let number = match convert(key, &Type::Number) {
            Ok(number) => number,
            Err(error) => {
                let message = error.message_for("as the index");
                return cx.fail(bad(message));
            }
        };
        let length = match (list.as_slice(), list.data()) {
            (Some(elements), _) => elements.len(),
            (None, Data::Unknown(Type::Tuple(types))) => types.len(),
            _ => usize::MAX,
        };
        let Some(number) = number.as_number() else {
            return unknown();
        };
        let Some(at) = number.to_usize().filter(|at| *at < length) else {
            let length = (!list.is_sensitive()).then_some(length);
            let number = (!key.is_sensitive()).then_some(number);
            let diagnostic = bad(self.out_of_range(number, length));
            return cx.fail(diagnostic);
        };
        match (list.as_slice(), list.data()) {
            (Some(elements), _) => elements[at].clone(),
            (None, Data::Unknown(Type::Tuple(types))) => Value::unknown(types[at].clone()),
            _ => unknown(),
        }
    }

    /// What is wrong with a position; number and length are given where they may be shown.
    fn out_of_range(&self, number: Option<&Number>, length: Option<usize>) -> String {
        let list = subject(self.operand);
        let which = match number {
            Some(number) if !number.is_integer() || number.is_negative() => {
                return format!("the index {number} is not a whole number from 0");
            }
            Some(number) => format!("element {number}"),
            None => "such element".to_owned(),
        };
        match length {
            None => format!("{list} has no {which}"),
            Some(0) => format!("{list} has no elements"),
            Some(1) => format!("{list} has no {which}: it has one element, number 0"),
            Some(length) => {
                let last = length - 1;
                format!(
                    "{list} has no {which}: it has {length} elements, numbered from 0 to {last}"
                )
            }
        }
    }

    fn entry(&self, map: &Value, key: &Value, cx: &mut Context<'_>) -> Value {
        let text = match convert(key, &Type::String) {
            Ok(text) => text,
            Err(error) => {
                let message = error.message_for("as the key");
                return cx.fail(Diagnostic::error("eval/bad-index", self.key.span, message));
            }
        };
        let Some(text) = text.as_str() else {
            return match map.ty() {
                Type::Map(element) => Value::unknown(Type::clone(&element)),
                _ => Value::unknown(Type::Any),
            };
        };
        let (found, names): (Option<Value>, Vec<SmolStr>) = match map.data() {
            Data::Unknown(Type::Map(element)) => {
                (Some(Value::unknown(Type::clone(element))), Vec::new())
            }
            Data::Unknown(Type::Object(ty)) => (
                ty.attributes
                    .get(text)
                    .map(|a| Value::unknown(a.ty.clone())),
                ty.attributes.keys().cloned().collect(),
            ),
            _ => match map.get(text) {
                Some(value) => (Some(value.clone()), Vec::new()),
                None if map.is_sensitive() => (None, Vec::new()),
                None => (
                    None,
                    map.as_map()
                        .into_iter()
                        .flat_map(|m| m.keys().cloned())
                        .collect(),
                ),
            },
        };
        found.unwrap_or_else(|| {
            let shown = if key.is_sensitive() {
                "(sensitive)"
            } else {
                text
            };
            let name = Name {
                text: SmolStr::new(shown),
                span: self.key.span,
            };
            let names: Vec<&str> = names.iter().map(SmolStr::as_str).collect();
            let mut diagnostic =
                no_such_part(self.operand, "element", &name, self.key.span, &names);
            for edit in diagnostic.fixes.iter_mut().flat_map(|fix| &mut fix.edits) {
                edit.text = value::quote(&edit.text);
            }
            cx.fail(diagnostic)
        })
    }
}

/// What an expression is called in a sentence: its path where it is one.
pub(super) fn subject(expr: &Expr) -> String {
    match path(expr) {
        Some(path) => format!("`{path}`"),
        None => "this value".to_owned(),
    }
}

fn path(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Variable(name) => Some(name.to_string()),
        ExprKind::Attribute(operand, name) => Some(format!("{}.{}", path(operand)?, name.text)),
        ExprKind::Index(operand, key) => match &key.kind {
            ExprKind::Literal(key) => Some(format!("{}[{}]", path(operand)?, key.display())),
            _ => None,
        },
        ExprKind::Paren(inner) => path(inner),
        _ => None,
    }
}
