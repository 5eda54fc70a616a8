//! Every problem has a page, and the examples on the page do what the page says.
//!
//! A page is `docs/diagnostics/<family>/<name>.md`: the id as heading, what it means, `## Wrong`, `## Right` and perhaps
//! `## What to do`. Compiling the wrong example reports that id, at its level, and no other; compiling the right one
//! reports nothing at all. What the wrong examples look like to a user is kept as a gallery, one snapshot per family.
//!
//! An example is made of fenced blocks, and may say:
//!
//! - `hcl`: the template, `main.pkr.hcl`, in the working directory; `json`: `main.pkr.json`; `toml`: `main.imgc.toml`;
//! - `hcl file=NAME`, `text file=NAME`: another file; with `size=N` it has so many zero bytes instead of the text, with
//!   `denied` nobody may read it;
//! - `sh`: how imgc is called: `NAME=value imgc plan -var 'x=1' -only=web.* PATH`. Without it, `imgc plan`.
//!
//! In a block `⟨( × 300⟩` stands for 300 opening parentheses, and `⟨byte E9⟩` for a byte that is not text.
//!
//! `IMGC_UPDATE_PAGES=1` writes the list of all problems, `docs/diagnostics/README.md`.
#![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]
#![expect(clippy::disallowed_methods, reason = "tests read the pages")]

#[path = "pages/example.rs"]
mod example;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use example::Example;
use imgc_compiler::compile::Compilation;
use imgc_compiler::diagnostic::registry::{self, Entry};
use imgc_compiler::diagnostic::{Severity, plain};

/// A gigabyte of text takes too long to parse in a test; the parser's own tests have a case with a small limit.
const WITHOUT_EXAMPLES: &[&str] = &["syntax/too-large"];

