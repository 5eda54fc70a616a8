//! Texts with Go templates as expressions.
//!
//! What HCL can say becomes an interpolation. What only the component or the template engine knows (`{{ .Path }}`,
//! `{{ if … }}`, `{{ timestamp }}` in an option) stays as text, for the engine that renders options when they are used.

use std::ops::Range;

use imgc_syntax::Span;

use super::Lower;
use super::express::{Express, call};
use crate::diagnostic::{Diagnostic, Edit};
use crate::eval;
use crate::go_template::functions::{self, Usable, Where};
use crate::go_template::{self, Action, Fault, FaultKind, Pipeline, Segment, Term, TermKind};
use crate::hir::{Expr, ExprKind, Name, Part};
use crate::lower::tree::Text;
use crate::value::Value;

/// One text on its way.
struct Work<'l, 'o, 't> {
    lower: &'l mut Lower<'o>,
    express: Express<'t>,
    /// Something was complained about.
    failed: bool,
    /// Something is left to the template engine.
    late: Option<Span>,
    parts: Vec<Part>,
    /// The text after the last of `parts`.
    text: String,
}

impl Lower<'_> {
    /// The expression for a text that stands at `place`; `span` is that of the text with its quotes.
    pub(super) fn text(&mut self, text: &Text, span: Span, place: Where) -> Expr {
        let literal = |text: &str| Expr {
            kind: ExprKind::Literal(Value::string(text)),
            span,
        };
        if !text.text.contains("{{") {
            return literal(&text.text);
        }
        let error = Expr {
            kind: ExprKind::Error,
            span,
        };
        let segments = match go_template::parse(&text.text) {
            Ok(segments) => segments,
            Err(problem) => {
                let range = &problem.range;
                let place = text.map.span(range.start as u32, range.end as u32);
                self.out.push(
                    Diagnostic::error("legacy/template-syntax", place, problem.message)
                        .help(problem.help),
                );
                return error;
            }
        };
        let mut work = Work {
            lower: self,
            express: Express {
                source: text,
                place,
            },
            failed: false,
            late: None,
            parts: Vec::with_capacity(segments.len()),
            text: String::new(),
        };
        for segment in &segments {
            match segment {
                Segment::Text(range) => work.push_text(&text.text[range.clone()]),
                Segment::Action(action) => work.action(action),
            }
        }
        work.end_text();
        let Work {
            failed,
            late,
            mut parts,
            ..
        } = work;
        if failed {
            return error;
        }
        if let (Where::Early, Some(late)) = (place, late) {
            self.out.push(
                Diagnostic::error(
                    "legacy/late-template",
                    late,
                    "this is known only while a build runs, and needed before",
                )
                .help("use ``{{ user `name` }}`` and functions of texts and times here"),
            );
            return error;
        }
        match parts.as_mut_slice() {
            [] => literal(""),
            [Part::Literal(text)] => literal(text),
            _ => Expr {
                kind: ExprKind::Template(parts),
                span,
            },
        }
    }
}

