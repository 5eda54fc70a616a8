//! Every problem id has a page, every page an id.
//!
//! The ids are read from the registry tables in the sources (`Entry::error("family/name", "summary")`, and the pairs
//! in a table `IDS` of a crate), so this needs no compiled `imgc`. The page of `family/name` is `docs/diagnostics/family/name.md`; it names the id, and shows a
//! wrong and a right example.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::workspace::Workspace;

/// A declared problem and where.
struct Problem {
    id: String,
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
fn problems(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for file in files {
        if file.extension().is_none_or(|end| end != "rs") || file.starts_with("xtask") {
            continue;
        }
        let Some(text) = workspace.text(file)? else {
            continue;
        };
        problems.extend(declared(&text).into_iter().map(|id| Problem {
            id,
            file: file.clone(),
        }));
    }
    problems.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(problems)
}

/// The ids of the entries of all tables in a source.
fn declared(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut read = |table: &str, opening: &str| {
        for (at, _) in table.match_indices(opening) {
            // An entry is an id and a summary.
            if let Some((id, rest)) = id_of(source, &table[at + opening.len()..])
                && id.contains('/')
                && rest
                    .trim_start()
                    .strip_prefix(',')
                    .and_then(literal)
                    .is_some()
            {
                found.push(id);
            }
        }
    };
    read(source, "Entry::error(");
    read(source, "Entry::warning(");
    for start in ["IDS: &[(&str, &str)] = &[", "IDS: &[Id] = &["] {
        for (at, _) in source.match_indices(start) {
            let table = &source[at + start.len()..];
            read(&table[..table.find("];").unwrap_or(table.len())], "(");
        }
    }
    found
}

/// The id an entry begins with, as a literal or by the name of a constant of the same file, and what follows it.
fn id_of<'a>(source: &str, entry: &'a str) -> Option<(String, &'a str)> {
    literal(entry).or_else(|| {
        let entry = entry.trim_start();
        let (name, _) = entry.split_once(|char: char| !char.is_alphanumeric() && char != '_')?;
        let constant = format!("const {name}: &str =");
        let at = source.find(&constant)? + constant.len();
        Some((literal(&source[at..])?.0, &entry[name.len()..]))
    })
}

/// The string literal a text begins with, as written, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let inner = text.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.find(|char| {
        let ends = char == '"' && !escaped;
        escaped = char == '\\' && !escaped;
        ends
    })?;
    Some((inner[..end].to_owned(), &inner[end + 1..]))
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
    let has_examples = fences >= 4 && lower.contains("wrong") && lower.contains("right");
    if !has_examples && !lower.contains("\n## what to do\n") {
        wrong.push("needs a wrong and a right example, each in a code block and called so, or a part `## What to do`");
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
        assert_eq!(declared(source), ["check/unknown-variable", "lower/unused"]);
        let pairs = "pub const ERROR_IDS: &[(&str, &str)] = &[(\"syntax/a\", \"one \\\"x\\\"\"),\n(\"syntax/b\", \"\")];\nfn f() { g(\"x/y\", \"z\") }";
        assert_eq!(declared(pairs), ["syntax/a", "syntax/b"]);
        let by_name =
            "pub const IDS: &[Id] = &[(\n QUERY, \"one\")];\nconst QUERY: &str = \"run/query\";";
        assert_eq!(declared(by_name), ["run/query"]);
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
