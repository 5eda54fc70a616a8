//! Half-written templates: every question at many places of examples that are cut short or lack pieces is answered, without
//! a panic, with ranges inside of the text.
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "tests read their own cases")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::components::Everything;
use imgc_compiler::source::{FixedWorld, Memory, World};
use imgc_ide::{Analysis, AnalysisHost, Outside, TextRange};

fn examples() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for place in [
        "../examples",
        "tests/languages",
        "tests/legacy",
        "tests/repetition",
        "syntax/tests/corpus",
    ] {
        collect(&root.join(place), &mut found);
    }
    assert!(found.len() > 20, "the templates were not found");
    found
}

fn collect(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, found);
            continue;
        }
        let name = path.to_string_lossy().into_owned();
        let known = [".hcl", ".json", ".imgc.toml"];
        if known.iter().any(|end| name.ends_with(end))
            && let Ok(text) = String::from_utf8(std::fs::read(&path).unwrap())
            && text.len() < 20_000
        {
            found.push((path, text));
        }
    }
}

fn host() -> AnalysisHost {
    AnalysisHost::new(Outside {
        sources: Arc::new(Memory::new([("/elsewhere/x", "")])),
        world: Arc::new(|| Arc::new(FixedWorld::default()) as Arc<dyn World>),
        components: Arc::new(Everything),
    })
}

/// Asks everything there is about a file.
fn ask(analysis: &Analysis, path: &Path, text: &str, offsets: &[u32]) {
    let len = text.len() as u32;
    let all = TextRange::new(0, len);
    let inside = |range: TextRange| {
        assert!(
            range.start <= range.end
                && range.end <= len
                && text.is_char_boundary(range.start as usize)
                && text.is_char_boundary(range.end as usize),
            "{range:?} is no place of a text of {len} bytes"
        );
    };
    let id = analysis.template_of(path);
    for file in id.iter().flat_map(|id| analysis.diagnostics(id).unwrap()) {
        if file.path == path {
            file.problems
                .iter()
                .for_each(|problem| inside(problem.range));
        }
    }
    for fold in analysis.folds(path).unwrap() {
        inside(fold.range);
    }
    let mut last = 0;
    for token in analysis.semantic_tokens(path, None).unwrap() {
        inside(token.range);
        assert!(last <= token.range.start, "tokens overlap at {last}");
        last = token.range.end;
    }
    for symbol in analysis.document_symbols(path).unwrap() {
        inside(symbol.range);
        assert!(symbol.range.covers(symbol.focus));
    }
    analysis.inlay_hints(path, all).unwrap();
    analysis.code_lenses(path).unwrap();
    analysis.format(path).unwrap();
    for link in analysis.document_links(path).unwrap() {
        inside(link.range);
    }
    for &offset in offsets {
        for item in analysis.completions(path, offset).unwrap() {
            inside(item.edit.range);
            assert!(
                item.edit.range.start <= offset.min(len),
                "`{}` is written behind the cursor",
                item.label
            );
        }
        if let Some(hover) = analysis.hover(path, offset).unwrap() {
            inside(hover.range);
        }
        analysis.signature_help(path, offset).unwrap();
        analysis.definition(path, offset).unwrap();
        analysis.type_definition(path, offset).unwrap();
        analysis.references(path, offset, true).unwrap();
        analysis.highlights(path, offset).unwrap();
        let _ = analysis.prepare_rename(path, offset).unwrap();
        let _ = analysis.rename(path, offset, "other_name", &[]).unwrap();
        let ranges = analysis.selection_ranges(path, offset).unwrap();
        assert!(!ranges.is_empty());
        ranges.iter().for_each(|range| inside(*range));
        for typed in ['}', ']', '\n'] {
            analysis.format_on_type(path, offset, typed).unwrap();
        }
        let range = TextRange::new(offset, (offset + 9).min(len.max(offset)));
        for action in analysis.code_actions(path, range).unwrap() {
            action
                .edit
                .edits
                .get(path)
                .into_iter()
                .flatten()
                .for_each(|edit| inside(edit.range));
        }
    }
}

/// Numbers that look like chance and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn name_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_string_lossy();
    let plain = name.ends_with(".hcl") && !name.contains(".pkr") && !name.contains(".imgc");
    match plain {
        true => Path::new("/t").join(name.replace(".hcl", ".pkr.hcl")),
        false => Path::new("/t").join(&*name),
    }
}

