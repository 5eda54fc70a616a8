//! The compiler's problems on the terminal, drawn by miette.
//!
//! In: a [`Compilation`]. Out: text with file, line, column, the lines concerned, labels and the way out. The compiler's
//! type stays free of the renderer; [`Shown`] adapts one problem, [`snippet::Text`] hands miette the few lines it needs.

pub(crate) mod json;
pub(crate) mod sarif;
mod snippet;

use std::collections::BTreeMap;
use std::fmt;

use imgc_compiler::compile::{Compilation, Unreadable};
use imgc_compiler::diagnostic::{Diagnostic, Severity};
use imgc_compiler::source::SourceMap;
use imgc_compiler::{FileId, Span};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, ThemeCharacters, ThemeStyles};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::{Look, harmless, shown_path};
use snippet::Text;

/// How many problems are drawn at most; the rest is counted.
pub(crate) const SHOWN: usize = 100;
/// Lines between two places that are drawn in one frame at most.
const NEAR: u32 = 3;

/// All problems of a compilation as text, with a closing line; empty when there are none.
pub(crate) fn render(compilation: &Compilation, look: Look) -> String {
    let mut out = String::new();
    if let Some(unreadable) = &compilation.unreadable {
        out.push_str(&unreadable_failure(unreadable).text());
        out.push('\n');
    }
    out.push_str(&render_all(
        &compilation.diagnostics,
        &compilation.sources,
        look,
    ));
    if let Some(line) = closing(compilation) {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// Problems as text, without a closing line.
pub(crate) fn render_all(diagnostics: &[Diagnostic], sources: &SourceMap, look: Look) -> String {
    let mut out = String::new();
    // Errors first: what stops the work is not to be cut off by a hundred warnings.
    let mut order: Vec<&Diagnostic> = diagnostics.iter().collect();
    if order.len() > SHOWN {
        order.sort_by_key(|diagnostic| diagnostic.severity);
    }
    let mut texts = Texts::new(sources);
    for diagnostic in order.iter().take(SHOWN) {
        draw(diagnostic, &mut texts, look, &mut out);
        out.push('\n');
    }
    if let Some(more) = order.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        out.push_str(&format!(
            "... and {more} more; `--json` lists all of them\n\n"
        ));
    }
    out
}

/// A template that cannot be read, as a failure of the command.
pub(crate) fn unreadable_failure(unreadable: &Unreadable) -> Failure {
    let path = shown_path(&unreadable.path);
    let message = match unreadable.message.contains(&path) {
        true => unreadable.message.clone(),
        false => format!("{}: {}", path, unreadable.message),
    };
    // What is there and no template is the author's matter; what is not there or locked, this machine's.
    let exit = match unreadable.id {
        "load/not-found" | "load/unreadable" => Exit::Environment,
        _ => Exit::Template,
    };
    let mut failure = Failure::new(exit, message).id(unreadable.id);
    failure.help.clone_from(&unreadable.help);
    failure
}

/// `3 errors, 1 warning`; `None` when there is nothing to count.
pub(crate) fn closing(compilation: &Compilation) -> Option<String> {
    let count = |severity| {
        let diagnostics = compilation.diagnostics.iter();
        diagnostics.filter(|d| d.severity == severity).count()
    };
    let counted = [
        (
            count(Severity::Error) + usize::from(compilation.unreadable.is_some()),
            "error",
        ),
        (count(Severity::Warning), "warning"),
        (count(Severity::Note), "note"),
    ];
    let parts: Vec<String> = counted
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}{}", if *number == 1 { "" } else { "s" }))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The texts of the files that problems are in, made harmless when first needed.
struct Texts<'a> {
    sources: &'a SourceMap,
    files: BTreeMap<FileId, Text<'a>>,
}

impl<'a> Texts<'a> {
    fn new(sources: &'a SourceMap) -> Self {
        Self {
            sources,
            files: BTreeMap::new(),
        }
    }

    fn load(&mut self, file: FileId) {
        let sources = self.sources;
        self.files
            .entry(file)
            .or_insert_with(|| Text::new(sources.file(file)));
    }
}

fn draw(diagnostic: &Diagnostic, texts: &mut Texts<'_>, look: Look, out: &mut String) {
    texts.load(diagnostic.span.file);
    for label in &diagnostic.labels {
        texts.load(label.span.file);
    }
    let here = |span: Span, text: Option<&str>, primary: bool| {
        let (start, len) = (span.start as usize, span.len() as usize);
        let text = text.map(|text| harmless(text).into_owned());
        match primary {
            true => LabeledSpan::new_primary_with_span(text, (start, len)),
            false => LabeledSpan::new_with_span(text, (start, len)),
        }
    };
    let home = diagnostic.span.file;
    let sources = texts.sources;
    let line = |span: Span| sources.file(span.file).line_column(span.start).0;
    let mut labels = vec![here(diagnostic.span, diagnostic.label.as_deref(), true)];
    let mut notes = Vec::new();
    for label in &diagnostic.labels {
        // Places far apart get a frame each, and the first frame is the problem's own.
        let most = match sources.file(home).gives_values {
            true => 0,
            false => NEAR,
        };
        let near =
            label.span.file == home && line(label.span).abs_diff(line(diagnostic.span)) <= most;
        if near {
            labels.push(here(label.span, Some(&label.text), false));
        } else {
            notes.push(Shown {
                message: harmless(&label.text).into_owned(),
                severity: miette::Severity::Advice,
                text: &texts.files[&label.span.file],
                labels: vec![here(label.span, None, true)],
                help: None,
            });
        }
    }
    let problem = Shown {
        message: harmless(&diagnostic.message).into_owned(),
        severity: match diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        },
        text: &texts.files[&home],
        labels,
        help: diagnostic
            .help
            .as_deref()
            .map(|help| harmless(help).into_owned()),
    };
    let handler = handler(diagnostic, look);
    for shown in std::iter::once(&problem).chain(&notes) {
        let mut text = String::new();
        let drawn = handler.render_report(&mut text, shown);
        drawn.expect("a string takes every text");
        // miette indents the first line; ours begins with the level, at the margin.
        out.push_str(text.strip_prefix("  ").unwrap_or(&text));
    }
}

fn handler(diagnostic: &Diagnostic, look: Look) -> GraphicalReportHandler {
    let mut characters = match look.unicode {
        true => ThemeCharacters::unicode(),
        false => ThemeCharacters::ascii(),
    };
    let id = diagnostic.id;
    characters.error = format!("error[{id}]:");
    characters.warning = format!("warning[{id}]:");
    characters.advice = "note:".to_owned();
    let styles = match look.colour {
        true => ThemeStyles::ansi(),
        false => ThemeStyles::none(),
    };
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme { characters, styles })
        .without_syntax_highlighting()
        .with_links(false)
        .without_cause_chain()
        .tab_width(4)
        .with_context_lines(1);
    match look.width {
        Some(width) => handler.with_width(width),
        None => handler.with_width(usize::MAX / 4).with_wrap_lines(false),
    }
}

/// One problem as miette wants it.
struct Shown<'a> {
    message: String,
    severity: miette::Severity,
    text: &'a Text<'a>,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        let help = self.help.as_deref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests;
