//! Edits: whatever way a text has come about, the answers are those of a fresh one.

use imgc_compiler::source::Memory;
use serde_json::{Value, json};

use crate::harness::{GOOD, Session, modern};

const FILE: &str = "file:///t/a.pkr.hcl";

/// What the server says of a document, in one value.
fn state(session: &mut Session) -> Value {
    let document = json!({ "textDocument": { "uri": FILE } });
    let ask = |session: &mut Session, method: &str| {
        session
            .ask(&format!("textDocument/{method}"), document.clone())
            .unwrap()
    };
    let tokens = ask(session, "semanticTokens/full");
    let symbols = ask(session, "documentSymbol");
    let folds = ask(session, "foldingRange");
    let formatting = json!({ "textDocument": { "uri": FILE }, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = session.ask("textDocument/formatting", formatting).unwrap();
    let problems = session
        .ask("textDocument/diagnostic", document.clone())
        .unwrap();
    json!([tokens["data"], symbols, folds, edits, problems])
}

fn fresh(text: &str, encoding: &str) -> Value {
    let mut session = start(encoding);
    session.open(FILE, text);
    let state = state(&mut session);
    session.end().unwrap();
    state
}

fn start(encoding: &str) -> Session {
    let mut capabilities = modern();
    capabilities["general"]["positionEncodings"] = json!([encoding]);
    capabilities["textDocument"]["diagnostic"] = json!({});
    Session::start(Memory::default(), json!({ "capabilities": capabilities }))
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn position(text: &str, offset: usize, encoding: &str) -> Value {
    let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[start..offset];
    let column = match encoding {
        "utf-8" => before.len(),
        "utf-16" => before.encode_utf16().count(),
        _ => before.chars().count(),
    };
    json!({ "line": text[..offset].matches('\n').count(), "character": column })
}

#[test]
fn a_thousand_edits_end_as_a_fresh_text() {
    const PIECES: &[&str] = &[
        "\"",
        "{",
        "}",
        "\n",
        "x",
        "ü",
        "😀",
        "${",
        "var.",
        "= [",
        "# c\n",
        "a\u{301}",
        "\t",
        "source \"null\" \"b\" {\n}\n",
    ];
    for encoding in ["utf-8", "utf-16", "utf-32"] {
        let mut session = start(encoding);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut text = GOOD.replace("\"x\"", "\"ü😀x\"");
        session.open(FILE, &text);
        for version in 2..1002 {
            let place = |dice: &mut Dice, text: &str| {
                let at = dice.below(text.len() + 1);
                (0..=at)
                    .rev()
                    .find(|at| text.is_char_boundary(*at))
                    .unwrap()
            };
            let start = place(&mut dice, &text);
            let length = dice.below(4);
            let end = text[start..]
                .char_indices()
                .nth(length)
                .map_or(text.len(), |(at, _)| start + at);
            let piece = PIECES[dice.below(PIECES.len())];
            let range = json!({ "start": position(&text, start, encoding), "end": position(&text, end, encoding) });
            session.edit(FILE, version, json!([{ "range": range, "text": piece }]));
            text.replace_range(start..end, piece);
            if version % 50 == 0 {
                // In between somebody asks, and is not waited for.
                session.begin("textDocument/completion", json!({ "textDocument": { "uri": FILE }, "position": position(&text, start, encoding) }));
            }
        }
        assert_eq!(state(&mut session), fresh(&text, encoding), "{encoding}");
        session.end().unwrap();
    }
}

#[test]
fn line_ends_of_windows_change_nothing_but_lines() {
    let mut session = start("utf-16");
    let text = GOOD.replace('\n', "\r\n");
    session.open(FILE, &text);
    let range =
        json!({ "start": { "line": 2, "character": 13 }, "end": { "line": 2, "character": 14 } });
    session.edit(FILE, 2, json!([{ "range": range, "text": "y\r\n" }]));
    let text = text.replace("\"x\"", "\"y\r\n\"");
    assert_eq!(state(&mut session), fresh(&text, "utf-16"));
    session.end().unwrap();
}

#[test]
fn a_large_file_is_edited_and_answered() {
    let mut session = start("utf-16");
    let line = "  # a comment that says nothing at all, only to be long, and longer still\n";
    let text = GOOD.to_owned() + &line.repeat((5 << 20) / line.len());
    session.open(FILE, &text);
    let range =
        json!({ "start": { "line": 0, "character": 10 }, "end": { "line": 0, "character": 14 } });
    session.edit(FILE, 2, json!([{ "range": range, "text": "nome" }]));
    let symbols = session
        .ask(
            "textDocument/documentSymbol",
            json!({ "textDocument": { "uri": FILE } }),
        )
        .unwrap();
    assert!(
        symbols[0]["name"].as_str().unwrap().contains("nome"),
        "{symbols}"
    );
    session.end().unwrap();
}
