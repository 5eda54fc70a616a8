//! `variables` and `sensitive-variables` as `variable` blocks.

use std::collections::BTreeMap;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::body::{attribute, last};
use super::express::literal;
use super::{Lower, Undeclared, block, word};
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::go_template::functions::Where;
use crate::hir::{Block, Expr, ExprKind, Name};
use crate::lower::tree::{Node, NodeKind};
use crate::value::Value;

impl Lower<'_> {
    /// The names in `sensitive-variables` with their places.
    pub(super) fn sensitive_names(&mut self, node: Option<&Node>) -> BTreeMap<SmolStr, Span> {
        let form = "\"sensitive-variables\": [\"name\"]";
        let mut names = BTreeMap::new();
        for element in self.list(node, "`sensitive-variables`", form) {
            match element.text() {
                Some(name) => {
                    names.insert(name.into(), element.span);
                }
                None if matches!(element.kind, NodeKind::Error) => {}
                None => self.wrong_shape(element, "the name of a variable", "a text", form),
            }
        }
        names
    }

    /// One block for each variable.
    pub(super) fn variables(
        &mut self,
        node: Option<&Node>,
        sensitive: &BTreeMap<SmolStr, Span>,
    ) -> Vec<Block> {
        let members = match node.map(|node| (&node.kind, node)) {
            Some((NodeKind::Object(members), _)) => members.as_slice(),
            Some((_, node)) => {
                let form = "\"variables\": { \"name\": \"value\" }";
                self.wrong_shape(node, "`variables`", "an object", form);
                &[]
            }
            None => &[],
        };
        let declared = members
            .iter()
            .map(|member| (member.key.text.clone(), member.key.span));
        self.declared = declared.collect();
        let mut blocks = Vec::with_capacity(members.len());
        for member in last(members) {
            let key = &member.key;
            let default = self.default(key, &member.value);
            let sensitive = sensitive.get(&key.text).copied();
            let span = key.span.cover(member.value.span);
            blocks.push(variable(key.clone(), span, default, sensitive));
        }
        for (name, span) in sensitive {
            if !self.declared.contains_key(name) {
                let known = self.declared.keys().map(SmolStr::as_str);
                let near = nearest(name, known);
                let diagnostic = Diagnostic::warning(
                    "legacy/undeclared-variable",
                    *span,
                    format!("no variable `{name}` is declared under `variables`"),
                );
                let diagnostic = with_near(diagnostic, near, *span, true);
                self.out.push(diagnostic);
            }
        }
        blocks
    }

    /// The value of a variable when nothing else is given; null says that something must be.
    fn default(&mut self, key: &Name, value: &Node) -> Option<Expr> {
        match &value.kind {
            NodeKind::Null => None,
            NodeKind::Array(_) | NodeKind::Object(_) => {
                let what = format!("the variable `{}`", key.text);
                let form = format!("\"{}\": \"…\"", key.text);
                self.wrong_shape(value, &what, "a text", &form);
                Some(Expr {
                    kind: ExprKind::Error,
                    span: value.span,
                })
            }
            _ => Some(self.expr(value, Where::Variable)),
        }
    }

    /// Notes that a text uses a variable.
    pub(super) fn use_variable(&mut self, name: &str, span: Span, place: Where) {
        if self.declared.contains_key(name) {
            return;
        }
        let entry = self.undeclared.entry(name.into());
        let noted = entry.or_insert(Undeclared {
            span,
            required: false,
        });
        noted.required |= place == Where::Variable;
    }

    /// Variables that are only used: empty texts that a flag may set, as in Packer. Where the value of another variable
    /// depends on it, it must be set.
    pub(super) fn undeclared_variables(&mut self) -> Vec<Block> {
        let mut blocks = Vec::with_capacity(self.undeclared.len());
        for (name, Undeclared { span, required }) in std::mem::take(&mut self.undeclared) {
            let near = nearest(&name, self.declared.keys().map(SmolStr::as_str));
            if !required || near.is_some() {
                let message = format!("no variable `{name}` is declared under `variables`");
                let mut diagnostic =
                    Diagnostic::warning("legacy/undeclared-variable", span, message);
                if !required {
                    diagnostic = diagnostic.here("an empty text, unless a flag or a file sets it");
                }
                self.out.push(with_near(diagnostic, near, span, false));
            }
            let default = (!required).then(|| literal("", span));
            blocks.push(variable(word(&name, span), span, default, None));
        }
        blocks
    }
}

fn with_near(diagnostic: Diagnostic, near: Option<&str>, span: Span, quoted: bool) -> Diagnostic {
    match near {
        Some(near) => {
            let replacement = if quoted {
                format!("\"{near}\"")
            } else {
                near.to_owned()
            };
            diagnostic
                .help(format!("there is one with a similar name: `{near}`"))
                .guess(
                    format!("change it to `{near}`"),
                    Edit::replace(span, replacement),
                )
        }
        None => diagnostic
            .help("declare it under `variables`: `\"name\": \"\"`, or null if it must be set"),
    }
}

fn variable(name: Name, span: Span, default: Option<Expr>, sensitive: Option<Span>) -> Block {
    let ty = Expr {
        kind: ExprKind::Variable(SmolStr::new_static("string")),
        span: name.span,
    };
    let mut attributes = vec![attribute(word("type", name.span), ty)];
    attributes.extend(default.map(|value| attribute(word("default", value.span), value)));
    attributes.extend(sensitive.map(|span| {
        let value = Expr {
            kind: ExprKind::Literal(Value::bool(true)),
            span,
        };
        attribute(word("sensitive", span), value)
    }));
    let header = name.span;
    block("variable", &[name], header, span, attributes, Vec::new())
}