#[test]
fn every_problem_has_a_page_that_holds() {
    let mut wrong = Vec::new();
    for entry in registry::all() {
        if let Err(reason) = check(&entry) {
            wrong.push(format!("{}: {reason}", path(entry.id).display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_page_is_about_a_problem() {
    let known: BTreeSet<String> = registry::all().iter().map(|e| e.id.to_owned()).collect();
    let pages: BTreeSet<String> = pages().collect();
    let stray: Vec<_> = pages
        .difference(&known)
        // Problems of runs are declared by the runtime and its leaf crates.
        .filter(|id| !id.starts_with("run/"))
        .collect();
    assert!(stray.is_empty(), "no problem has these ids: {stray:?}");
}

#[test]
fn pages_of_runs_have_the_same_form() {
    for id in pages().filter(|id| id.starts_with("run/")) {
        let page = Page::read(&id).unwrap();
        assert_eq!(
            page.sections.keys().collect::<Vec<_>>(),
            ["What to do"],
            "{id}"
        );
    }
}

#[test]
fn gallery() {
    let mut families: BTreeMap<&str, String> = BTreeMap::new();
    for entry in registry::all() {
        let Some(example) = Page::read(entry.id)
            .ok()
            .and_then(|page| page.example("Wrong"))
        else {
            continue;
        };
        let (family, _) = entry.id.split_once('/').unwrap();
        let text = families.entry(family).or_default();
        text.push_str(&shown(&example.compile()));
    }
    for (family, text) in families {
        insta::with_settings!({ snapshot_suffix => family, omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("gallery", text);
        });
    }
}

#[test]
fn the_list_of_problems_is_up_to_date() {
    let path = directory().join("README.md");
    let text = list();
    if std::env::var_os("IMGC_UPDATE_PAGES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/diagnostics/README.md is out of date: set IMGC_UPDATE_PAGES=1 and run this test"
    );
}

fn check(entry: &Entry) -> Result<(), String> {
    let page = Page::read(entry.id)?;
    if WITHOUT_EXAMPLES.contains(&entry.id) {
        return Ok(());
    }
    let wrong = page
        .example("Wrong")
        .ok_or("`## Wrong` has no example")?
        .compile();
    let mut found: Vec<(&str, Severity)> = wrong
        .diagnostics
        .iter()
        .map(|d| (d.id, d.severity))
        .collect();
    found.extend(
        wrong
            .unreadable
            .iter()
            .map(|problem| (problem.id, Severity::Error)),
    );
    found.dedup();
    if found != [(entry.id, entry.severity)] {
        return Err(format!(
            "the wrong example reports {found:?}\n{}",
            shown(&wrong)
        ));
    }
    let right = page
        .example("Right")
        .ok_or("`## Right` has no example")?
        .compile();
    if right.plan.is_none() || !right.diagnostics.is_empty() {
        return Err(format!("the right example is not right\n{}", shown(&right)));
    }
    Ok(())
}

/// What a user sees, long lines cut.
fn shown(compilation: &Compilation) -> String {
    let mut text = plain::render(&compilation.sources, &compilation.diagnostics);
    if let Some(problem) = &compilation.unreadable {
        writeln!(text, "error[{}]: {}", problem.id, problem.message).unwrap();
        writeln!(text, "  --> {}", problem.path.display()).unwrap();
        if let Some(help) = &problem.help {
            writeln!(text, "  help: {help}").unwrap();
        }
        text.push('\n');
    }
    let cut = |line: &str| match line.char_indices().nth(240) {
        Some((at, _)) => format!("{} …\n", &line[..at]),
        None => format!("{line}\n"),
    };
    text.lines().map(cut).collect()
}

/// A page, taken apart.
struct Page {
    sections: BTreeMap<String, Vec<Block>>,
}

/// A fenced block: the words after the fence, and the lines.
struct Block {
    words: Vec<String>,
    text: String,
}

impl Page {
    fn read(id: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path(id)).map_err(|error| error.to_string())?;
        let mut lines = text.lines();
        if lines.next() != Some(&format!("# {id}")) {
            return Err(format!("the heading is not `# {id}`"));
        }
        let mut sections: BTreeMap<String, Vec<Block>> = BTreeMap::new();
        let mut section = String::new();
        let mut words = 0;
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("## ") {
                if !["Wrong", "Right", "What to do"].contains(&name) {
                    return Err(format!("there is no section `{name}`"));
                }
                name.clone_into(&mut section);
                sections.insert(section.clone(), Vec::new());
            } else if let Some(info) = line.strip_prefix("```") {
                let block = Block {
                    words: info.split_whitespace().map(str::to_owned).collect(),
                    text: lines
                        .by_ref()
                        .take_while(|line| *line != "```")
                        .fold(String::new(), |text, line| text + line + "\n"),
                };
                sections
                    .get_mut(&section)
                    .ok_or("a block stands before all sections")?
                    .push(block);
            } else if section.is_empty() {
                words += line.split_whitespace().count();
            }
        }
        if words < 6 {
            return Err("the page does not say what the problem is".to_owned());
        }
        Ok(Self { sections })
    }

    fn example(&self, section: &str) -> Option<Example> {
        let blocks = self
            .sections
            .get(section)
            .filter(|blocks| !blocks.is_empty())?;
        let mut example = Example::default();
        for block in blocks {
            example.add(block);
        }
        Some(example)
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnostics")
}

fn path(id: &str) -> PathBuf {
    directory().join(format!("{id}.md"))
}

/// The ids that have a page.
fn pages() -> impl Iterator<Item = String> {
    let families = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut ids = Vec::new();
    for family in families.filter(|path| path.is_dir()) {
        for page in std::fs::read_dir(&family).unwrap() {
            let name = page.unwrap().file_name().into_string().unwrap();
            let family = family.file_name().unwrap().to_string_lossy().into_owned();
            ids.push(format!(
                "{family}/{}",
                name.strip_suffix(".md").expect("pages are Markdown")
            ));
        }
    }
    ids.sort();
    ids.into_iter()
}

const FAMILIES: &[(&str, &str)] = &[
    ("load", "reading files"),
    ("syntax", "how a template is written in HCL"),
    ("json", "how a template is written in JSON"),
    ("toml", "how a template is written in TOML"),
    ("legacy", "legacy JSON templates"),
    (
        "lower",
        "texts that are well formed and still cannot be taken",
    ),
    ("type", "the types of variables"),
    ("check", "names, blocks, options"),
    ("eval", "the values of expressions"),
    ("data", "what data sources say"),
    ("plan", "what can be built"),
    ("run", "while a plan is carried out"),
];

/// The list of all problems.
fn list() -> String {
    let mut text = String::from(
        "# Problems\n\nEvery problem imgc can report, by its id. `imgc explain ID` prints a page. A test writes this list\nand compiles the examples of every page.\n",
    );
    let all = registry::all();
    for (family, about) in FAMILIES {
        write!(
            text,
            "\n## {family}: {about}\n\n| id | level | what it is |\n|---|---|---|\n"
        )
        .unwrap();
        let row = |id: &str, level: &str, summary: &str| {
            format!(
                "| [`{id}`]({id}.md) | {level} | {} |\n",
                summary.replace('|', "\\|")
            )
        };
        for entry in all
            .iter()
            .filter(|entry| entry.id.split('/').next() == Some(family))
        {
            let level = match entry.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            text.push_str(&row(entry.id, level, entry.summary));
        }
        for id in pages().filter(|id| id.starts_with("run/") && *family == "run") {
            let page = std::fs::read_to_string(path(&id)).unwrap();
            // A page of a run begins with its summary.
            let first = page
                .lines()
                .nth(2)
                .unwrap_or_default()
                .trim_end_matches('.');
            let mut letters = first.chars();
            let summary: String = letters
                .next()
                .into_iter()
                .flat_map(char::to_lowercase)
                .chain(letters)
                .collect();
            text.push_str(&row(&id, "error", &summary));
        }
    }
    assert!(all.iter().all(|entry| {
        FAMILIES
            .iter()
            .any(|(family, _)| entry.id.starts_with(family))
    }));
    text
}
