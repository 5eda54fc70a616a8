//! Changes offered at a place.

mod add;
mod convert;
mod declare;
mod extract;
mod fixes;
mod keyed;
mod remove;

use std::path::Path;
use std::sync::Arc;

use imgc_compiler::FileId;

use self::keyed::Keyed;
use crate::analysis::{Analysis, Cancellable};
use crate::language::{self, Language};
use crate::place::floor;
use crate::template::Template;
use crate::text::{TextRange, WorkspaceEdit};

/// A change that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeAction {
    /// What it does, as a short imperative.
    pub title: String,
    /// What kind of change.
    pub kind: ActionKind,
    /// The change.
    pub edit: WorkspaceEdit,
    /// The problem it solves: its id and place.
    pub solves: Option<(&'static str, TextRange)>,
    /// The best of those offered for a problem.
    pub preferred: bool,
}

/// The kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActionKind {
    /// Solves a problem.
    QuickFix,
    /// Gives a part a name.
    Extract,
    /// Says the same in another way.
    Rewrite,
}

/// Where actions are asked for.
struct Cx<'a> {
    analysis: &'a Analysis,
    template: Arc<Template>,
    file: FileId,
    path: &'a Path,
    text: Arc<str>,
    range: TextRange,
    out: Vec<CodeAction>,
}

pub(crate) fn of(
    analysis: &Analysis,
    path: &Path,
    range: TextRange,
) -> Cancellable<Vec<CodeAction>> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(Vec::new());
    };
    let text = Arc::clone(&template.file(file).text);
    let range = TextRange::new(floor(&text, range.start), floor(&text, range.end));
    let mut cx = Cx {
        analysis,
        template,
        file,
        path,
        text,
        range,
        out: Vec::new(),
    };
    fixes::offer(&mut cx)?;
    declare::offer(&mut cx);
    add::offer(&mut cx);
    remove::offer(&mut cx);
    extract::offer(&mut cx);
    convert::offer(&mut cx);
    analysis.check()?;
    Ok(cx.out)
}

impl Cx<'_> {
    fn offer(&mut self, title: impl Into<String>, kind: ActionKind, edit: WorkspaceEdit) {
        self.out.push(CodeAction {
            title: title.into(),
            kind,
            edit,
            solves: None,
            preferred: false,
        });
    }

    /// The language of the file.
    fn language(&self) -> Option<Language> {
        Some(language::role(self.path, &self.text)?.1)
    }

    /// The file as a text in JSON or TOML; `None` in HCL.
    fn keyed(&self) -> Option<Keyed<'_>> {
        let language = self
            .language()
            .filter(|language| *language != Language::Hcl)?;
        Some(Keyed {
            text: &self.text,
            language,
            newline: self.newline(),
        })
    }

    /// The blanks at the beginning of the line of an offset.
    fn indent(&self, offset: u32) -> &str {
        let start = self.line_start(offset) as usize;
        let line = &self.text[start..];
        let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
        &line[..blanks]
    }

    fn line_start(&self, offset: u32) -> u32 {
        let before = &self.text[..offset as usize];
        before.rfind('\n').map_or(0, |at| at as u32 + 1)
    }

    /// The line end of this file.
    fn newline(&self) -> &'static str {
        match self.text.contains("\r\n") {
            true => "\r\n",
            false => "\n",
        }
    }
}

/// The start of the lines of comments that stand directly above a line.
fn before_comments(text: &str, line: u32) -> u32 {
    let mut start = line as usize;
    while start > 0 {
        let above = text[..start - 1].rfind('\n').map_or(0, |at| at + 1);
        let comment = text[above..start].trim_start();
        if !comment.starts_with('#') && !comment.starts_with("//") {
            break;
        }
        start = above;
    }
    start as u32
}

#[cfg(test)]
mod tests;
