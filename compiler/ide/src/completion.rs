//! What can be written at the cursor.

mod bodies;
mod functions;
mod keys;
mod labels;
mod members;
mod paths;
mod placeholders;
mod texts;
mod values;

use std::path::Path;
use std::sync::Arc;

use crate::analysis::{Analysis, Cancellable};
use crate::grammar::{Inside, Opt};
use crate::language;
use crate::place::{Place, What, floor};
use crate::template::Template;
use crate::text::{TextEdit, TextRange};

/// One thing that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is shown, and matched against what was typed.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// Its type or the like, on the same line.
    pub detail: Option<String>,
    /// More about it, in Markdown.
    pub documentation: Option<String>,
    /// What accepting it does; the range touches the cursor and stays on its line.
    pub edit: TextEdit,
    /// The text of the edit is a snippet with `$1`, `${2:placeholder}` and `$0`.
    pub snippet: bool,
    /// What is matched against the text in the edit's range, where it is not the label.
    pub filter: Option<String>,
    /// Its place among the others: they are shown in the order of this text.
    pub sort: String,
    /// Better not used any more.
    pub deprecated: bool,
    /// Accepting it makes it worth asking again at once, as after `var.`.
    pub again: bool,
}

/// What a completion stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompletionKind {
    /// The kind of a block.
    Block,
    /// The type of a component.
    Component,
    /// An option.
    Option,
    /// One of the values an option takes.
    Value,
    /// A word of the language: `true`, `null`, a type.
    Keyword,
    /// A variable.
    Variable,
    /// A local.
    Local,
    /// A source.
    Source,
    /// A data source.
    Data,
    /// A build.
    Build,
    /// A module.
    Module,
    /// A member of a value.
    Member,
    /// A function.
    Function,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A name inside of `{{ }}`.
    TemplateVariable,
}

/// The options a body must have; of those of which one must be given, the first.
pub(crate) fn needed(inside: Inside) -> Vec<Opt> {
    bodies::needed(inside)
}

/// An empty value for an option.
pub(crate) fn placeholder(opt: &Opt) -> String {
    placeholders::empty(opt)
}

/// The same in JSON and TOML.
pub(crate) fn plain_placeholder(opt: &Opt) -> String {
    placeholders::emptied(&placeholders::plain(opt))
}

/// Everything that helps to know what fits.
struct Cx<'a> {
    analysis: &'a Analysis,
    template: Option<Arc<Template>>,
    path: &'a Path,
    text: &'a str,
    offset: u32,
    place: &'a Place,
    out: Vec<Completion>,
}

/// How well something fits, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Must,
    Fits,
    Usual,
    Common,
    Rare,
    Last,
}

pub(crate) fn of(analysis: &Analysis, path: &Path, offset: u32) -> Cancellable<Vec<Completion>> {
    analysis.check()?;
    let Some(text) = analysis.text(path) else {
        return Ok(Vec::new());
    };
    let Some((role, language)) = language::role(path, &text) else {
        return Ok(Vec::new());
    };
    let offset = floor(&text, offset);
    let Some(place) = Place::find(&text, offset, role, language) else {
        return Ok(Vec::new());
    };
    analysis.check()?;
    let template = analysis.names_at(path)?;
    let mut cx = Cx {
        analysis,
        template,
        path,
        text: &text,
        offset,
        place: &place,
        out: Vec::new(),
    };
    match &place.what {
        What::Key { followed } => keys::complete(&mut cx, *followed),
        What::Label {
            kind,
            before,
            quoted,
        } => labels::complete(&mut cx, kind, before, *quoted),
        What::Value(value) => values::complete(&mut cx, value)?,
    }
    let mut out = cx.out;
    out.sort_by(|a, b| (&a.sort, &a.label).cmp(&(&b.sort, &b.label)));
    out.dedup_by(|a, b| a.label == b.label && a.kind == b.kind);
    analysis.check()?;
    Ok(out)
}

impl Cx<'_> {
    /// Adds something that replaces the word at the cursor.
    fn push(
        &mut self,
        rank: Rank,
        kind: CompletionKind,
        label: impl Into<String>,
        text: impl Into<String>,
    ) -> &mut Completion {
        self.push_at(self.place.range, rank, kind, label, text)
    }

    fn push_at(
        &mut self,
        range: TextRange,
        rank: Rank,
        kind: CompletionKind,
        label: impl Into<String>,
        text: impl Into<String>,
    ) -> &mut Completion {
        let label = label.into();
        let at = self.out.len();
        self.out.push(Completion {
            edit: TextEdit::replace(range, text.into()),
            sort: format!("{}{label}", rank as u8),
            label,
            kind,
            detail: None,
            documentation: None,
            snippet: false,
            filter: None,
            deprecated: false,
            again: false,
        });
        &mut self.out[at]
    }

    /// Whether this is HCL's native syntax.
    fn is_hcl(&self) -> bool {
        self.place.language == crate::language::Language::Hcl
    }

    /// Whether the cursor stands in a string of JSON or TOML, or in HCL: what is written needs no quotes of its own.
    fn is_quoted(&self) -> bool {
        let before = &self.text[..self.place.range.start as usize];
        let stop: &[char] = &['"', '\'', '\n', ':', '=', '[', ',', '{'];
        before
            .rfind(stop)
            .is_some_and(|at| before[at..].starts_with(['"', '\'']))
    }
}

#[cfg(test)]
mod tests;
