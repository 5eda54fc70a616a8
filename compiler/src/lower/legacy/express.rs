//! Template actions as expressions of HCL.

use imgc_syntax::Span;
use smol_str::SmolStr;

use crate::go_template::functions::Where;
use crate::go_template::{Command, Pipeline, Term, TermKind};
use crate::hir::{Call, Expr, ExprKind, Name};
use crate::lower::tree::Text;
use crate::types::Type;
use crate::value::{Number, Value};

/// Makes expressions of the actions of one text.
pub(super) struct Express<'t> {
    pub(super) source: &'t Text,
    pub(super) place: Where,
}

impl Express<'_> {
    fn span(&self, range: &std::ops::Range<usize>) -> Span {
        self.source.map.span(range.start as u32, range.end as u32)
    }

    fn word(&self, range: &std::ops::Range<usize>) -> &str {
        &self.source.text[range.clone()]
    }

    /// The expression with the value of a pipeline; `None` where only the component or the template engine can tell.
    pub(super) fn pipeline(&self, pipeline: &Pipeline) -> Option<Expr> {
        if pipeline.declares {
            return None;
        }
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, piped)?);
        }
        piped
    }

    /// As [`Express::pipeline`], for one command on its own.
    pub(super) fn alone(&self, command: &Command) -> Option<Expr> {
        self.command(command, None)
    }

    fn command(&self, command: &Command, piped: Option<Expr>) -> Option<Expr> {
        let (first, rest) = command.terms.split_first()?;
        if !matches!(first.kind, TermKind::Function) {
            let single = rest.is_empty() && piped.is_none();
            return single.then(|| self.term(first)).flatten();
        }
        self.call(first, rest, piped, &command.range)
    }

    fn term(&self, term: &Term) -> Option<Expr> {
        let span = self.span(&term.range);
        let kind = match &term.kind {
            // Two braces would be taken for another action later.
            TermKind::Text(text) if text.contains("{{") => return None,
            TermKind::Text(text) => ExprKind::Literal(Value::string(text.as_str())),
            TermKind::Number => {
                let number = Number::parse(self.word(&term.range)).ok()?;
                ExprKind::Literal(Value::number(number))
            }
            TermKind::Bool => ExprKind::Literal(Value::bool(self.word(&term.range) == "true")),
            TermKind::Paren(inner) => return self.pipeline(inner),
            TermKind::Function => return self.call(term, &[], None, &term.range),
            TermKind::Member(_) | TermKind::Other => return None,
        };
        Some(Expr { kind, span })
    }

    fn call(
        &self,
        function: &Term,
        arguments: &[Term],
        piped: Option<Expr>,
        range: &std::ops::Range<usize>,
    ) -> Option<Expr> {
        let name = self.word(&function.range);
        let span = self.span(range);
        // The place of a name that a text gives, without its quotes.
        let text = |at: usize| match arguments.get(at).map(|term| (&term.kind, &term.range)) {
            Some((TermKind::Text(text), range)) => Some(Name {
                text: SmolStr::from(text.as_str()),
                span: self.span(&(range.start + 1..range.end - 1)),
            }),
            _ => None,
        };
        // In options the engine knows the time of the run; a value of a variable is needed before.
        let early = matches!(self.place, Where::Variable | Where::Early);
        let calls = |hcl: &'static str, arguments: Vec<Expr>| {
            let name = Name {
                text: SmolStr::new_static(hcl),
                span: self.span(&function.range),
            };
            call(name, arguments, span)
        };
        match name {
            "user" if piped.is_none() => return Some(member("var", text(0)?, span)),
            "build" if piped.is_none() => return Some(member("build", text(0)?, span)),
            _ => {}
        }
        let mut values = Vec::with_capacity(arguments.len() + 1);
        for argument in arguments {
            values.push(self.term(argument)?);
        }
        values.extend(piped);
        let word = |text: &'static str| Name {
            text: SmolStr::new_static(text),
            span,
        };
        Some(match (name, values.as_slice()) {
            ("build_name", []) => member("source", word("name"), span),
            ("build_type", []) => member("source", word("type"), span),
            ("template_dir", []) => calls("abspath", vec![member("path", word("root"), span)]),
            ("pwd", []) => member("path", word("cwd"), span),
            ("packer_version", []) => member("packer", word("version"), span),
            ("lower", [_]) => calls("lower", values),
            ("upper", [_]) => calls("upper", values),
            ("env", [_]) => calls("env", values),
            ("vault", [_, _]) => calls("vault", values),
            ("consul_key", [_]) => calls("consul_key", values),
            ("aws_secretsmanager", [_]) => {
                values.push(Expr {
                    kind: ExprKind::Literal(Value::null(Type::Any)),
                    span,
                });
                calls("aws_secretsmanager", values)
            }
            ("aws_secretsmanager", [_, _]) => calls("aws_secretsmanager", values),
            ("aws_secretsmanager_raw", [_]) => calls("aws_secretsmanager_raw", values),
            ("isotime", [] | [_]) if early => calls("legacy_isotime", values),
            ("strftime", [_]) if early => calls("legacy_strftime", values),
            ("timestamp", []) if early => calls("legacy_strftime", vec![literal("%s", span)]),
            ("uuid", []) if early => calls("uuidv4", values),
            ("split", [text, separator, index]) if is_number(index) => {
                let (text, separator, index) = (text.clone(), separator.clone(), index.clone());
                let parts = calls("split", vec![separator, text]);
                Expr {
                    kind: ExprKind::Index(Box::new(parts), Box::new(index)),
                    span,
                }
            }
            ("replace_all", [old, new, text]) if is_plain(old) => {
                calls("replace", vec![text.clone(), old.clone(), new.clone()])
            }
            ("replace", [old, new, count, text]) if is_plain(old) && is_all(count) => {
                calls("replace", vec![text.clone(), old.clone(), new.clone()])
            }
            _ => return None,
        })
    }
}

/// `root.name`
fn member(root: &'static str, name: Name, span: Span) -> Expr {
    let operand = Expr {
        kind: ExprKind::Variable(SmolStr::new_static(root)),
        span,
    };
    Expr {
        kind: ExprKind::Attribute(Box::new(operand), name),
        span,
    }
}

/// `name(arguments)`
pub(super) fn call(name: Name, arguments: Vec<Expr>, span: Span) -> Expr {
    Expr {
        kind: ExprKind::Call(Box::new(Call {
            name,
            arguments,
            expand_last: false,
        })),
        span,
    }
}

/// A text as it is.
pub(super) fn literal(text: &str, span: Span) -> Expr {
    Expr {
        kind: ExprKind::Literal(Value::string(text)),
        span,
    }
}

fn value_of(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value),
        _ => None,
    }
}

fn is_number(expr: &Expr) -> bool {
    value_of(expr).is_some_and(|value| value.ty() == Type::Number)
}

/// Whether it is a text that HCL's `replace` does not take for a regular expression.
fn is_plain(expr: &Expr) -> bool {
    let text = value_of(expr).and_then(Value::as_str);
    text.is_some_and(|text| !(text.len() > 1 && text.starts_with('/') && text.ends_with('/')))
}

/// Whether a count of replacements means all of them.
fn is_all(expr: &Expr) -> bool {
    let number = value_of(expr).and_then(Value::as_number);
    number.is_some_and(|number| number.to_string().starts_with('-'))
}
