//! Every problem id has a page, every page an id.
//!
//! The ids are read from the registry tables in the sources (`Entry::error("family/name", "summary")`, and the pairs
//! in a table `IDS` of a crate), so this needs no compiled `imgc`. The page of `family/name` is `docs/diagnostics/family/name.md`; it names the id, and shows a
//! wrong and a right example.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::workspace::Workspace;

/// A declared problem, as its table says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `family/name`.
    pub(crate) id: String,
    /// Whether it is an error; else a warning.
    pub(crate) is_error: bool,
    /// One line about it.
    pub(crate) summary: String,
    file: PathBuf,
}

const PAGES: &str = "docs/diagnostics";

pub(super) fn check(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    let problems = problems(workspace, files)?;
    let mut findings = Vec::new();
    let mut by_id = BTreeMap::<&str, &Problem>::new();
    for problem in &problems {
        if let Some(first) = by_id.insert(&problem.id, problem) {
            findings.push(format!(
                "{}: `{}` is declared in {} too",
                problem.file.display(),
                problem.id,
                first.file.display()
            ));
        }
    }
    if !workspace.path(PAGES).is_dir() {
        return Ok(findings);
    }
    for (id, problem) in &by_id {
        let page = format!("{PAGES}/{id}.md");
        match std::fs::read_to_string(workspace.path(&page)) {
            Ok(text) => findings.extend(
                check_page(id, &text)
                    .into_iter()
                    .map(|wrong| format!("{page}: {wrong}")),
            ),
            Err(_) => findings.push(format!(
                "{}: `{id}` has no page {page}",
                problem.file.display()
            )),
        }
    }
    for file in files {
        let id = file
            .strip_prefix(PAGES)
            .ok()
            .filter(|page| page.components().count() == 2)
            .map(|page| page.with_extension(""));
        if let Some(id) = id.as_deref().and_then(Path::to_str)
            && file.extension().is_some_and(|end| end == "md")
            && !by_id.contains_key(id)
        {
            findings.push(format!("{}: no table declares `{id}`", file.display()));
        }
    }
    Ok(findings)
}

/// Every problem that the sources declare, by id.
pub(crate) fn problems(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for file in files {
        if file.extension().is_none_or(|end| end != "rs") || file.starts_with("xtask") {
            continue;
        }
        let Some(text) = workspace.text(file)? else {
            continue;
        };
        problems.extend(
            declared(&text)
                .into_iter()
                .map(|(is_error, id, summary)| Problem {
                    id,
                    is_error,
                    summary,
                    file: file.clone(),
                }),
        );
    }
    problems.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(problems)
}

/// The entries of a table: error or not, id, summary.
fn declared(source: &str) -> Vec<(bool, String, String)> {
    let mut found = Vec::new();
    let mut read = |table: &str, opening: &str, is_error| {
        for (at, _) in table.match_indices(opening) {
            if let Some((id, rest)) = literal(&table[at + opening.len()..])
                && id.contains('/')
                && let Some((summary, _)) = rest.trim_start().strip_prefix(',').and_then(literal)
            {
                found.push((is_error, id, summary));
            }
        }
    };
    read(source, "Entry::error(", true);
    read(source, "Entry::warning(", false);
    for start in ["IDS: &[(&str, &str)] = &[", "IDS: &[Id] = &["] {
        for (at, _) in source.match_indices(start) {
            let table = &source[at + start.len()..];
            read(&table[..table.find("];").unwrap_or(table.len())], "(", true);
        }
    }
    found
}

/// The string literal a text begins with, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let inner = text.trim_start().strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = inner.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &inner[at + 1..])),
            '\\' => match chars.next()?.1 {
                // A backslash before a line break joins the lines without the indentation.
                '\n' => {
                    let rest = chars.as_str();
                    let skipped = rest.len() - rest.trim_start().len();
                    for _ in 0..rest[..skipped].chars().count() {
                        chars.next();
                    }
                }
                escaped => value.push(escaped),
            },
            char => value.push(char),
        }
    }
    None
}

fn check_page(id: &str, text: &str) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    if !text
        .lines()
        .next()
        .is_some_and(|line| line.starts_with("# ") && line.contains(id))
    {
        wrong.push("the first line must be a heading with the id");
    }
    let lower = text.to_lowercase();
    let fences = text
        .lines()
        .filter(|line| line.trim_start().starts_with("```"))
        .count();
    if fences < 4 || !lower.contains("wrong") || !lower.contains("right") {
        wrong.push("needs a wrong and a right example, each in a code block and called so");
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_from_the_source() {
        let source = r#"
            Entry::error("check/unknown-variable", "a name that no `variable` block declares"),
            Entry::warning(
                "lower/unused",
                "a local that \
                 nobody reads",
            ),
            Entry::error(id, summary)"#;
        assert_eq!(
            declared(source),
            [
                (
                    true,
                    "check/unknown-variable".to_owned(),
                    "a name that no `variable` block declares".to_owned()
                ),
                (
                    false,
                    "lower/unused".to_owned(),
                    "a local that nobody reads".to_owned()
                ),
            ]
        );
        let pairs = "pub const ERROR_IDS: &[(&str, &str)] = &[(\"syntax/a\", \"one\")];\nfn f() { g(\"x/y\", \"z\") }";
        assert_eq!(
            declared(pairs),
            [(true, "syntax/a".to_owned(), "one".to_owned())]
        );
    }

    #[test]
    fn a_page_shows_a_wrong_and_a_right_example() {
        let page = "# check/cycle\n\n## Wrong\n\n```hcl\na\n```\n\n## Right\n\n```hcl\nb\n```\n";
        assert!(check_page("check/cycle", page).is_empty());
        assert_eq!(check_page("check/other", page).len(), 1);
        assert_eq!(
            check_page("check/cycle", "# check/cycle\n\nwrong, right\n").len(),
            1
        );
    }
}
