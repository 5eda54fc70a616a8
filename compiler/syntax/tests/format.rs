//! The formatter against HashiCorp's: recorded for every text of the corpus, asked live on demand; and what must hold for
//! any layout.
#![allow(clippy::unwrap_used)]
#![expect(
    clippy::disallowed_methods,
    reason = "tests read the corpus and ask another program"
)]

use std::path::{Path, PathBuf};

use imgc_syntax::hcl::{SyntaxKind, format, parse, tokens};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Names Packer 1.6.6 (`packer`, or a path): then the recordings are compared with what it says, and generated layouts too.
const PACKER: &str = "IMGC_PACKER";

/// Where its formatter is mistaken, as text it writes and text that is right.
const MISTAKEN: &[(&str, &str)] = &[
    // It does not know `!` as an operator with one side; its own later versions do.
    ("! ", "!"),
    // It takes the keyword for the name of a function.
    (" in(", " in ("),
    (" if(", " if ("),
    // It takes the sign for a subtraction.
    ("=> - ", "=> -"),
];

fn corrected(theirs: &str) -> String {
    MISTAKEN
        .iter()
        .fold(theirs.to_owned(), |text, (wrong, right)| {
            text.replace(wrong, right)
        })
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// Name and text of every file of the corpus.
fn corpus() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(directory("corpus")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        texts.push((name, std::fs::read_to_string(path).unwrap()));
    }
    texts.sort();
    assert!(texts.len() > 15);
    texts
}

/// Complains with the lines that differ.
fn same(ours: &str, expected: &str, about: &str) {
    let lines = ours.lines().zip(expected.lines());
    let different: String = lines
        .filter(|(ours, expected)| ours != expected)
        .map(|(ours, expected)| format!("- {expected}\n+ {ours}\n"))
        .collect();
    assert!(ours == expected, "{about}\n{different}");
}

/// What Packer makes of these texts, if there is one to ask; `None` for one that is newer than its parser.
fn packers(texts: &[String]) -> Option<Vec<Option<String>>> {
    let packer = std::env::var_os(PACKER)?;
    let scratch = std::env::temp_dir().join(format!("imgc-format-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let path = |at: usize| scratch.join(format!("{at}.pkr.hcl"));
    for (at, text) in texts.iter().enumerate() {
        std::fs::write(path(at), text).unwrap();
    }
    let output = std::process::Command::new(packer)
        .arg("fmt")
        .arg(&scratch)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let formatted = (0..texts.len())
        .map(|at| {
            let refused = format!("failed to parse HCL {}\n", path(at).display());
            let text = std::fs::read_to_string(path(at)).unwrap();
            (!said.contains(&refused)).then_some(text)
        })
        .collect();
    std::fs::remove_dir_all(&scratch).unwrap();
    Some(formatted)
}

#[test]
fn the_corpus_looks_as_packer_lays_it_out() {
    let (names, texts): (Vec<_>, Vec<_>) = corpus().into_iter().unzip();
    let recorded = |name: &String| directory("formatted").join(format!("{name}.hcl"));
    if let Some(all) = packers(&texts) {
        std::fs::create_dir_all(directory("formatted")).unwrap();
        for (name, text) in names.iter().zip(all) {
            let _ = std::fs::remove_file(recorded(name));
            if let Some(text) = text {
                std::fs::write(recorded(name), text).unwrap();
            }
        }
    }
    let mut compared = 0;
    for (name, text) in names.iter().zip(&texts) {
        let Ok(theirs) = std::fs::read_to_string(recorded(name)) else {
            continue;
        };
        compared += 1;
        same(&format(text), &corrected(&theirs), name);
    }
    assert!(compared >= 15, "only {compared} of {}", names.len());
}

/// Blanks of any kind between two tokens, one choice for each.
fn blanks() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0..9u8, 64)
}

