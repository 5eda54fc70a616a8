//! Other builds' artifacts as values: `build.NAME….artifact`.
//!
//! In: the builds of a template by name, and the steps of a traversal that begins with `build`. Out: the artifact's
//! value, unknown in a plan and known in a run, and a note of which build it came from: that becomes an edge of the
//! graph. Parts of a build's name that leave no choice may be left out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use imgc_syntax::Span;
use indexmap::IndexMap;
use smol_str::SmolStr;

use crate::diagnostic::registry::Entry as Id;
use crate::diagnostic::{Certainty, Diagnostic, Edit, nearest};
use crate::eval::{PathStep, Reference};
use crate::late::{LateId, Overlay, Tree};
use crate::module::quoted_list;
use crate::plan::Key;
use crate::scope::{BUILD_MEMBERS, BuildValues, Names};
use crate::types::Type;
use crate::value::Value;

/// Problems with references to builds.
pub(crate) const IDS: &[Id] = &[
    Id::error(
        "check/unknown-build",
        "a reference to the artifact of a build that is not there",
    ),
    Id::error(
        "check/ambiguous-build",
        "a reference to an artifact that several builds could mean",
    ),
];

/// The members of an artifact with their types.
pub(crate) fn artifact_type() -> Type {
    Type::object([
        ("builder_id", Type::String),
        ("id", Type::String),
        ("files", Type::list(Type::String)),
    ])
}

/// A part of a build's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    /// The block's name, the builder, the source's name.
    Name(SmolStr),
    /// What tells an instance of a repeated block apart.
    Key(Key),
}

/// All builds of a template and its modules, selected or not.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    entries: Vec<Entry>,
}

/// A build by its name.
#[derive(Debug)]
struct Entry {
    /// The unit whose expressions can name it.
    unit: u32,
    path: Vec<Segment>,
    address: String,
}

/// Position in [`Builds`].
pub(crate) type BuildIndex = usize;

/// What an evaluation used.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Builds, each with the place of the first reference to it.
    pub(crate) builds: BTreeMap<BuildIndex, Span>,
    /// Values that wait for artifacts.
    pub(crate) lates: BTreeSet<LateId>,
    /// The first steps of the traversals that were evaluated.
    evaluated: HashSet<Span>,
}

impl Uses {
    /// Adds what the late values use that are used; `closures` has theirs.
    pub(crate) fn close(&mut self, closures: &[Self]) {
        for late in self.lates.clone() {
            if let Some(closure) = closures.get(late) {
                self.lates.extend(&closure.lates);
                for (build, place) in &closure.builds {
                    self.builds.entry(*build).or_insert(*place);
                }
            }
        }
    }

    /// Adds what `references` may mean and no evaluation has looked at, such as those inside a `for` over something
    /// unknown.
    pub(crate) fn add_unevaluated(
        &mut self,
        builds: &Builds,
        unit: u32,
        names: &Names,
        references: &[Reference],
    ) {
        builds.add_unevaluated(unit, references, self);
        for reference in references {
            names.add_lates(reference, &mut self.lates);
        }
    }
}

/// The other builds, as an expression sees them.
#[derive(Clone, Copy)]
pub(crate) struct Others<'a> {
    pub(crate) tree: &'a Tree,
    /// The unit the expression stands in.
    pub(crate) unit: u32,
    pub(crate) values: Values<'a>,
}

/// What there is of artifacts.
#[derive(Clone, Copy)]
pub(crate) enum Values<'a> {
    /// None yet: their types; who is used is written down, where somebody wants to know.
    Planned(Option<&'a RefCell<Uses>>),
    /// Nobody knows yet which builds there are: any name stands for one.
    Early,
    /// Those that are made.
    Running {
        /// By address of the build.
        artifacts: &'a BTreeMap<String, Value>,
        /// What became known with them.
        overlay: &'a Overlay,
    },
}

/// A build that still matches, with the rest of its name.
#[derive(Clone, Copy)]
struct Candidate<'b> {
    build: BuildIndex,
    rest: &'b [Segment],
}

impl Builds {
    /// Adds a build.
    pub(crate) fn add(&mut self, unit: u32, path: Vec<Segment>, address: String) {
        self.entries.push(Entry {
            unit,
            path,
            address,
        });
    }

