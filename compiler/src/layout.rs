//! The canonical layout of templates in JSON and TOML, and that of HCL by way of its own formatter.
//!
//! In: a text and its language. Out: other blanks between the same tokens; strings, numbers, comments and the order of
//! everything stay byte for byte. A text with an error is not laid out, for then nobody knows what belongs together.
//! What `print` writes is in this layout already.

mod json;
mod toml;

use std::ops::Range;
use std::path::Path;

use imgc_syntax::FileId;

use crate::diagnostic::Diagnostic;
use crate::print::Language;
use crate::{load, lower};

/// A stretch of blanks between two tokens, and what the layout has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blank {
    /// Where it is, in bytes.
    pub range: Range<usize>,
    /// Blanks and line ends.
    pub text: String,
}

/// The language that a file is laid out in: by its name, or, where that says nothing, by its first character.
pub fn language(path: &Path, text: &str) -> Language {
    match load::language(path) {
        Language::Hcl if load::is_json(path, text) => Language::Json,
        language => language,
    }
}

/// The text in canonical layout. `None` where it has errors, which go to `out`; warnings do not.
pub fn format(
    language: Language,
    file: FileId,
    text: &str,
    out: &mut Vec<Diagnostic>,
) -> Option<String> {
    if language == Language::Hcl {
        let formatted = imgc_syntax::hcl::parse(text).formatted();
        if formatted.is_none() {
            let mut problems = Vec::new();
            lower::hcl::file(file, text, &mut problems);
            problems.retain(|problem| problem.id.starts_with("syntax/"));
            out.append(&mut problems);
        }
        return formatted;
    }
    let errors = errors(language, file, text);
    if !errors.is_empty() {
        out.extend(errors);
        return None;
    }
    Some(replaced(text, &laid_out(language, text)))
}

/// What the layout of a text in JSON or TOML changes, in the order of the text; `None` where it has errors, and for HCL,
/// whose formatter knows lines only.
pub fn blanks(language: Language, text: &str) -> Option<Vec<Blank>> {
    let is_ours = language != Language::Hcl && errors(language, FileId(0), text).is_empty();
    is_ours.then(|| laid_out(language, text))
}

/// How far in a line is that starts at `offset` in a text in JSON or TOML, complete or not; `None` inside of a string or
/// a comment.
pub fn depth(language: Language, text: &str, offset: usize) -> Option<usize> {
    match language {
        Language::Toml => toml::depth(text, offset),
        _ => json::depth(text, offset),
    }
}

fn errors(language: Language, file: FileId, text: &str) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    match language {
        Language::Toml => lower::toml::parse(file, text, &mut problems),
        _ => lower::json::parse(file, text, &mut problems),
    };
    problems.retain(Diagnostic::is_error);
    problems
}

fn laid_out(language: Language, text: &str) -> Vec<Blank> {
    let (mut blanks, tokens): (_, fn(&str) -> Vec<&str>) = match language {
        Language::Toml => (toml::blanks(text), toml::tokens),
        _ => (json::blanks(text), json::tokens),
    };
    blanks.retain(|blank| text[blank.range.clone()] != blank.text);
    // Blanks between tokens carry no meaning. Should a scanner see it otherwise anywhere, the text is left alone.
    if tokens(text) != tokens(&replaced(text, &blanks)) {
        blanks.clear();
    }
    blanks
}

fn replaced(text: &str, blanks: &[Blank]) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut at = 0;
    for blank in blanks {
        out.push_str(&text[at..blank.range.start]);
        out.push_str(&blank.text);
        at = blank.range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// What a byte order mark takes at the beginning of a text.
fn mark(text: &str) -> usize {
    match text.starts_with('\u{feff}') {
        true => '\u{feff}'.len_utf8(),
        false => 0,
    }
}

/// The line end a text uses: that of its first line.
fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests;
