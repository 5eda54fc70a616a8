//! The rows of `cases/*.txt`.
//!
//! `## name` begins the rows of a function; a row is an expression on a line of its own, and what it gives, indented, on
//! the next. Lines that begin with `#` are comments.

use std::fmt::Write as _;
use std::path::PathBuf;

/// The rows of one file, with everything between them.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) lines: Vec<Line>,
}

/// A line of a file, or two.
pub(crate) enum Line {
    /// `## name`.
    Function(String),
    /// A comment or a blank line.
    Other(String),
    /// An expression and what it gives.
    Row(String, String),
}

/// A row with the function it stands under.
pub(crate) struct Row {
    pub(crate) function: String,
    pub(crate) expression: String,
    pub(crate) answer: String,
}

/// This test's folder.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/functions")
}

/// All files, by name.
#[allow(clippy::disallowed_methods, reason = "a test reads its cases")]
pub(crate) fn files() -> Vec<File> {
    let entries = std::fs::read_dir(folder().join("cases")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            File {
                lines: parse(&text),
                path,
            }
        })
        .collect()
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for file in files() {
        let mut function = String::new();
        for line in file.lines {
            match line {
                Line::Function(name) => function = name,
                Line::Other(_) => {}
                Line::Row(expression, answer) => rows.push(Row {
                    function: function.clone(),
                    expression,
                    answer,
                }),
            }
        }
    }
    rows
}

fn parse(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            lines.push(Line::Function(name.to_owned()));
        } else if line.starts_with('#') || line.trim().is_empty() {
            lines.push(Line::Other(line.to_owned()));
        } else if let Some(answer) = line.strip_prefix("  ") {
            match lines.last_mut() {
                Some(Line::Row(_, given)) if given.is_empty() => *given = answer.to_owned(),
                _ => panic!("an answer without an expression: {line}"),
            }
        } else {
            lines.push(Line::Row(line.to_owned(), String::new()));
        }
    }
    lines
}

/// The text of a file.
pub(crate) fn text(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        match line {
            Line::Function(name) => writeln!(text, "## {name}"),
            Line::Other(line) => writeln!(text, "{line}"),
            Line::Row(expression, answer) => writeln!(text, "{expression}\n  {answer}"),
        }
        .unwrap();
    }
    text
}
