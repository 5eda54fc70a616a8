//! Links between pages resolve: the file is there, and the heading too.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use crate::workspace::Workspace;

pub(super) fn check(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    for file in files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "md"))
    {
        if let Some(text) = workspace.text(file)? {
            pages.insert(file.clone(), text);
        }
    }
    let exists = |path: &Path| workspace.path(path).exists();
    Ok(check_pages(&pages, &exists))
}

fn check_pages(pages: &BTreeMap<PathBuf, String>, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, text) in pages {
        for (line, link) in links(text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link
                .split_once('#')
                .map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() {
                Some(file.clone())
            } else {
                resolve(file, path)
            };
            let at = format!("{}:{line}", file.display());
            match target {
                Some(target) if exists(&target) => {
                    if let (Some(anchor), Some(text)) = (anchor, pages.get(&target))
                        && !headings(text).any(|heading| slug(heading) == anchor)
                    {
                        findings.push(format!(
                            "{at}: {} has no heading `#{anchor}`",
                            target.display()
                        ));
                    }
                }
                _ => findings.push(format!("{at}: there is no `{path}`")),
            }
        }
    }
    findings
}

/// A link's path from the root; `None` when it leaves the project.
fn resolve(file: &Path, path: &str) -> Option<PathBuf> {
    let mut resolved = file.parent()?.to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir => {
                if !resolved.pop() {
                    return None;
                }
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(resolved)
}

/// The targets of inline links, with their lines; code does not count.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line;
        while let Some(at) = rest.find("](") {
            let target = &rest[at + 2..];
            let Some(end) = target.find(')') else { break };
            if rest[..at].matches('`').count().is_multiple_of(2) {
                let word = target[..end].split_whitespace().next().unwrap_or_default();
                found.push((number, word));
                rest = &target[end..];
            } else {
                rest = &rest[at + 2..];
            }
        }
    }
    found
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    prose(text)
        .filter_map(|(_, line)| line.strip_prefix('#'))
        .map(|rest| rest.trim_start_matches('#').trim())
}

/// Lines outside fenced code, numbered from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// The anchor of a heading as code hosts make it: lower case, blanks to hyphens, punctuation dropped.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|char| match char {
            ' ' => Some('-'),
            '-' | '_' => Some(char),
            char if char.is_alphanumeric() => Some(char),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(pages: &[(&str, &str)]) -> Vec<String> {
        let pages: BTreeMap<PathBuf, String> = pages
            .iter()
            .map(|(path, text)| (path.into(), (*text).to_owned()))
            .collect();
        check_pages(&pages, &|path| {
            pages.contains_key(path) || path == Path::new("docs")
        })
    }

    #[test]
    fn links_that_resolve_pass() {
        let found = findings(&[
            (
                "README.md",
                "[a](docs/a.md#two-words-here) [b](docs) [c](https://example.org) [d](#top)\n# Top\n",
            ),
            ("docs/a.md", "# Two `words`, here\n[up](../README.md)\n"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_missing_page_and_a_missing_heading_are_found() {
        let found = findings(&[(
            "README.md",
            "[a](docs/none.md)\n[b](#nowhere)\n[c](../outside.md)\n",
        )]);
        assert_eq!(
            found,
            [
                "README.md:1: there is no `docs/none.md`",
                "README.md:2: README.md has no heading `#nowhere`",
                "README.md:3: there is no `../outside.md`",
            ]
        );
    }

    #[test]
    fn code_has_no_links() {
        assert_eq!(
            findings(&[("a.md", "```\n[a](none.md)\n```\nwrite `[a](none.md)` so\n")]),
            Vec::<String>::new()
        );
    }
}
