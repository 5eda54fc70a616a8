//! Go templates (`{{ … }}`) in the values of options.
//!
//! In: an option's value and the expression it came from. Out: problems of templates that cannot be parsed, and of
//! functions that do not exist or cannot be used so, each at its place in the text. What a template asks the component
//! for (`{{ .Path }}`) is not looked at: only the component knows it.

use std::ops::Range;

use imgc_syntax::Span;

use super::Subject;
use crate::components::ComponentKind;
use crate::diagnostic::{Diagnostic, Edit};
use crate::eval::Context;
use crate::go_template::functions::Where;
use crate::go_template::{self, Fault, FaultKind, Problem, Segment};
use crate::hir::{Body, Expr, ExprKind, Part};
use crate::value::{Data, Value};

/// Checks the templates of an option, where the component has its options rendered.
///
/// Those of legacy templates have been looked at when they were read.
pub(super) fn check(
    subject: &Subject<'_>,
    body: &Body,
    value: &Value,
    expr: &Expr,
    cx: &mut Context<'_>,
) {
    let place = match subject.component.kind {
        Some(ComponentKind::Builder) => Where::Builder,
        Some(ComponentKind::Provisioner | ComponentKind::PostProcessor) => Where::Build,
        Some(ComponentKind::Communicator | ComponentKind::DataSource) | None => return,
    };
    if !body.weak {
        values(place, value, expr, cx);
    }
}

/// Checks the texts of a value; `expr` is what it came from, or what the value came from that it is a part of.
fn values(place: Where, value: &Value, expr: &Expr, cx: &mut Context<'_>) {
    match value.data() {
        Data::String(text) if text.contains("{{") => {
            report(problems(text, place), text, value, expr, cx);
        }
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            for (at, part) in parts.iter().enumerate() {
                let inner = match &expr.kind {
                    ExprKind::Tuple(elements) => elements.get(at),
                    _ => None,
                };
                values(place, part, inner.unwrap_or(expr), cx);
            }
        }
        Data::Map(_, parts) | Data::Object(parts) => {
            for (name, part) in parts.iter() {
                let inner = match &expr.kind {
                    ExprKind::Object(entries) => entries.iter().find(|(key, _)| {
                        matches!(&key.kind, ExprKind::Literal(key) if key.as_str() == Some(name))
                    }),
                    _ => None,
                };
                values(place, part, inner.map_or(expr, |(_, value)| value), cx);
            }
        }
        Data::Unknown(_) => around_unknown(place, value, expr, cx),
        _ => {}
    }
}

/// Of a text that is not known yet, what stands between the interpolations: each piece that is a whole template.
fn around_unknown(place: Where, value: &Value, expr: &Expr, cx: &mut Context<'_>) {
    let ExprKind::Template(parts) = &expr.kind else {
        return;
    };
    for part in parts {
        if let Part::Literal(text) = part
            && text.contains("{{")
        {
            let mut problems = problems(text, place);
            problems.retain(|problem| problem.id != SYNTAX);
            report(problems, text, value, expr, cx);
        }
    }
}

fn report(problems: Vec<Wrong>, text: &str, value: &Value, expr: &Expr, cx: &mut Context<'_>) {
    for problem in problems {
        let diagnostic = diagnostic(problem, text, expr, !value.is_sensitive(), cx);
        cx.report(diagnostic);
    }
}

const SYNTAX: &str = "check/template-syntax";

