//! What an expression is made of that is not known yet: the parts of it that are.
//!
//! A value that waits for a run cannot be compared with that of another plan. What it is computed from can: the values
//! of the names in it, and which of its calls ask the outside for something that only the run can say.

use smol_str::SmolStr;

use super::references::traversal;
use super::{Context, Reference, Scope, evaluate};
use crate::functions::{self, Purity};
use crate::hir::{Body, Call, Expr, ExprKind, For, Name, Part};
use crate::plan::inputs::canonical;
use crate::value::Value;

/// What was found in expressions.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// What the expression says: its operators, literals and open names, with the values of what is known in the place
    /// of its name, so that another name for the same value is the same. No secrets.
    pub(crate) shape: Vec<u8>,
    /// Names and calls with values that are known, as they are written.
    pub(crate) known: Vec<(String, Value)>,
    /// Names whose values are not known.
    pub(crate) open: Vec<Reference>,
    /// Functions that ask the outside and cannot be called yet.
    pub(crate) unasked: Vec<SmolStr>,
}

/// Looks at an expression in the scope of a plan.
pub(crate) fn expression(expr: &Expr, scope: &dyn Scope, cx: &Context<'_>, found: &mut Trace) {
    Tracer::new(scope, cx, found).expr(expr);
}

/// Looks at all expressions of a body.
pub(crate) fn body(body: &Body, scope: &dyn Scope, cx: &Context<'_>, found: &mut Trace) {
    Tracer::new(scope, cx, found).body(body);
}

struct Tracer<'t, 'w> {
    scope: &'t dyn Scope,
    cx: &'t Context<'w>,
    found: &'t mut Trace,
    /// Names of `for`s around.
    bound: Vec<SmolStr>,
}

impl<'t, 'w> Tracer<'t, 'w> {
    fn new(scope: &'t dyn Scope, cx: &'t Context<'w>, found: &'t mut Trace) -> Self {
        Self {
            scope,
            cx,
            found,
            bound: Vec::new(),
        }
    }

    /// The value of a part, if it is known; nothing is said about problems, which were found before.
    fn value(&self, expr: &Expr) -> Option<Value> {
        let mut cx = Context::new(self.cx.world, self.cx.root);
        let value = evaluate(expr, self.scope, &mut cx);
        (value.is_wholly_known() && !value.contains_error()).then_some(value)
    }

    fn body(&mut self, body: &Body) {
        for attribute in &body.attributes {
            self.word("option", &attribute.name.text);
            self.expr(&attribute.value);
        }
        for block in &body.blocks {
            self.word("block", &block.kind.text);
            self.body(&block.body);
        }
    }

