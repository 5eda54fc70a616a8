//! What is wrong with the functions that an action calls.
//!
//! In: the pipeline of an action and where its text stands. Out: [`Fault`]s with their places in the text: functions that
//! do not exist or have no meaning there, and arguments that they do not take. Fields (`{{ .Path }}`) are the component's
//! own, and not looked at.

use std::ops::Range;

use super::functions::{self, Function, Usable, Where};
use super::{Command, Pipeline, Term, TermKind};
use crate::diagnostic::nearest;

/// One mistake.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Where, in the text.
    pub(crate) range: Range<usize>,
    /// Which.
    pub(crate) kind: FaultKind,
    /// What is wrong.
    pub(crate) message: String,
    /// The way out.
    pub(crate) help: String,
    /// The function that is meant, or may be.
    pub(crate) near: Option<&'static str>,
}

/// The kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// No such function.
    Unknown,
    /// The function does not exist any more.
    Removed,
    /// It goes by another name now.
    Renamed,
    /// It has no meaning at this place.
    Misplaced,
    /// Too few, too many or wrong arguments.
    Arguments,
}

/// The mistakes of a pipeline, in the order of the text.
pub(crate) fn faults(text: &str, pipeline: &Pipeline, place: Where) -> Vec<Fault> {
    let mut check = Check {
        text,
        place,
        found: Vec::new(),
    };
    check.pipeline(pipeline);
    check.found
}

/// The variables that a pipeline asks for by their written names (``user `name` ``), each with the place of the name.
pub(crate) fn variables<'p>(text: &str, pipeline: &'p Pipeline) -> Vec<(&'p str, Range<usize>)> {
    let mut found = Vec::new();
    for (at, command) in pipeline.commands.iter().enumerate() {
        if let [function, argument] = &command.terms[..]
            && at == 0
            && matches!(function.kind, TermKind::Function)
            && &text[function.range.clone()] == "user"
            && let TermKind::Text(name) = &argument.kind
        {
            let range = argument.range.start + 1..argument.range.end - 1;
            found.push((name.as_str(), range));
        }
        for term in &command.terms {
            if let TermKind::Paren(inner) = &term.kind {
                found.extend(variables(text, inner));
            }
        }
    }
    found
}

/// An argument as far as its type is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Bool,
    /// Only rendering tells.
    Open,
}

/// An argument with its place.
type Argument = (Kind, Range<usize>);

struct Check<'t> {
    text: &'t str,
    place: Where,
    found: Vec<Fault>,
}

