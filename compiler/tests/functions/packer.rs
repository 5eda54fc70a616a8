//! The answers are those of `packer console`.
//!
//! Needs Packer 1.6.6 (`xtask/setup.sh` installs it). Every row whose functions that version has is asked. Where the two
//! differ, `differences.txt` says so with the reason: a paragraph that begins with `#` lines, the expressions below.

use std::collections::BTreeMap;
use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};

use crate::rows;
use crate::world::{NAMES, Outcome, evaluate_text};

/// Functions of a row that ask the world: the two worlds are not the same.
const WORLDLY: [&str; 13] = [
    "abspath",
    "aws_secretsmanager",
    "base64gzip",
    "bcrypt",
    "consul_key",
    "env",
    "file",
    "fileexists",
    "fileset",
    "timestamp",
    "uuidv4",
    "vault",
    "rsadecrypt",
];

/// Functions that came after 1.6.6.
const LATER: [&str; 18] = [
    "alltrue",
    "anytrue",
    "aws_secretsmanager_raw",
    "base64gzip",
    "endswith",
    "filebase64",
    "legacy_isotime",
    "legacy_strftime",
    "regex",
    "regexall",
    "rfc3339_parse",
    "startswith",
    "strcontains",
    "sum",
    "templatefile",
    "textdecodebase64",
    "textencodebase64",
    "unix_timestamp_parse",
];

#[test]
fn rows_give_what_packer_gives() {
    let reasons = reasons();
    let rows: Vec<rows::Row> = rows::rows().into_iter().filter(can_be_asked).collect();
    assert!(rows.len() > 500, "only {} rows are asked", rows.len());
    let theirs = ask(&rows);
    let mut wrong = Vec::new();
    for (row, theirs) in rows.iter().zip(theirs) {
        let ours = ours(&row.expression);
        let same = ours == theirs;
        match (same, reasons.contains_key(row.expression.as_str())) {
            (true, false) | (false, true) => {}
            (true, true) => wrong.push(format!("{}\n  does not differ any more", row.expression)),
            (false, false) => wrong.push(format!(
                "{}\n  ours   {}\n  theirs {}",
                row.expression,
                ours.as_deref().unwrap_or(row.answer.as_str()),
                theirs.as_deref().unwrap_or("a problem")
            )),
        }
    }
    for expression in reasons.keys() {
        if !rows.iter().any(|row| row.expression == *expression) {
            wrong.push(format!("{expression}\n  is in differences.txt and no row"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The value as JSON; `None` for a problem.
fn ours(expression: &str) -> Option<String> {
    match evaluate_text(&format!("jsonencode({expression})"), &[]) {
        Outcome::Value(value) => value.as_str().map(str::to_owned),
        Outcome::Problems(_) => None,
    }
}

/// The same from Packer.
#[allow(
    clippy::disallowed_methods,
    reason = "the other program is what is compared with"
)]
fn ask(rows: &[rows::Row]) -> Vec<Option<String>> {
    let mut input = String::new();
    for (at, row) in rows.iter().enumerate() {
        input += &format!("\"@@@{at}\"\njsonencode({})\n", row.expression);
    }
    // From a pipe it would answer the last line only.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input.as_bytes()).unwrap();
    file.rewind().unwrap();
    let output = Command::new("packer")
        .args(["console", "-config-type=hcl2"])
        .env("CHECKPOINT_DISABLE", "1")
        .stdin(Stdio::from(file))
        .output()
        .expect("packer is installed; xtask/setup.sh does that");
    let output = String::from_utf8(output.stdout).unwrap();
    let answers: BTreeMap<usize, &str> = output
        .split("@@@")
        .filter_map(|part| part.split_once('\n'))
        .filter_map(|(at, answer)| Some((at.parse().ok()?, answer)))
        .collect();
    (0..rows.len())
        .map(|at| {
            let answer = answers.get(&at).expect("every row has an answer");
            let answer = answer.strip_suffix('\n').unwrap_or(answer);
            let failed = answer.starts_with("Error: ") || answer.starts_with("Warning: ");
            (!failed).then(|| answer.to_owned())
        })
        .collect()
}

fn can_be_asked(row: &rows::Row) -> bool {
    let names = words(&row.expression);
    let mut known = WORLDLY.iter().chain(&LATER).chain(&NAMES);
    !known.any(|name| names.contains(name))
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .collect()
}

/// Expressions whose answers differ, each with the reason.
#[allow(clippy::disallowed_methods, reason = "a test reads its own file")]
fn reasons() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(rows::folder().join("differences.txt")).unwrap();
    let mut reasons = BTreeMap::new();
    let mut reason = String::new();
    let mut in_reason = false;
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(more) if in_reason => reason += &format!(" {more}"),
            Some(more) => reason = more.to_owned(),
            None if line.is_empty() => reason.clear(),
            None => {
                assert!(!reason.is_empty(), "no reason for {line}");
                reasons.insert(line.to_owned(), reason.clone());
            }
        }
        in_reason = line.starts_with('#');
    }
    reasons
}