    fn of_unit(&self, unit: u32) -> Vec<Candidate<'_>> {
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, entry)| entry.unit == unit)
            .map(|(build, entry)| Candidate {
                build,
                rest: &entry.path,
            })
            .collect()
    }

    /// Adds the builds that `references` may mean and no evaluation has looked at, such as those inside a `for` over
    /// something unknown.
    fn add_unevaluated(&self, unit: u32, references: &[Reference], uses: &mut Uses) {
        for reference in references {
            let Some(first) = reference.path.first() else {
                continue;
            };
            if reference.root != "build" || uses.evaluated.contains(&first.span) {
                continue;
            }
            let mut candidates = self.of_unit(unit);
            for (at, name) in reference.path.iter().enumerate() {
                let key = Value::string(name.text.clone());
                let next = narrow(&candidates, &key);
                if next.is_empty() {
                    // What follows the name of a build; or no build at all, such as `build.ID`.
                    if at == 0 {
                        candidates.clear();
                    }
                    break;
                }
                candidates = next;
            }
            for candidate in candidates {
                uses.builds.entry(candidate.build).or_insert(first.span);
            }
        }
    }
}

fn narrow<'b>(candidates: &[Candidate<'b>], key: &Value) -> Vec<Candidate<'b>> {
    let step = |candidate: &Candidate<'b>| {
        let mut rest = candidate.rest;
        let rest = loop {
            let (first, after) = rest.split_first()?;
            let hit = match (first, key.as_str()) {
                (Segment::Name(name) | Segment::Key(Key::Text(name)), Some(text)) => name == text,
                (Segment::Key(Key::Index(at)), None) => key.as_number()?.to_usize() == Some(*at),
                _ => false,
            };
            match (hit, first) {
                (true, _) => break after,
                // Keys may be left out, names may not.
                (false, Segment::Key(_)) if key.as_str().is_some() => {
                    rest = after;
                }
                _ => return None,
            }
        };
        Some(Candidate { rest, ..*candidate })
    };
    candidates.iter().filter_map(step).collect()
}