    fn all<'e>(&mut self, parts: impl IntoIterator<Item = &'e Expr>) {
        parts.into_iter().for_each(|part| self.expr(part));
    }

    fn expr(&mut self, expr: &Expr) {
        if let Some(reference) = traversal(expr) {
            if self.bound.contains(&reference.root) {
                self.word("bound", &crate::print::hcl::expression(expr));
                return;
            }
            match self.value(expr) {
                Some(value) => {
                    let text = crate::print::hcl::expression(expr);
                    self.literal(&value);
                    self.found.known.push((text, value));
                }
                None => {
                    self.word("open", &reference.root);
                    for name in &reference.path {
                        self.word("of", &name.text);
                    }
                    self.found.open.push(reference);
                }
            }
            return;
        }
        match &expr.kind {
            ExprKind::Error | ExprKind::Variable(_) => {}
            ExprKind::Literal(value) => self.literal(value),
            ExprKind::SplatItem => self.node("item", 0),
            // `"${x}"` is `x`.
            ExprKind::Template(parts) => match &parts[..] {
                [Part::Interpolation(inner)] => self.expr(inner),
                parts => self.parts(parts),
            },
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Unary(operator, operand) => {
                self.word("unary", &format!("{operator:?}"));
                self.expr(operand);
            }
            ExprKind::Attribute(operand, name) => {
                self.word("attribute", &name.text);
                self.expr(operand);
            }
            ExprKind::Binary(left, operator, right) => {
                self.word("binary", &format!("{operator:?}"));
                self.all([&**left, right]);
            }
            ExprKind::Index(operand, key) => {
                self.node("index", 2);
                self.all([&**operand, key]);
            }
            ExprKind::Conditional(parts) => {
                self.node("if", 3);
                self.all(&**parts);
            }
            ExprKind::For(each) => self.for_expr(each),
            ExprKind::Splat { operand, each } => {
                self.node("splat", 2);
                self.all([&**operand, each]);
            }
            ExprKind::Call(call) => self.call(expr, call),
            ExprKind::Tuple(elements) => {
                self.node("tuple", elements.len());
                self.all(elements);
            }
            ExprKind::Object(entries) => {
                self.node("object", entries.len());
                for (key, value) in entries {
                    self.all([key, value]);
                }
            }
        }
    }

    /// Adds a node with so many parts to the shape.
    fn node(&mut self, what: &str, parts: usize) {
        self.word(what, &parts.to_string());
    }

    fn word(&mut self, what: &str, text: &str) {
        for part in [what, text] {
            let length = part.len() as u64;
            self.found.shape.extend(length.to_be_bytes());
            self.found.shape.extend(part.as_bytes());
        }
    }

    fn literal(&mut self, value: &Value) {
        if value.contains_sensitive() {
            self.node("sensitive", 0);
            return;
        }
        let bytes = canonical(value);
        self.node("value", bytes.len());
        self.found.shape.extend(bytes);
    }

    fn call(&mut self, expr: &Expr, call: &Call) {
        let name = &call.name.text;
        self.word("call", name);
        self.node(
            if call.expand_last { "all" } else { "arguments" },
            call.arguments.len(),
        );
        let pure = functions::get(name).is_none_or(|function| function.purity == Purity::Pure);
        if !pure {
            let known = match self.bound.is_empty() {
                true => self.value(expr),
                false => None,
            };
            match known {
                Some(value) => {
                    let text = crate::print::hcl::expression(expr);
                    self.found.known.push((text, value));
                }
                None => self.found.unasked.push(name.clone()),
            }
        }
        // The second argument of `convert` is a type.
        let is_convert = name == "convert" && call.arguments.len() == 2;
        if is_convert {
            self.word("type", &crate::print::hcl::expression(&call.arguments[1]));
        }
        let count = if is_convert { 1 } else { call.arguments.len() };
        self.all(&call.arguments[..count]);
    }

    fn for_expr(&mut self, each: &For) {
        self.node(
            if each.group { "groups" } else { "for" },
            usize::from(each.result_key.is_some()),
        );
        self.expr(&each.collection);
        let outer = self.bind(each.key.as_ref(), &each.value);
        self.all(each.result_key.as_ref());
        self.expr(&each.result);
        self.node("where", usize::from(each.condition.is_some()));
        self.all(each.condition.as_ref());
        self.bound.truncate(outer);
    }

    fn bind(&mut self, key: Option<&Name>, value: &Name) -> usize {
        let outer = self.bound.len();
        for name in key.into_iter().chain([value]) {
            self.word("bind", &name.text);
        }
        self.bound.extend(key.map(|name| name.text.clone()));
        self.bound.push(value.text.clone());
        outer
    }

    fn parts(&mut self, parts: &[Part]) {
        self.node("template", parts.len());
        for part in parts {
            match part {
                Part::Literal(text) => self.word("text", text),
                Part::Interpolation(expr) => self.expr(expr),
                Part::If {
                    condition,
                    then,
                    otherwise,
                    ..
                } => {
                    self.node("if", 3);
                    self.expr(condition);
                    self.parts(then);
                    self.parts(otherwise);
                }
                Part::For {
                    key,
                    value,
                    collection,
                    body,
                    ..
                } => {
                    self.node("for", 2);
                    self.expr(collection);
                    let outer = self.bind(key.as_ref(), value);
                    self.parts(body);
                    self.bound.truncate(outer);
                }
            }
        }
    }
}
