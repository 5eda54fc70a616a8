//! What implementations say about options, made fit to be shown.
//!
//! In: the problems of a component's check, the options it saw, what has been reported about them already. Out:
//! diagnostics that hold no secret, and none about a mistake that has been reported.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::{find_inner_option, find_option};
use crate::components::{Behind, ComponentKind, Components, Problem};
use crate::diagnostic::Diagnostic;
use crate::hir::{Body, Expr};
use crate::redact::sensitive_strings;
use crate::types::Type;
use crate::value::{Data, HIDDEN, Value};

/// A component whose implementation is asked.
pub(crate) struct Asked<'a> {
    pub(crate) kind: ComponentKind,
    pub(crate) name: &'a str,
    /// What it sees.
    pub(crate) options: &'a Value,
    /// Where these are written.
    pub(crate) bodies: &'a [&'a Body],
    /// Where problems with the component as a whole are shown.
    pub(crate) span: Span,
}

impl Asked<'_> {
    /// What the implementation has to say beyond what is in `reported`.
    pub(crate) fn problems(
        &self,
        components: &dyn Components,
        reported: &[Diagnostic],
    ) -> Vec<Diagnostic> {
        self.found(
            &|options| components.check(self.kind, self.name, options),
            reported,
        )
    }

    /// The same of a post-processor and what makes its artifact.
    pub(crate) fn problems_behind(
        &self,
        components: &dyn Components,
        behind: Behind<'_>,
        reported: &[Diagnostic],
    ) -> Vec<Diagnostic> {
        self.found(
            &|options| components.check_behind(self.name, options, behind),
            reported,
        )
    }

    fn found(
        &self,
        check: &dyn Fn(&Value) -> Vec<Problem>,
        reported: &[Diagnostic],
    ) -> Vec<Diagnostic> {
        let problems = check(self.options).into_iter();
        let mut problems: Vec<Problem> = problems
            .filter(|problem| !self.is_reported(problem, reported))
            .collect();
        if !problems.is_empty() && self.options.contains_sensitive() {
            let harmless = check(&stand_in(self.options, false));
            let secrets = sensitive_strings(self.options);
            for problem in &mut problems {
                self.keep_secrets(problem, &secrets, &harmless);
            }
        }
        problems
            .into_iter()
            .map(|problem| self.diagnostic("check/invalid-option", problem))
            .collect()
    }

    /// What became of reading it, where that failed.
    pub(crate) fn failure(&self, id: &'static str, problem: Problem) -> Diagnostic {
        let secrets = sensitive_strings(self.options);
        self.diagnostic(id, masked(&problem, &secrets))
    }

    fn diagnostic(&self, id: &'static str, problem: Problem) -> Diagnostic {
        let place = self.place(&problem).unwrap_or(self.span);
        let mut diagnostic = Diagnostic::error(id, place, problem.message);
        diagnostic.help = problem.help;
        diagnostic
    }

    /// What an option is given, or one of a block.
    fn given(&self, option: &str) -> Option<&Expr> {
        find_option(self.bodies, option).or_else(|| find_inner_option(self.bodies, option))
    }

    /// Where the first option stands that it is about and that is given.
    fn place(&self, problem: &Problem) -> Option<Span> {
        let given = |option: &String| self.given(option);
        Some(problem.options.iter().find_map(given)?.span)
    }

    /// Whether an error says so already: at the value of one of the options, or that one of them is missing.
    fn is_reported(&self, problem: &Problem, reported: &[Diagnostic]) -> bool {
        let given = problem.options.iter();
        let given = given.filter_map(|option| self.given(option));
        let places: Vec<Span> = given.map(|option| option.span).collect();
        let is_inside = |span: Span| {
            let around = |place: &Span| {
                place.file == span.file && place.start <= span.start && span.end <= place.end
            };
            places.iter().any(around)
        };
        let is_of = |name: &SmolStr| problem.options.iter().any(|option| option == name);
        let mut errors = reported.iter().filter(|diagnostic| diagnostic.is_error());
        errors.any(|error| {
            is_inside(error.span)
                || error.labels.iter().any(|label| is_inside(label.span))
                || error.lacking.iter().any(is_of)
        })
    }

    /// Leaves of a problem only what is said of harmless values in the place of secrets as well: so it tells nothing of
    /// them, however the implementation cuts or converts what it shows.
    fn keep_secrets(&self, problem: &mut Problem, secrets: &[String], harmless: &[Problem]) {
        if harmless.contains(problem) {
            return;
        }
        let masked = masked(problem, secrets);
        if harmless.contains(&masked) {
            *problem = masked;
            return;
        }
        let what = format!("{} `{}`", self.kind.word(), self.name);
        // A name that the implementation made of a value is none of an option.
        problem
            .options
            .retain(|option| self.given(option).is_some());
        problem.message = match problem.options.first() {
            Some(option) => format!("{what} cannot use this value of `{option}`"),
            None => format!("{what} cannot use these options"),
        };
        problem.help = Some(
            "a sensitive value has a part in it, so no more is shown; look at that value where it is set"
                .to_owned(),
        );
    }
}

/// A problem without the texts that must not be shown.
fn masked(problem: &Problem, secrets: &[String]) -> Problem {
    // Long ones first: others may be parts of them.
    let mut secrets: Vec<&String> = secrets.iter().collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mask = |text: &String| {
        let hide = |text: String, secret: &&String| text.replace(secret.as_str(), HIDDEN);
        secrets.iter().fold(text.clone(), hide)
    };
    Problem {
        options: problem.options.clone(),
        message: mask(&problem.message),
        help: problem.help.as_ref().map(mask),
    }
}

/// The options with other values where they are sensitive. What is empty stays so: whether a secret is given is none.
fn stand_in(value: &Value, sensitive: bool) -> Value {
    let sensitive = sensitive || value.is_sensitive();
    let parts = |parts: &[Value]| -> Vec<Value> {
        parts.iter().map(|part| stand_in(part, sensitive)).collect()
    };
    let entries = |entries: &std::collections::BTreeMap<SmolStr, Value>| {
        let entries = entries.iter().enumerate();
        let entries = entries.map(|(at, (key, part))| {
            let key = match sensitive {
                true => SmolStr::from(format!("{HIDDEN}{at}")),
                false => key.clone(),
            };
            (key, stand_in(part, sensitive))
        });
        entries.collect::<Vec<_>>()
    };
    let other = match value.data() {
        Data::String(text) if sensitive && !text.is_empty() => Value::string(HIDDEN),
        Data::Bool(truth) if sensitive => Value::bool(!truth),
        Data::Number(number) if sensitive => Value::number(match number.to_string() == "1" {
            true => 2,
            false => 1,
        }),
        Data::List(ty, elements) => Value::list(element_type(ty, sensitive), parts(elements)),
        Data::Set(ty, elements) => Value::set(element_type(ty, sensitive), parts(elements)),
        Data::Tuple(elements) => Value::tuple(parts(elements)),
        Data::Map(ty, map) => Value::map(element_type(ty, sensitive), entries(map)),
        Data::Object(object) => Value::object(entries(object)),
        _ => value.clone(),
    };
    other.mark(sensitive)
}

/// The type of elements that have been replaced: the names in objects are others.
fn element_type(ty: &Type, sensitive: bool) -> Type {
    match (sensitive, ty) {
        (true, Type::Object(_)) => Type::Any,
        _ => ty.clone(),
    }
}