/// The text with other blanks between its tokens, as far as that makes no other tokens.
fn mangled(text: &str, choices: &[u8]) -> String {
    let mut out = String::new();
    let mut start = 0;
    let mut before = SyntaxKind::Newline;
    let mut heredocs = 0;
    let mut choices = choices.iter().cycle();
    let all: Vec<(SyntaxKind, u32)> = tokens(text).collect();
    for (at, (kind, end)) in all.iter().enumerate() {
        let token = &text[start..*end as usize];
        start = *end as usize;
        let next = all.get(at + 1).map(|(kind, _)| *kind);
        if *kind == SyntaxKind::Whitespace && next != Some(SyntaxKind::HeredocEnd) {
            continue;
        }
        if outside_text(before, *kind) {
            out.push_str(match choices.next().unwrap() {
                0 | 1 => "",
                2 | 3 => " ",
                4 => "  ",
                5 => "\t",
                6 => "     ",
                7 => "/* c */",
                // Lines inside a heredoc's interpolation confuse Packer's count of brackets.
                _ if heredocs > 0 => "",
                _ => match before {
                    SyntaxKind::LParen | SyntaxKind::Comma => "\n",
                    _ => "",
                },
            });
            // Words and signs must not grow together.
            if sticks(&out, token) {
                out.push(' ');
            }
        }
        out.push_str(token);
        match kind {
            SyntaxKind::HeredocOpen => heredocs += 1,
            SyntaxKind::HeredocEnd => heredocs -= 1,
            _ => {}
        }
        before = *kind;
    }
    out
}

/// Whether blanks between these two belong to no text.
fn outside_text(before: SyntaxKind, after: SyntaxKind) -> bool {
    use SyntaxKind as K;
    let text = |kind| matches!(kind, K::Text | K::Escape | K::Whitespace | K::HeredocEnd);
    !(text(after)
        || text(before)
        || matches!(before, K::QuoteOpen | K::HeredocOpen | K::Newline)
        || matches!(after, K::QuoteClose | K::Newline | K::Dot | K::ColonColon)
        || matches!(before, K::Dot | K::ColonColon | K::Number | K::LineComment)
        || (before == K::TemplateClose && matches!(after, K::InterpOpen | K::DirectiveOpen)))
}

fn sticks(out: &str, token: &str) -> bool {
    let wordy = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let sign = |c: char| "=!<>&|/*%:?~".contains(c);
    match (out.chars().next_back(), token.chars().next()) {
        (Some(before), Some(after)) => {
            (wordy(before) && wordy(after)) || (sign(before) && sign(after))
        }
        _ => false,
    }
}

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// The tokens that matter, with their texts.
fn meaning(text: &str) -> Vec<(SyntaxKind, &str)> {
    let mut start = 0;
    tokens(text)
        .map(|(kind, end)| {
            let token = (kind, &text[start..end as usize]);
            start = end as usize;
            token
        })
        .filter(|(kind, _)| *kind != SyntaxKind::Whitespace)
        .collect()
}

#[test]
fn formatting_changes_blanks_only_and_twice_is_once() {
    let corpus = corpus();
    run(400, &(0..corpus.len(), blanks()), |(at, choices)| {
        let text = mangled(&corpus[at].1, &choices);
        assert!(parse(&text).errors().is_empty(), "{text}");
        let formatted = format(&text);
        assert_eq!(meaning(&formatted), meaning(&text));
        assert_eq!(format(&formatted), formatted);
    });
}

#[test]
fn what_was_between_the_tokens_does_not_matter() {
    let corpus = corpus();
    let without_comments =
        |choices: Vec<u8>| choices.into_iter().map(|c| c % 7).collect::<Vec<_>>();
    run(200, &(0..corpus.len(), blanks()), |(at, choices)| {
        let text = &corpus[at].1;
        let mangled = mangled(text, &without_comments(choices));
        same(&format(&mangled), &format(text), &mangled);
    });
}

#[test]
fn any_layout_looks_as_packer_lays_it_out() {
    let corpus = corpus();
    let texts = std::cell::RefCell::new(Vec::new());
    run(1000, &(0..corpus.len(), blanks()), |(at, choices)| {
        texts.borrow_mut().push(mangled(&corpus[at].1, &choices));
    });
    let texts = texts.into_inner();
    assert_eq!(texts.len(), 1000);
    let Some(theirs) = packers(&texts) else {
        return;
    };
    let mut compared = 0;
    for (text, theirs) in texts.iter().zip(&theirs) {
        if let Some(theirs) = theirs {
            // A sign after a comment is a subtraction to it.
            let same_sign = |text: &str| text.replace("/* c */ - ", "/* c */ -");
            let ours = same_sign(&format(text));
            same(&ours, &same_sign(&corrected(theirs)), text);
            compared += 1;
        }
    }
    assert!(compared > 800, "only {compared} of {}", texts.len());
}