impl Others<'_> {
    fn value(&self, build: BuildIndex, place: Span) -> Value {
        let entry = &self.tree.builds.entries[build];
        let made = match self.values {
            Values::Planned(uses) => {
                if let Some(uses) = uses {
                    uses.borrow_mut().builds.entry(build).or_insert(place);
                }
                None
            }
            Values::Early => None,
            Values::Running { artifacts, .. } => artifacts.get(&entry.address).cloned(),
        };
        made.unwrap_or_else(|| Value::unknown(artifact_type()))
    }

    /// The value of something late, of which a plan knows `planned`.
    pub(crate) fn late(&self, id: LateId, planned: Value) -> Value {
        match self.values {
            Values::Planned(Some(uses)) => {
                uses.borrow_mut().lates.insert(id);
                planned
            }
            Values::Planned(None) | Values::Early => planned,
            Values::Running { overlay, .. } => overlay.get(&id).cloned().unwrap_or(planned),
        }
    }

    /// What the steps after `build` mean, and how many of them were needed to know.
    fn walk(
        &self,
        own: Option<&BuildValues<'_>>,
        path: &[PathStep],
    ) -> (usize, Result<Value, Box<Diagnostic>>) {
        let Some(first) = path.first() else {
            return (0, Ok(Value::unknown(Type::Any)));
        };
        if let Values::Early = self.values {
            let end = path
                .iter()
                .skip(1)
                .position(|step| step.key.as_str() == Some("artifact"));
            return match end {
                Some(at) => (at + 2, Ok(Value::unknown(artifact_type()))),
                None => (path.len(), Ok(Value::unknown(Type::Any))),
            };
        }
        let mut candidates = self.tree.builds.of_unit(self.unit);
        for (at, step) in path.iter().enumerate() {
            if step.key.is_error() {
                return (path.len(), Ok(Value::error()));
            }
            if !step.key.is_known() {
                let found = match self.values {
                    // Nothing is built here: the elements of a repeated block need not be known.
                    Values::Planned(None) => Ok(Value::unknown(Type::Any)),
                    _ => Err(Box::new(unknown_key(step.span))),
                };
                return (path.len(), found);
            }
            let next = narrow(&candidates, &step.key);
            if next.is_empty() {
                if at > 0 && step.key.as_str() == Some("artifact") {
                    return (at + 1, self.artifact(&candidates, &path[..at]));
                }
                let diagnostic = match at {
                    0 => self.no_build(own, path, &candidates),
                    _ => self.no_part(step, &path[..at], &candidates),
                };
                return (path.len(), Err(Box::new(diagnostic)));
            }
            candidates = next;
        }
        (path.len(), Ok(self.tree(&candidates, first.span)))
    }

    fn artifact(
        &self,
        candidates: &[Candidate<'_>],
        path: &[PathStep],
    ) -> Result<Value, Box<Diagnostic>> {
        if let [only] = candidates {
            return Ok(self.value(only.build, path[0].span));
        }
        const SHOWN: usize = 6;
        let choices: Vec<String> = candidates
            .iter()
            .take(SHOWN)
            .map(|candidate| format!("`{}.artifact`", self.reference(candidate.build)))
            .collect();
        let more = match candidates.len() - choices.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(Box::new(
            Diagnostic::error(
                "check/ambiguous-build",
                around(path),
                format!("`{}` is {} builds", shown(path), candidates.len()),
            )
            .help(format!("write which one: {}{more}", choices.join(", "))),
        ))
    }

    /// `build.web["eu"].null.base`
    fn reference(&self, build: BuildIndex) -> String {
        let mut text = "build".to_owned();
        for segment in &self.tree.builds.entries[build].path {
            match segment {
                Segment::Name(name) => text.push_str(&step_text(&Value::string(name.clone()))),
                Segment::Key(key) => text.push_str(&key.to_string()),
            }
        }
        text
    }

    /// Builds that are spoken of together, as objects inside each other.
    fn tree(&self, candidates: &[Candidate<'_>], place: Span) -> Value {
        let mut groups: IndexMap<&Segment, Vec<Candidate<'_>>> = IndexMap::new();
        for candidate in candidates {
            if let Some((first, rest)) = candidate.rest.split_first() {
                let inner = Candidate { rest, ..*candidate };
                groups.entry(first).or_default().push(inner);
            }
        }
        let numbered = groups.keys().enumerate();
        let counted = numbered.clone().all(
            |(at, segment)| matches!(segment, Segment::Key(Key::Index(index)) if *index == at),
        );
        if counted && !groups.is_empty() {
            let parts: Vec<Value> = groups
                .values()
                .map(|group| self.tree(group, place))
                .collect();
            return Value::tuple(parts);
        }
        let mut members: Vec<(SmolStr, Value)> = groups
            .iter()
            .map(|(segment, group)| {
                let name = match segment {
                    Segment::Name(name) | Segment::Key(Key::Text(name)) => name.clone(),
                    Segment::Key(Key::Index(at)) => SmolStr::from(at.to_string()),
                };
                (name, self.tree(group, place))
            })
            .collect();
        if let [only] = candidates {
            members.push(("artifact".into(), self.value(only.build, place)));
        }
        Value::object(members)
    }

    fn no_build(
        &self,
        own: Option<&BuildValues<'_>>,
        path: &[PathStep],
        all: &[Candidate<'_>],
    ) -> Diagnostic {
        let step = &path[0];
        let text = step.key.as_str().unwrap_or_default();
        if own.is_none() && BUILD_MEMBERS.contains(&text) {
            return Diagnostic::error(
                "check/name-out-of-place",
                step.span,
                format!("`build.{text}` has no meaning here"),
            )
            .help("a build's own values exist while it runs: use them in provisioners and post-processors");
        }
        let names = names(all);
        let mut diagnostic = Diagnostic::error(
            "check/unknown-build",
            step.span,
            format!("there is no build `{}`", quoted_or_plain(&step.key)),
        );
        let members = own.map(BuildValues::names).unwrap_or_default();
        let either = names.iter().chain(&members).map(SmolStr::as_str);
        diagnostic = match nearest(text, either) {
            Some(near) => {
                let help = format!("there is one with a similar name: `{near}`");
                renamed(diagnostic.help(help), step, near, Certainty::Guess)
            }
            None if names.is_empty() => diagnostic.help("this template has no other builds"),
            None => diagnostic.help(format!(
                "the builds are {}",
                quoted_list(names.iter().take(8).map(SmolStr::as_str))
            )),
        };
        diagnostic
    }

    fn no_part(
        &self,
        step: &PathStep,
        before: &[PathStep],
        candidates: &[Candidate<'_>],
    ) -> Diagnostic {
        let shown = shown(before);
        let name = step.key.as_str().unwrap_or_default();
        let diagnostic = Diagnostic::error(
            "check/unknown-build",
            step.span,
            format!("`{shown}` has no {}", part_text(&step.key)),
        );
        if matches!(name, "id" | "files" | "builder_id") {
            let help = format!("write `{shown}.artifact.{name}`");
            return renamed(
                diagnostic.help(help),
                step,
                &format!("artifact.{name}"),
                Certainty::Certain,
            );
        }
        let names = names(candidates);
        let known = names.iter().map(SmolStr::as_str).chain(["artifact"]);
        match nearest(name, known.clone()) {
            Some(near) => {
                let help = format!("did you mean `{near}`?");
                renamed(diagnostic.help(help), step, near, Certainty::Guess)
            }
            None => diagnostic.help(format!("it has {}", quoted_list(known))),
        }
    }
}

/// Adds the correction of a step that is a plain word.
fn renamed(
    diagnostic: Diagnostic,
    step: &PathStep,
    near: &str,
    certainty: Certainty,
) -> Diagnostic {
    let text = step.key.as_str().unwrap_or_default();
    if (step.span.end - step.span.start) as usize != text.len() {
        return diagnostic;
    }
    diagnostic.correct(
        certainty,
        format!("change `{text}` to `{near}`"),
        Edit::replace(step.span, near),
    )
}

/// What can come next.
fn names(candidates: &[Candidate<'_>]) -> Vec<SmolStr> {
    let mut names = Vec::new();
    for candidate in candidates {
        let name = match candidate.rest.first() {
            Some(Segment::Name(name) | Segment::Key(Key::Text(name))) => name.clone(),
            Some(Segment::Key(Key::Index(at))) => SmolStr::from(format!("[{at}]")),
            None => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn unknown_key(span: Span) -> Diagnostic {
    Diagnostic::error(
        "check/unknown-at-plan-time",
        span,
        "which build is meant must be known before anything runs, and this key is known only at run time",
    )
    .help("use variables and locals here; what data sources yield is known with `-online`")
}

/// `build.base["eu"]` for messages.
fn shown(path: &[PathStep]) -> String {
    let steps = path.iter().map(|step| step_text(&step.key));
    std::iter::once("build".to_owned()).chain(steps).collect()
}

/// From the first step to the last.
fn around(path: &[PathStep]) -> Span {
    let (first, last) = (path[0].span, path[path.len() - 1].span);
    Span::new(first.file, first.start, last.end.max(first.end))
}

fn step_text(key: &Value) -> String {
    match key.as_str() {
        Some(text) if is_word(text) => format!(".{text}"),
        Some(text) => format!("[{}]", quoted(text)),
        None => format!("[{}]", key.display()),
    }
}

fn part_text(key: &Value) -> String {
    match key.as_str() {
        Some(text) => format!("`{text}`"),
        None => format!("instance `[{}]`", key.display()),
    }
}

fn quoted_or_plain(key: &Value) -> String {
    key.as_str()
        .map_or_else(|| key.display().to_string(), str::to_owned)
}

fn quoted(text: &str) -> String {
    Value::string(text).display().to_string()
}

fn is_word(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic())
        && characters.all(|other| matches!(other, '_' | '-') || other.is_alphanumeric())
}

/// The name `build`: the running build's own values, and the other builds.
#[derive(Clone, Copy)]
pub(crate) struct BuildRoot<'a> {
    pub(crate) own: Option<BuildValues<'a>>,
    pub(crate) others: Option<Others<'a>>,
}

impl crate::eval::Namespace for BuildRoot<'_> {
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>> {
        match &self.own {
            Some(own) => own.member(member, span),
            None => Ok(Value::error()),
        }
    }

    fn all(&self) -> Value {
        match &self.own {
            Some(own) => own.all(),
            None => Value::unknown(Type::Any),
        }
    }

    fn is_deep(&self) -> bool {
        self.others.is_some()
    }

    fn walk(&self, path: &[PathStep]) -> (usize, Result<Value, Box<Diagnostic>>) {
        let (Some(others), Some(first)) = (&self.others, path.first()) else {
            return (1, Ok(Value::error()));
        };
        if let Values::Planned(Some(uses)) = others.values {
            uses.borrow_mut().evaluated.insert(first.span);
        }
        let word = first.key.as_str();
        if let (Some(own), Some(word)) = (&self.own, word) {
            let all = others.tree.builds.of_unit(others.unit);
            let names_build = !narrow(&all, &first.key).is_empty();
            // The build's own values come first; their parts, which texts do not have, can only be those of another.
            let is_own = own.has(word) && (path.len() == 1 || !names_build);
            if is_own || !names_build && path.len() == 1 {
                return (1, own.member(word, first.span));
            }
        }
        others.walk(self.own.as_ref(), path)
    }
}
