//! How much of a file survives while a line of it is half written.
//!
//! Real templates, each cut at several places: what stands from there to the end of the line is missing. Counted is in
//! how many all declarations outside of the block with the cut are still found, and in how many the first error stands on
//! the line of the cut.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use imgc_testbed::editor::Editor;
use serde_json::{Value, json};

use super::super::Bench;
use super::super::result::{Check, Row};
use super::{alone, session};
use crate::workspace::Workspace;

/// How many cut files there are to be, at least.
const ENOUGH: usize = 200;

/// How many cuts each file gets.
const CUTS: usize = 8;

/// The share of cut files that keep their symbols, and of those whose first error is on the line.
pub(crate) fn recovery(bench: &Bench) -> Result<Row> {
    let imgc = bench
        .imgc
        .as_deref()
        .context("there is no peer for this row")?;
    let mut editor = session::server(imgc)?;
    let capabilities = json!({
        "textDocument": { "documentSymbol": { "hierarchicalDocumentSymbolSupport": true } },
    });
    editor.greet(json!({ "capabilities": capabilities }));
    let mut count = Count::default();
    for path in files()? {
        count.file(&mut editor, &path)?;
    }
    if count.cuts < ENOUGH {
        bail!("only {} cut files", count.cuts);
    }
    editor.leave();
    let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    Ok(Row {
        name: "recovery".to_owned(),
        work: "what survives of a template while a line is half written".to_owned(),
        how: format!(
            "`imgc lsp`; {} files made by cutting lines of the examples and test cases off in the middle, {} of them with an \
             error.",
            count.cuts, count.with_error
        ),
        series: Vec::new(),
        checks: vec![
            Check::at_least(
                "symbols outside of the block all there, over 99%",
                alone(share(count.whole, count.cuts)),
                99.0,
                "%",
            ),
            Check::at_least(
                "first error on the line, over 95%",
                alone(share(count.on_line, count.with_error)),
                95.0,
                "%",
            ),
        ],
    })
}

#[derive(Default)]
struct Count {
    cuts: usize,
    whole: usize,
    with_error: usize,
    on_line: usize,
}

impl Count {
    fn file(&mut self, editor: &mut Editor, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path)?;
        // Alone in a directory that is not there: what the others say does not matter.
        let uri = "file:///recovery/main.pkr.hcl";
        editor.open(uri, &text);
        let is_whole = errors(editor, uri)?.is_empty();
        let before = symbols(editor, uri)?;
        editor.close(uri);
        if !is_whole || before.is_empty() {
            return Ok(());
        }
        for (line, cut) in cuts(&text) {
            editor.open(uri, &cut);
            let after = symbols(editor, uri)?;
            let errors = errors(editor, uri)?;
            editor.close(uri);
            let outside = before.iter().filter(|symbol| !symbol.lines.contains(&line));
            let survives = |symbol: &Symbol| after.iter().any(|other| other.what == symbol.what);
            self.cuts += 1;
            self.whole += usize::from(outside.into_iter().all(survives));
            if let Some(first) = errors.first() {
                self.with_error += 1;
                self.on_line += usize::from(*first == line);
            }
        }
        Ok(())
    }
}

struct Symbol {
    /// Its name and all below it.
    what: String,
    lines: std::ops::RangeInclusive<u64>,
}

fn symbols(editor: &mut Editor, uri: &str) -> Result<Vec<Symbol>> {
    let params = json!({ "textDocument": { "uri": uri } });
    let found = editor.ask("textDocument/documentSymbol", params);
    let found = found.map_err(|error| anyhow::anyhow!("symbols: {error}"))?;
    let found = found.as_array().into_iter().flatten();
    Ok(found
        .map(|symbol| {
            let line = |end: &str| symbol["range"][end]["line"].as_u64().unwrap_or_default();
            Symbol {
                what: names(symbol),
                lines: line("start")..=line("end"),
            }
        })
        .collect())
}

fn names(symbol: &Value) -> String {
    let children = symbol["children"].as_array().into_iter().flatten();
    let below: Vec<String> = children.map(names).collect();
    format!("{}[{}]", symbol["name"], below.join(","))
}

/// The lines of the errors, in order.
fn errors(editor: &mut Editor, uri: &str) -> Result<Vec<u64>> {
    let params = json!({ "textDocument": { "uri": uri } });
    let report = editor.ask("textDocument/diagnostic", params);
    let report = report.map_err(|error| anyhow::anyhow!("diagnostics: {error}"))?;
    let problems = report["items"].as_array().into_iter().flatten();
    let mut lines: Vec<u64> = problems
        .filter(|problem| problem["severity"] == 1)
        .filter_map(|problem| problem["range"]["start"]["line"].as_u64())
        .collect();
    lines.sort_unstable();
    Ok(lines)
}

/// The text with the rest of a line missing, and that line; at places spread over the file.
fn cuts(text: &str) -> Vec<(u64, String)> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let usable = |line: &&str| {
        let content = line.trim();
        content.chars().count() > 3 && !content.starts_with(['#', '/', '*'])
    };
    let usable: Vec<usize> = (0..lines.len()).filter(|at| usable(&lines[*at])).collect();
    let step = (usable.len() / CUTS).max(1);
    let chosen = usable.iter().step_by(step).take(CUTS).enumerate();
    chosen
        .map(|(turn, &at)| {
            let line = lines[at];
            let indent = line.len() - line.trim_start().len();
            let content = line.trim();
            // Near the beginning, the middle or the end of what the line says.
            let kept = content.len() * (turn % 3 + 1) / 4;
            let kept = (1..=kept.max(1))
                .rev()
                .find(|kept| content.is_char_boundary(*kept));
            let cut = &line[..indent + kept.unwrap_or(content.len())];
            let (before, after) = (lines[..at].concat(), lines[at + 1..].concat());
            (at as u64, format!("{before}{cut}\n{after}"))
        })
        .collect()
}

/// The templates of the examples and of the compiler's test cases.
fn files() -> Result<Vec<PathBuf>> {
    let workspace = Workspace::find()?;
    let mut found = Vec::new();
    for root in ["examples", "compiler/tests/cases"] {
        collect(&workspace.path(root), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            collect(&path, found)?;
        } else if name.ends_with(".pkr.hcl") || name.ends_with(".imgc.hcl") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::cuts;

    #[test]
    fn only_the_line_of_the_cut_changes() {
        let text = "# c\nvariable \"name\" {\n  default = \"ü\"\n}\n\nlocals {\n  a = [1, 2]\n}\n";
        let cuts = cuts(text);
        assert!(cuts.len() >= 3);
        for (at, cut) in cuts {
            let (old, new): (Vec<_>, Vec<_>) = (text.lines().collect(), cut.lines().collect());
            assert_eq!(old.len(), new.len());
            let differing = (0..old.len()).filter(|line| old[*line] != new[*line]);
            assert_eq!(differing.collect::<Vec<_>>(), [at as usize]);
        }
    }
}
