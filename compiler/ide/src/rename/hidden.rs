//! Names in parts of files that cannot be read: there nobody knows what they mean.

use imgc_compiler::FileId;
use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::source::Sources as _;
use imgc_syntax::hcl::ast::AstNode as _;

use super::{RenameRefused, file_name, refuse};
use crate::analysis::Analysis;
use crate::language::{self, Language};
use crate::template::Template;
use crate::text::TextRange;

/// Refuses where one of these names stands in a part of a file that cannot be read, and nobody knows what it means.
pub(super) fn refuse_hidden(
    analysis: &Analysis,
    template: &Template,
    names: [&str; 2],
) -> Result<(), RenameRefused> {
    for (path, _, message) in &template.unreadable {
        let bytes = analysis.shared.overlay.read(path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let hidden = names
            .iter()
            .find(|name| words(&text, name).next().is_some());
        if let Some(name) = hidden {
            let file = file_name(path);
            return refuse(format!(
                "`{name}` stands in {file}, which cannot be read: {message}"
            ));
        }
        if bytes.is_empty() {
            let file = file_name(path);
            return refuse(format!("{file} cannot be read: {message}"));
        }
    }
    let problems = template.problems().iter();
    for problem in problems.filter(|problem| is_of_syntax(problem)) {
        let file = problem.span.file;
        let broken = broken(analysis, template, problem);
        for name in names {
            if let Some(at) = unknown(template, file, broken, name) {
                let file = template.file(file);
                return refuse(format!(
                    "`{name}` stands in {}:{}, which cannot be read; mend line {} first",
                    file_name(&file.path),
                    file.position(at).0,
                    file.position(problem.span.start).0,
                ));
            }
        }
    }
    Ok(())
}

/// Whether a problem says that a part of a text was not understood.
fn is_of_syntax(problem: &Diagnostic) -> bool {
    let family = problem.id.split('/').next();
    matches!(family, Some("syntax" | "json" | "toml"))
}

/// The part of the file that a problem makes unsure: in HCL what stands at the top around it, elsewhere everything.
fn broken(analysis: &Analysis, template: &Template, problem: &Diagnostic) -> TextRange {
    let file = template.file(problem.span.file);
    let all = TextRange::new(0, file.text.len() as u32);
    let is_hcl = language::role(&file.path, &file.text)
        .is_some_and(|(_, language)| language == Language::Hcl);
    if !is_hcl {
        return all;
    }
    let tree = analysis.tree(&file.path, &file.text);
    let Some(body) = tree.file().body() else {
        return all;
    };
    let (at, mut part) = (problem.span.start, all);
    for item in body.syntax().children() {
        let start: u32 = item.text_range().start().into();
        if start > at {
            part.end = start;
            break;
        }
        part.start = start;
    }
    part
}

/// Where a word stands in a part of a file and is none of the names that are understood.
fn unknown(template: &Template, file: FileId, part: TextRange, word: &str) -> Option<u32> {
    let text = part.of(&template.file(file).text);
    let understood = template.index().in_file(file);
    let mut places = words(text, word).map(|at| part.start + at as u32);
    places.find(|at| {
        let covers = |range: TextRange| range.start <= *at && at + word.len() as u32 <= range.end;
        !understood.iter().any(|found| covers(found.span.into()))
    })
}

/// Where a word stands in a text, by itself.
fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = text[..*at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_by_themselves() {
        let found: Vec<usize> = words("x xx x-y a.x \"x\" _x", "x").collect();
        assert_eq!(found, [0, 11, 14]);
    }
}