impl Work<'_, '_, '_> {
    fn span(&self, range: &Range<usize>) -> Span {
        let map = &self.express.source.map;
        map.span(range.start as u32, range.end as u32)
    }

    fn word(&self, range: &Range<usize>) -> &str {
        &self.express.source.text[range.clone()]
    }

    fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.parts.push(Part::Literal(text.into()));
        }
    }

    fn push(&mut self, expr: Expr) {
        match &expr.kind {
            ExprKind::Literal(value) if value.as_str().is_some() => {
                self.text.push_str(value.as_str().unwrap_or_default());
            }
            _ => {
                self.end_text();
                self.parts.push(Part::Interpolation(expr));
            }
        }
    }

    fn action(&mut self, action: &Action) {
        if let Some(pipeline) = &action.pipeline {
            self.check(pipeline);
        }
        let expressed = match (&action.keyword, &action.pipeline) {
            (None, Some(pipeline)) => self.express.pipeline(pipeline),
            _ => None,
        };
        match expressed {
            Some(expr) => self.push(expr),
            None => self.keep(action),
        }
    }

    /// Leaves an action to the template engine, with the variables in it replaced by their values.
    fn keep(&mut self, action: &Action) {
        self.late.get_or_insert(self.span(&action.inner));
        let mut replaced = Vec::new();
        if let Some(pipeline) = &action.pipeline {
            self.variables_of(pipeline, &mut replaced);
        }
        self.push_text("{{");
        let mut at = action.inner.start;
        for (range, with) in replaced {
            let before = self.word(&(at..range.start)).to_owned();
            self.push_text(&before);
            match with {
                Replacement::Word(word) => self.push_text(word),
                // A text in JSON's quotes is one in Go's.
                Replacement::Value(expr) => {
                    let span = expr.span;
                    let name = Name {
                        text: "jsonencode".into(),
                        span,
                    };
                    self.push(call(name, vec![expr], span));
                }
            }
            at = range.end;
        }
        let rest = self.word(&(at..action.inner.end)).to_owned();
        self.push_text(&rest);
        self.push_text("}}");
    }

    fn variables_of(&self, pipeline: &Pipeline, out: &mut Vec<(Range<usize>, Replacement)>) {
        for (at, command) in pipeline.commands.iter().enumerate() {
            if at == 0
                && let Some(expr) = self.express.alone(command).filter(uses_variables)
            {
                out.push((command.range.clone(), Replacement::Value(expr)));
                continue;
            }
            for term in &command.terms {
                self.variables_of_term(term, out);
            }
        }
    }

    fn variables_of_term(&self, term: &Term, out: &mut Vec<(Range<usize>, Replacement)>) {
        match &term.kind {
            TermKind::Paren(inner) => match self.express.pipeline(inner).filter(uses_variables) {
                Some(expr) => out.push((term.range.clone(), Replacement::Value(expr))),
                None => self.variables_of(inner, out),
            },
            TermKind::Function => {
                let function = functions::find(self.word(&term.range));
                if let Some(Usable::Renamed(now)) = function.map(|function| function.usable) {
                    out.push((term.range.clone(), Replacement::Word(now)));
                }
            }
            _ => {}
        }
    }

    /// Complains about what is wrong with the functions of an action, and notes the variables that are used.
    fn check(&mut self, pipeline: &Pipeline) {
        let source = self.express.source;
        for fault in go_template::faults(&source.text, pipeline, self.express.place) {
            self.failed |= fault.kind != FaultKind::Renamed;
            self.complain(fault);
        }
        for (name, range) in go_template::variables(&source.text, pipeline) {
            let place = self.span(&range);
            self.lower.use_variable(name, place, self.express.place);
        }
    }

    fn complain(&mut self, fault: Fault) {
        let span = self.span(&fault.range);
        let error = |id| Diagnostic::error(id, span, &fault.message);
        let mut diagnostic = match fault.kind {
            FaultKind::Unknown => error("legacy/unknown-function"),
            FaultKind::Removed => error("legacy/removed-function"),
            FaultKind::Renamed => {
                Diagnostic::warning("legacy/renamed-function", span, &fault.message)
            }
            FaultKind::Misplaced => error("legacy/function-out-of-place"),
            FaultKind::Arguments => error("legacy/function-arguments"),
        };
        if let Some(near) = fault.near {
            let title = format!("change `{}` to `{near}`", self.word(&fault.range));
            let edit = Edit::replace(span, near);
            diagnostic = match fault.kind {
                FaultKind::Renamed => diagnostic.fix(title, edit),
                _ => diagnostic.guess(title, edit),
            };
        }
        self.lower.out.push(diagnostic.help(fault.help));
    }
}

/// What takes the place of a part of an action.
enum Replacement {
    Word(&'static str),
    Value(Expr),
}

fn uses_variables(expr: &Expr) -> bool {
    let references = eval::references(expr);
    references.iter().any(|reference| reference.root == "var")
}