impl Check<'_> {
    fn word(&self, range: &Range<usize>) -> &str {
        &self.text[range.clone()]
    }

    /// Checks the commands; says what the last one gives.
    fn pipeline(&mut self, pipeline: &Pipeline) -> Kind {
        let mut piped: Option<Argument> = None;
        for command in &pipeline.commands {
            let kind = self.command(command, piped.take());
            piped = Some((kind, command.range.clone()));
        }
        piped.map_or(Kind::Open, |(kind, _)| kind)
    }

    fn command(&mut self, command: &Command, piped: Option<Argument>) -> Kind {
        let Some((first, rest)) = command.terms.split_first() else {
            return Kind::Open;
        };
        let kind = match first.kind {
            TermKind::Function => None,
            _ => Some(self.term(first)),
        };
        let mut arguments: Vec<Argument> = rest
            .iter()
            .map(|term| (self.term(term), term.range.clone()))
            .collect();
        arguments.extend(piped);
        kind.unwrap_or_else(|| self.call(first, &arguments, &command.range))
    }

    fn term(&mut self, term: &Term) -> Kind {
        match &term.kind {
            TermKind::Function => self.call(term, &[], &term.range),
            TermKind::Text(_) => Kind::Text,
            TermKind::Number => Kind::Number,
            TermKind::Bool => Kind::Bool,
            TermKind::Paren(inner) => self.pipeline(inner),
            TermKind::Member(of) => {
                self.term(of);
                Kind::Open
            }
            TermKind::Other => Kind::Open,
        }
    }

    /// Checks a call; says what it gives.
    fn call(&mut self, function: &Term, arguments: &[Argument], whole: &Range<usize>) -> Kind {
        let name = self.word(&function.range).to_owned();
        let Some(known) = functions::find(&name) else {
            self.found.push(unknown(&name, function.range.clone()));
            return Kind::Open;
        };
        if let Some(fault) = misused(known, function.range.clone(), self.place) {
            let stops = fault.kind != FaultKind::Renamed;
            self.found.push(fault);
            if stops {
                return Kind::Open;
            }
        }
        let Some((least, most)) = known.arguments else {
            return Kind::Open;
        };
        if !(least..=most).contains(&arguments.len()) {
            self.found.push(Fault {
                range: whole.clone(),
                kind: FaultKind::Arguments,
                message: format!(
                    "`{name}` takes {}, found {}",
                    count(least, most),
                    arguments.len()
                ),
                help: example(&name),
                near: None,
            });
            return Kind::Text;
        }
        for (at, (kind, range)) in arguments.iter().enumerate() {
            let found = match (known.number == Some(at), kind) {
                (_, Kind::Open) | (true, Kind::Number) | (false, Kind::Text) => continue,
                (_, Kind::Text) => "a text",
                (_, Kind::Number) => "a number",
                (_, Kind::Bool) => "true or false",
            };
            let wanted = match known.number == Some(at) {
                true => "a number",
                false => "a text",
            };
            self.found.push(Fault {
                range: range.clone(),
                kind: FaultKind::Arguments,
                message: format!("argument {} of `{name}` is {wanted}, found {found}", at + 1),
                help: example(&name),
                near: None,
            });
            // Arguments in the wrong order are one mistake.
            break;
        }
        Kind::Text
    }
}

/// Whether a word that is no function is written as fields are: the dot is missing.
pub(crate) fn is_field(word: &str) -> bool {
    word.starts_with(char::is_uppercase)
}

fn unknown(name: &str, range: Range<usize>) -> Fault {
    let near = nearest(name, functions::names());
    Fault {
        range,
        kind: FaultKind::Unknown,
        message: format!("templates have no function `{name}`"),
        help: match near {
            Some(near) => format!("there is one with a similar name: `{near}`"),
            None if is_field(name) => {
                format!("for one of the component's own values write `{{{{ .{name} }}}}`")
            }
            None => format!(
                "for a variable write ``{{{{ user `{name}` }}}}``; for two braces as they are write {{{{ `{{{{` }}}}"
            ),
        },
        near,
    }
}

/// What is wrong with a function, whatever its arguments.
fn misused(function: &Function, range: Range<usize>, place: Where) -> Option<Fault> {
    let name = function.name;
    Some(match function.usable {
        Usable::Removed => Fault {
            range,
            kind: FaultKind::Removed,
            message: format!("the function `{name}` does not exist any more"),
            help: "use `replace` or `replace_all`, such as ``{{ user `name` | replace_all `old` `new` }}``"
                .to_owned(),
            near: None,
        },
        Usable::Renamed(now) => Fault {
            range,
            kind: FaultKind::Renamed,
            message: format!("the function `{name}` is called `{now}` now"),
            help: format!("write `{now}`"),
            near: Some(now),
        },
        usable => {
            let (why, help) = functions::misplaced(usable, place)?;
            Fault {
                range,
                kind: FaultKind::Misplaced,
                message: format!("`{name}` {why}"),
                help: help.to_owned(),
                near: None,
            }
        }
    })
}

fn count(least: usize, most: usize) -> String {
    match (least, most) {
        (0, 0) => "no argument".to_owned(),
        (1, 1) => "one argument".to_owned(),
        (0, 1) => "at most one argument".to_owned(),
        (1, 2) => "one or two arguments".to_owned(),
        _ => format!("{least} arguments"),
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
