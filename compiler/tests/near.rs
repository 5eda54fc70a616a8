//! Every problem has a case that hits it, and a near miss: what looks like the mistake and is none.
//!
//! `near/<name>.txt` holds them, beside the examples of the pages and the folders of `cases`:
//!
//! ```text
//! === check/unknown-local
//! --- case
//! template that has the problem and no other; left out where a folder of `cases` has one
//! --- near
//! template without any problem
//! ```
//!
//! A line `@ WORDS` begins another file, or a command; the words are those of the blocks of pages (`@ json file=web.json`,
//! `@ sh`). Without it the text is in HCL, for the families `json` and `toml` in these.
#![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]
#![expect(clippy::disallowed_methods, reason = "tests read their own cases")]

#[path = "pages/example.rs"]
mod example;

use std::collections::BTreeMap;
use std::path::Path;

use example::Example;
use imgc_compiler::compile::Compilation;
use imgc_compiler::diagnostic::{plain, registry};

/// A gigabyte of text takes too long to parse in a test; the parser's own tests have a case with a small limit.
const ELSEWHERE: &[&str] = &["syntax/too-large"];

/// A file of an example, or its command.
struct Block {
    words: Vec<String>,
    text: String,
}

/// What is known of one problem.
#[derive(Default)]
struct Entry {
    case: Option<Example>,
    near: Option<Example>,
}

#[test]
fn every_problem_has_a_case_and_a_near_miss() {
    let mut entries = read();
    let folders = snapshots();
    let mut wrong = Vec::new();
    for id in registry::all().iter().map(|entry| entry.id) {
        if ELSEWHERE.contains(&id) {
            continue;
        }
        let entry = entries.remove(id).unwrap_or_default();
        match entry.case.map(Example::compile) {
            Some(case) if ids(&case) != [id] => {
                wrong.push(format!("{id}: the case reports\n{}", shown(&case)));
            }
            Some(_) => {}
            None if !folders.contains(&format!("[{id}]")) => {
                wrong.push(format!("{id}: there is no case"));
            }
            None => {}
        }
        match entry.near.map(Example::compile) {
            Some(near) if near.plan.is_none() || !ids(&near).is_empty() => {
                wrong.push(format!("{id}: the near miss reports\n{}", shown(&near)));
            }
            Some(_) => {}
            None => wrong.push(format!("{id}: there is no near miss")),
        }
    }
    wrong.extend(entries.keys().map(|id| format!("{id}: no such problem")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The problems that a template has, each once.
fn ids(compilation: &Compilation) -> Vec<&'static str> {
    let mut ids: Vec<&str> = compilation.diagnostics.iter().map(|d| d.id).collect();
    ids.extend(compilation.unreadable.iter().map(|problem| problem.id));
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn shown(compilation: &Compilation) -> String {
    let text = plain::render(&compilation.sources, &compilation.diagnostics);
    format!("{text}{:?}", compilation.unreadable)
}

/// What the folders of `cases` report.
fn snapshots() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let mut all = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("case@") {
            all.push_str(&std::fs::read_to_string(entry.path()).unwrap());
        }
    }
    all
}

fn read() -> BTreeMap<String, Entry> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/near");
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for part in text.split("=== ").skip(1) {
            let (id, rest) = part.split_once('\n').unwrap();
            let entry = entries.entry(id.to_owned()).or_default();
            for example in rest.split("--- ").skip(1) {
                let (what, lines) = example.split_once('\n').unwrap();
                let place = match what {
                    "case" => &mut entry.case,
                    "near" => &mut entry.near,
                    other => panic!("{id}: there is no `--- {other}`"),
                };
                assert!(place.is_none(), "{id}: two examples of `{what}`");
                *place = Some(one(id, lines));
            }
        }
    }
    entries
}

/// An example, from its lines.
fn one(id: &str, lines: &str) -> Example {
    let language = id
        .split('/')
        .next()
        .filter(|f| ["json", "toml"].contains(f));
    let words = vec![language.unwrap_or("hcl").to_owned()];
    let mut blocks = vec![Block {
        words,
        text: String::new(),
    }];
    for line in lines.split_inclusive('\n') {
        match line.strip_prefix("@ ") {
            Some(words) => blocks.push(Block {
                words: words.split_whitespace().map(str::to_owned).collect(),
                text: String::new(),
            }),
            None => blocks.last_mut().unwrap().text.push_str(line),
        }
    }
    let mut example = Example::default();
    for (at, block) in blocks.iter().enumerate() {
        // The file that needs no words is there if it says something.
        if at > 0 || !block.text.is_empty() {
            example.add(block);
        }
    }
    example
}
