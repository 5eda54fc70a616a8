//! Texts with Go templates as expressions.
//!
//! What HCL can say becomes an interpolation. What only the component or the template engine knows (`{{ .Path }}`,
//! `{{ if … }}`, `{{ timestamp }}` in an option) stays as text, for the engine that renders options when they are used.

use std::ops::Range;

use imgc_syntax::Span;

use super::Lower;
use super::action::{self, Action, Command, Pipeline, Segment, Term, TermKind};
use super::express::{Express, call};
use super::functions::{self, Usable, Where};
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::eval;
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
        let segments = match action::parse(&text.text) {
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

    /// Complains about functions that do not exist, or not here, and notes the variables that are used.
    fn check(&mut self, pipeline: &Pipeline) {
        for (at, command) in pipeline.commands.iter().enumerate() {
            self.check_command(command, at > 0);
        }
    }

    fn check_command(&mut self, command: &Command, piped: bool) {
        let Some((first, rest)) = command.terms.split_first() else {
            return;
        };
        if matches!(first.kind, TermKind::Function) {
            self.check_function(first, Some((rest, piped)), &command.range);
        } else if let TermKind::Paren(inner) = &first.kind {
            self.check(inner);
        }
        for term in rest {
            match &term.kind {
                TermKind::Function => self.check_function(term, Some((&[], false)), &term.range),
                TermKind::Paren(inner) => self.check(inner),
                _ => {}
            }
        }
    }

    fn check_function(
        &mut self,
        function: &Term,
        arguments: Option<(&[Term], bool)>,
        whole: &Range<usize>,
    ) {
        let name = self.word(&function.range).to_owned();
        let span = self.span(&function.range);
        let Some(known) = functions::find(&name) else {
            return self.fail(unknown(&name, span));
        };
        match known.usable {
            Usable::Removed => {
                return self.fail(
                    Diagnostic::error(
                        "legacy/removed-function",
                        span,
                        format!("the function `{name}` does not exist any more"),
                    )
                    .help("use `replace` or `replace_all`, such as ``{{ user `name` | replace_all `old` `new` }}``"),
                );
            }
            Usable::Renamed(now) => self.lower.out.push(
                Diagnostic::warning(
                    "legacy/renamed-function",
                    span,
                    format!("the function `{name}` is called `{now}` now"),
                )
                .help(format!("write `{now}`"))
                .fix(
                    format!("change `{name}` to `{now}`"),
                    Edit::replace(span, now),
                ),
            ),
            usable => {
                if let Some((why, help)) = functions::misplaced(usable, self.express.place) {
                    return self.fail(
                        Diagnostic::error(
                            "legacy/function-out-of-place",
                            span,
                            format!("`{name}` {why}"),
                        )
                        .help(help),
                    );
                }
            }
        }
        let Some((arguments, piped)) = arguments else {
            return;
        };
        let found = arguments.len() + usize::from(piped);
        if let Some((least, most)) = known.arguments
            && !(least..=most).contains(&found)
        {
            let wanted = match (least, most) {
                (0, 0) => "no argument".to_owned(),
                (1, 1) => "one argument".to_owned(),
                (0, 1) => "at most one argument".to_owned(),
                (1, 2) => "one or two arguments".to_owned(),
                _ => format!("{least} arguments"),
            };
            let place = self.span(whole);
            return self.fail(
                Diagnostic::error(
                    "legacy/function-arguments",
                    place,
                    format!("`{name}` takes {wanted}, found {found}"),
                )
                .help(example(&name)),
            );
        }
        if name == "user"
            && let [
                Term {
                    kind: TermKind::Text(variable),
                    range,
                },
            ] = arguments
        {
            let place = self.span(&(range.start + 1..range.end - 1));
            self.lower.use_variable(variable, place, self.express.place);
        }
    }

    fn fail(&mut self, diagnostic: Diagnostic) {
        self.failed = true;
        self.lower.out.push(diagnostic);
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

fn unknown(name: &str, span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "legacy/unknown-function",
        span,
        format!("templates have no function `{name}`"),
    );
    match nearest(name, functions::names()) {
        Some(near) => diagnostic
            .help(format!("there is one with a similar name: `{near}`"))
            .guess(
                format!("change `{name}` to `{near}`"),
                Edit::replace(span, near),
            ),
        None => diagnostic.help(format!(
            "for a variable write ``{{{{ user `{name}` }}}}``; for two braces as they are write {{{{ `{{{{` }}}}"
        )),
    }
}

fn example(function: &str) -> String {
    let example = match function {
        "user" => "{{ user `name` }}",
        "env" => "{{ env `HOME` }}",
        "build" => "{{ build `ID` }}",
        "split" => "{{ split build_name `-` 0 }}",
        "replace" => "{{ replace `old` `new` 1 build_name }}",
        "replace_all" => "{{ replace_all `old` `new` build_name }}",
        "isotime" => "{{ isotime `2006-01-02` }}",
        "strftime" => "{{ strftime `%Y-%m-%d` }}",
        "vault" => "{{ vault `secret/data/web` `password` }}",
        _ => return format!("write it as in {{{{ {function} … }}}}"),
    };
    format!("write it as in `{example}`")
}