/// Something wrong with a template.
struct Wrong {
    id: &'static str,
    range: Range<usize>,
    message: String,
    help: String,
    /// The function that may be meant, and whether it surely is.
    near: Option<(&'static str, bool)>,
}

fn problems(text: &str, place: Where) -> Vec<Wrong> {
    let segments = match go_template::parse(text) {
        Ok(segments) => segments,
        Err(problem) => return vec![malformed(problem)],
    };
    let actions = segments.iter().filter_map(|segment| match segment {
        Segment::Action(action) => action.pipeline.as_ref(),
        Segment::Text(_) => None,
    });
    let mut problems = Vec::new();
    for pipeline in actions {
        let faults = go_template::faults(text, pipeline, place);
        problems.extend(faults.into_iter().map(|fault| wrong(fault, text)));
        let variables = go_template::variables(text, pipeline);
        problems.extend(variables.into_iter().map(of_legacy_templates));
    }
    problems
}

/// ``{{ user `name` }}``, for which Packer knows no variables here either.
fn of_legacy_templates((name, range): (&str, Range<usize>)) -> Wrong {
    Wrong {
        id: "check/template-function",
        range,
        message: "`user` knows the variables of legacy JSON templates only".to_owned(),
        help: format!("write `${{var.{name}}}`"),
        near: None,
    }
}

fn malformed(problem: Problem) -> Wrong {
    Wrong {
        id: SYNTAX,
        range: problem.range,
        message: problem.message,
        help: problem.help.to_owned(),
        near: None,
    }
}

fn wrong(fault: Fault, text: &str) -> Wrong {
    let word = &text[fault.range.clone()];
    let certain = fault.kind == FaultKind::Renamed;
    let (id, help) = match fault.kind {
        FaultKind::Unknown if fault.near.is_none() && !go_template::is_field(word) => (
            "check/template-function",
            format!(
                "for a variable write `${{var.{word}}}`; for two braces as they are write {{{{ `{{{{` }}}}"
            ),
        ),
        FaultKind::Unknown | FaultKind::Renamed => ("check/template-function", fault.help),
        FaultKind::Removed => (
            "check/template-function",
            "use `replace` or `regex_replace` in `${ … }`".to_owned(),
        ),
        FaultKind::Misplaced => ("check/template-function", misplaced(word, &fault.help)),
        FaultKind::Arguments => ("check/template-arguments", fault.help),
    };
    Wrong {
        id,
        range: fault.range,
        message: fault.message,
        help,
        near: fault.near.map(|near| (near, certain)),
    }
}

/// The way out where a function has no meaning in an option.
fn misplaced(function: &str, help: &str) -> String {
    match function {
        "env" | "vault" | "consul_key" | "aws_secretsmanager" | "aws_secretsmanager_raw" => {
            format!("give a variable `default = {function}(\"…\")`, and write `${{var.NAME}}` here")
        }
        _ => help.to_owned(),
    }
}

/// The problem at its place; of a text that is `shown` to nobody only that there is one.
fn diagnostic(wrong: Wrong, text: &str, expr: &Expr, shown: bool, cx: &Context<'_>) -> Diagnostic {
    if !shown {
        let message = "a Go template in this value cannot be rendered";
        return Diagnostic::error(wrong.id, expr.span, message)
            .help("`{{` begins one; for two braces as they are write {{ `{{` }}");
    }
    let found = cx
        .texts
        .and_then(|texts| find(texts.text(expr.span), text, &wrong.range));
    let place = found.map(|found| Span {
        start: expr.span.start + found.start as u32,
        end: expr.span.start + found.end as u32,
        ..expr.span
    });
    let span = place.unwrap_or(expr.span);
    let mut diagnostic = Diagnostic::error(wrong.id, span, wrong.message).help(wrong.help);
    if place.is_none() {
        diagnostic = diagnostic.here(format!("its text is `{}`", shortened(text, &wrong.range)));
    }
    let (Some((near, certain)), Some(place)) = (wrong.near, place) else {
        return diagnostic;
    };
    let title = format!("change `{}` to `{near}`", &text[wrong.range]);
    match certain {
        true => diagnostic.fix(title, Edit::replace(place, near)),
        false => diagnostic.guess(title, Edit::replace(place, near)),
    }
}

/// The line that has a part of a text in it, cut where it is long.
fn shortened<'t>(text: &'t str, part: &Range<usize>) -> &'t str {
    const MOST: usize = 60;
    let start = text[..part.start].rfind("{{").unwrap_or(part.start);
    let line = text[start..].lines().next().unwrap_or_default();
    let end = line
        .char_indices()
        .nth(MOST)
        .map_or(line.len(), |(at, _)| at);
    &line[..end]
}

/// Where a part of a decoded text stands in the source of the expression that gives it, if it can be told: the text as a
/// whole, the line, or the action around the part must be there as they are, or with quotes escaped.
fn find(source: &str, text: &str, part: &Range<usize>) -> Option<Range<usize>> {
    let line_start = text[..part.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[part.start..]
        .find('\n')
        .map_or(text.len(), |at| part.start + at);
    let blanks = text[line_start..line_end].len() - text[line_start..line_end].trim_start().len();
    let line = (line_start + blanks).min(part.start)..line_end;
    let open = text[..part.end].rfind("{{").unwrap_or(part.start);
    let close = text[part.start..]
        .find("}}")
        .map_or(part.end, |at| part.start + at + 2);
    let action = open.min(part.start)..close.max(part.end).min(line_end.max(part.end));
    [0..text.len(), line, action]
        .into_iter()
        .find_map(|around| within(source, text, &around, part))
}

/// Where a part stands in a source that holds what is around it.
fn within(
    source: &str,
    text: &str,
    around: &Range<usize>,
    part: &Range<usize>,
) -> Option<Range<usize>> {
    let end = part.end.min(around.end);
    if part.start < around.start || end < part.start {
        return None;
    }
    let whole = &text[around.clone()];
    let plain = |text: &str| text.to_owned();
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let forms: [&dyn Fn(&str) -> String; 2] = [&plain, &quoted];
    forms.into_iter().find_map(|form| {
        let at = occurrence(source, text, around.start, &form(whole))?;
        let start = at + form(&text[around.start..part.start]).len();
        Some(start..start + form(&text[part.start..end]).len())
    })
}

/// Of several places in the source, the one that comes as late among them as the part does in the text.
fn occurrence(source: &str, text: &str, start: usize, wanted: &str) -> Option<usize> {
    let before = text[..start].matches(wanted).count();
    let mut places = source.match_indices(wanted).map(|(at, _)| at);
    places.nth(before).or_else(|| source.find(wanted))
}

#[cfg(test)]
mod tests {
    use super::find;

    /// The part of the source that is found for a part of the text.
    fn found<'s>(source: &'s str, text: &str, part: &str) -> Option<(usize, &'s str)> {
        let start = text.rfind(part)?;
        let found = find(source, text, &(start..start + part.len()))?;
        Some((found.start, &source[found]))
    }

    #[test]
    fn parts_are_found_as_they_are_written() {
        let cases = [
            ("\"a {{ foo }}\"", "a {{ foo }}", Some((6, "foo"))),
            // Escaped.
            (
                r#""a\n{{ foo \"x\" }}""#,
                "a\n{{ foo \"x\" }}",
                Some((7, "foo")),
            ),
            // Interpolated around.
            ("\"${x}{{ foo }}\"", "value{{ foo }}", Some((8, "foo"))),
            // Indented, and with another one before.
            (
                "<<-EOT\n  {{ foo }}\n  b {{ foo }}\n  EOT",
                "{{ foo }}\nb {{ foo }}\n",
                Some((26, "foo")),
            ),
            // Somewhere else.
            ("local.text", "a {{ foo }}", None),
        ];
        for (source, text, wanted) in cases {
            assert_eq!(found(source, text, "foo"), wanted, "{source}");
        }
    }
}
