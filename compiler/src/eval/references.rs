//! What an expression speaks of.

use imgc_syntax::Span;
use smol_str::SmolStr;

use crate::hir::{Body, Expr, ExprKind, For, Name, Part};

/// A use of a name of the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The first word.
    pub root: SmolStr,
    /// The attributes that follow it, up to the first step that is not a plain word (`["word"]` counts as one).
    pub path: Vec<Name>,
    /// From the root to the last of `path`.
    pub span: Span,
}

/// The free names of an expression, each with the attribute steps that follow it, in the order of the text. Variables
/// of `for` are not among them.
pub fn references(expr: &Expr) -> Vec<Reference> {
    let mut walk = Walk::default();
    walk.expr(expr);
    walk.found
}

/// The free names of all expressions of a body, blocks in it included. What `dynamic` blocks name is among them.
pub fn body_references(body: &Body) -> Vec<Reference> {
    let mut walk = Walk::default();
    walk.body(body);
    walk.found
}

#[derive(Default)]
struct Walk {
    found: Vec<Reference>,
    bound: Vec<SmolStr>,
}

impl Walk {
    fn body(&mut self, body: &Body) {
        body.attributes
            .iter()
            .for_each(|attribute| self.expr(&attribute.value));
        body.blocks.iter().for_each(|block| self.body(&block.body));
    }

    fn expr(&mut self, expr: &Expr) {
        if let Some(reference) = traversal(expr) {
            if !self.bound.contains(&reference.root) {
                self.found.push(reference);
            }
            return;
        }
        match &expr.kind {
            ExprKind::Error
            | ExprKind::Literal(_)
            | ExprKind::Variable(_)
            | ExprKind::SplatItem => {}
            ExprKind::Template(parts) => self.parts(parts),
            ExprKind::Unary(_, operand)
            | ExprKind::Paren(operand)
            | ExprKind::Attribute(operand, _) => self.expr(operand),
            ExprKind::Binary(left, _, right) | ExprKind::Index(left, right) => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Conditional(parts) => parts.iter().for_each(|part| self.expr(part)),
            ExprKind::For(each) => self.for_expr(each),
            ExprKind::Splat { operand, each } => {
                self.expr(operand);
                self.expr(each);
            }
            ExprKind::Call(call) => {
                // The second argument of `convert` is a type; its words are not names of the scope.
                let is_convert = call.name.text == "convert" && call.arguments.len() == 2;
                let values = if is_convert { 1 } else { call.arguments.len() };
                call.arguments[..values]
                    .iter()
                    .for_each(|part| self.expr(part));
            }
            ExprKind::Tuple(elements) => elements.iter().for_each(|part| self.expr(part)),
            ExprKind::Object(entries) => {
                for (key, value) in entries {
                    self.expr(key);
                    self.expr(value);
                }
            }
        }
    }

    fn for_expr(&mut self, each: &For) {
        self.expr(&each.collection);
        let outer = self.bind(each.key.as_ref(), &each.value);
        let inner = [
            each.result_key.as_ref(),
            Some(&each.result),
            each.condition.as_ref(),
        ];
        inner.into_iter().flatten().for_each(|part| self.expr(part));
        self.bound.truncate(outer);
    }

    fn bind(&mut self, key: Option<&Name>, value: &Name) -> usize {
        let outer = self.bound.len();
        self.bound.extend(key.map(|name| name.text.clone()));
        self.bound.push(value.text.clone());
        outer
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            match part {
                Part::Literal(_) => {}
                Part::Interpolation(expr) => self.expr(expr),
                Part::If {
                    condition,
                    then,
                    otherwise,
                    ..
                } => {
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
                    self.expr(collection);
                    let outer = self.bind(key.as_ref(), value);
                    self.parts(body);
                    self.bound.truncate(outer);
                }
            }
        }
    }
}

/// `root.a["b"]`, wholly of plain words; longer ones with other steps are met on the way down.
pub(super) fn traversal(expr: &Expr) -> Option<Reference> {
    match &expr.kind {
        ExprKind::Variable(root) => Some(Reference {
            root: root.clone(),
            path: Vec::new(),
            span: expr.span,
        }),
        ExprKind::Attribute(operand, name) => {
            let mut reference = traversal(operand)?;
            reference.path.push(name.clone());
            reference.span = expr.span;
            Some(reference)
        }
        ExprKind::Index(operand, key) => {
            let ExprKind::Literal(literal) = &key.kind else {
                return None;
            };
            let text = SmolStr::new(literal.as_str()?);
            let mut reference = traversal(operand)?;
            let span = key.span;
            reference.path.push(Name { text, span });
            reference.span = expr.span;
            Some(reference)
        }
        _ => None,
    }
}
