//! `imgc explain`: the page of a problem id.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imgc_compiler::diagnostic::nearest;

use crate::args::ExplainArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::terminal::print;

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

pub(super) fn run(args: &ExplainArgs) -> Outcome {
    let all = all();
    let text = match &args.id {
        None => list(&all),
        Some(id) => explain(id, &all)?,
    };
    print(&text)?;
    Ok(Exit::Done)
}

/// Every id with its level and one line about it.
fn all() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let mut all = BTreeMap::new();
    for entry in imgc_compiler::diagnostic::registry::all() {
        let level = match entry.severity {
            imgc_compiler::diagnostic::Severity::Error => "error",
            imgc_compiler::diagnostic::Severity::Warning => "warning",
            imgc_compiler::diagnostic::Severity::Note => "note",
        };
        all.insert(entry.id, (level, entry.summary));
    }
    for (id, summary) in crate::components::run_ids() {
        all.insert(id, ("error", summary));
    }
    all
}

/// The page of a problem.
pub(crate) fn page(id: &str) -> Option<&'static str> {
    let at = PAGES.binary_search_by_key(&id, |(id, _)| id).ok()?;
    let begin = at.checked_sub(1).map_or(0, |before| PAGES[before].1);
    let text = TEXT.get(begin as usize..PAGES[at].1 as usize)?;
    std::str::from_utf8(text).ok()
}

fn explain(
    id: &str,
    all: &BTreeMap<&'static str, (&'static str, &'static str)>,
) -> Result<String, Failure> {
    // As it stands in a message: `error[check/unknown-variable]`.
    let id = id
        .trim_start_matches("error[")
        .trim_start_matches("warning[");
    let id = id.trim_end_matches([']', ':']);
    let summary = all.get(id);
    match (page(id), summary) {
        (Some(page), _) => Ok(format!("{}\n", page.trim_end())),
        (None, Some((level, summary))) => Ok(format!("{id} ({level}): {summary}\n")),
        (None, None) => {
            let failure = Failure::usage(format!("there is no problem `{id}`"));
            let by_name = all.keys().find(|known| known.split('/').nth(1) == Some(id));
            let near = by_name
                .copied()
                .or_else(|| nearest(id, all.keys().copied()));
            Err(match near {
                Some(near) => failure.help(format!("did you mean `imgc explain {near}`?")),
                None => failure.help("`imgc explain` lists all of them"),
            })
        }
    }
}

fn list(all: &BTreeMap<&'static str, (&'static str, &'static str)>) -> String {
    let width = all.keys().map(|id| id.len()).max().unwrap_or(0);
    let mut out = String::new();
    let mut family = "";
    for (id, (level, summary)) in all {
        let own = id.split('/').next().unwrap_or_default();
        if own != family && !family.is_empty() {
            out.push('\n');
        }
        family = own;
        let _ = writeln!(out, "{id:width$}  {level:7}  {summary}");
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_page_is_about_a_declared_problem() {
        let all = all();
        for (id, _) in PAGES {
            assert!(
                all.contains_key(id),
                "docs/diagnostics/{id}.md explains no declared problem"
            );
        }
        assert!(PAGES.is_sorted());
        for (id, _) in PAGES {
            let page = page(id).unwrap();
            assert!(page.starts_with(&format!("# {id}\n")), "{id}: {page}");
            assert!(page.ends_with('\n'), "{id}: {page}");
        }
    }

    #[test]
    fn every_problem_has_a_page() {
        let missing: Vec<_> = all().into_keys().filter(|id| page(id).is_none()).collect();
        assert!(missing.is_empty(), "docs/diagnostics lacks {missing:?}");
    }

    #[test]
    fn an_id_may_be_copied_with_its_level_or_misspelt() {
        let all = BTreeMap::from([(
            "check/unknown-variable",
            ("error", "a name that is not declared"),
        )]);
        let text = explain("error[check/unknown-variable]:", &all).unwrap();
        assert!(text.contains("unknown"), "{text}");
        for wrong in ["check/unknown-varible", "unknown-variable"] {
            let failure = explain(wrong, &all).unwrap_err();
            assert!(
                failure
                    .text()
                    .contains("imgc explain check/unknown-variable"),
                "{}",
                failure.text()
            );
        }
        let failure = explain("zebra", &all).unwrap_err();
        assert!(failure.text().contains("lists all"));
    }
}