#[test]
fn examples_cut_short_are_answered() {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut asked = 0;
    for (path, text) in examples() {
        let mut host = host();
        let name = name_of(&path);
        for round in 0..6 {
            let cut = boundary(&text, numbers.below(text.len() + 1));
            let variant = match round % 3 {
                0 => text[..cut].to_owned(),
                1 => {
                    let end = boundary(&text, (cut + numbers.below(12)).min(text.len()));
                    [&text[..cut], &text[end..]].concat()
                }
                _ => {
                    let inserts = [
                        "\"",
                        "{",
                        "}",
                        "${",
                        "=",
                        "[",
                        "\\",
                        "\u{feff}ü",
                        "\r\n",
                        "<<EOT\n",
                        ".",
                    ];
                    let insert = inserts[numbers.below(inserts.len())];
                    [&text[..cut], insert, &text[cut..]].concat()
                }
            };
            host.set_text(&name, variant.as_str());
            let offsets: Vec<u32> = (0..5)
                .map(|at| match at {
                    0 => cut as u32,
                    1 => cut.saturating_sub(1) as u32,
                    // Offsets inside of characters and beyond the text are answered as well.
                    _ => numbers.below(variant.len() + 3) as u32,
                })
                .collect();
            ask(&host.analysis(), &name, &variant, &offsets);
            asked += offsets.len();
        }
    }
    assert!(asked > 500);
}

#[test]
fn strange_texts_are_answered() {
    let texts = [
        "",
        "\u{feff}",
        "\r\n\r\n",
        "{",
        "}",
        "\"",
        "${",
        "[[",
        "''' ",
        "\u{0}",
        "é",
        "a.b.c.",
        "<<",
        "//",
        "/*",
        "{{{{",
        "\\",
        "= = =",
        "%{ if",
        "{\"builders\":[{\"type\":",
        "[source.null",
        "build {",
    ];
    let names = [
        "a.pkr.hcl",
        "a.imgc.toml",
        "a.pkr.json",
        "a.json",
        "a.pkrvars.hcl",
        "a.auto.pkrvars.json",
        "a.pkrvars.toml",
        "a.txt",
    ];
    for name in names {
        let path = Path::new("/t").join(name);
        for text in texts {
            let mut host = host();
            host.set_text(&path, text);
            ask(
                &host.analysis(),
                &path,
                text,
                &[0, 1, 2, 3, text.len() as u32, 1_000],
            );
        }
    }
}

#[test]
fn edits_end_where_a_fresh_start_does() {
    let mut numbers = Numbers(42);
    let (_, original) = examples()
        .into_iter()
        .find(|(path, _)| path.to_string_lossy().ends_with(".pkr.hcl"))
        .unwrap();
    let path = Path::new("/t/main.pkr.hcl");
    let mut typed = host();
    let mut text = original;
    for _ in 0..200 {
        let at = boundary(&text, numbers.below(text.len() + 1));
        let pieces = ["x", " ", "\n", "\"", "}", "{ ", "var.", "source "];
        match numbers.below(3) {
            0 => {
                let end = boundary(&text, (at + numbers.below(5)).min(text.len()));
                text.replace_range(at..end, "");
            }
            _ => text.insert_str(at, pieces[numbers.below(pieces.len())]),
        }
        typed.set_text(path, text.as_str());
        let analysis = typed.analysis();
        analysis.completions(path, at as u32).unwrap();
        let id = analysis.template_of(path).unwrap();
        analysis.diagnostics(&id).unwrap();
    }
    let mut fresh = host();
    fresh.set_text(path, text.as_str());
    let (typed, fresh) = (typed.analysis(), fresh.analysis());
    for offset in (0..text.len() as u32).step_by(50) {
        assert_eq!(
            typed.completions(path, offset),
            fresh.completions(path, offset)
        );
    }
    let id = fresh.template_of(path).unwrap();
    assert_eq!(typed.diagnostics(&id), fresh.diagnostics(&id));
    assert_eq!(typed.document_symbols(path), fresh.document_symbols(path));
    assert_eq!(
        typed.semantic_tokens(path, None),
        fresh.semantic_tokens(path, None)
    );
}

#[test]
fn completion_knows_by_names_alone_what_it_knows_by_everything() {
    let mut numbers = Numbers(7);
    let mut compared = 0;
    for (path, text) in examples() {
        let name = name_of(&path);
        let (mut quick, mut thorough) = (host(), host());
        for round in 0..3 {
            let at = boundary(&text, numbers.below(text.len() + 1));
            let variant = match round {
                0 => text.clone(),
                1 => [&text[..at], "${var.}", &text[at..]].concat(),
                _ => [&text[..at], "\n", &text[at..]].concat(),
            };
            for host in [&mut quick, &mut thorough] {
                host.set_text(&name, variant.as_str());
            }
            let (quick, thorough) = (quick.analysis(), thorough.analysis());
            if let Some(id) = thorough.template_of(&name) {
                thorough.diagnostics(&id).unwrap();
            }
            for offset in [at, at + 1, at + 6, numbers.below(variant.len())] {
                let found = quick.completions(&name, offset as u32).unwrap();
                let wanted = thorough.completions(&name, offset as u32).unwrap();
                assert_eq!(found, wanted, "{} at {offset}", path.display());
                compared += found.len();
            }
        }
        assert_eq!(quick.counts().compilations(), 0);
    }
    assert!(compared > 1000, "{compared}");
}
