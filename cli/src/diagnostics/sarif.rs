//! Problems as SARIF 2.1.0 (OASIS), for code scanning services and editors: `validate -sarif`.
//!
//! Lines and columns count from 1, columns in UTF-16 code units, as most readers of the form take them. A rule carries its
//! page as help; where the page stands in the documentation is its property `page`.

use std::collections::BTreeMap;
use std::path::Path;

use imgc_compiler::Span;
use imgc_compiler::compile::Compilation;
use imgc_compiler::diagnostic::{Diagnostic, Edit, Fix, Severity, registry};
use imgc_compiler::source::SourceMap;
use serde_json::{Value, json};

use crate::commands::page;
use crate::terminal::shown_path;

/// All problems of a compilation as one run.
pub(crate) fn report(compilation: &Compilation) -> Value {
    let sources = &compilation.sources;
    let ids = compilation.diagnostics.iter().map(|problem| problem.id);
    let ids = ids.chain(compilation.unreadable.as_ref().map(|problem| problem.id));
    let mut rules: BTreeMap<&str, usize> = ids.map(|id| (id, 0)).collect();
    for (at, index) in rules.values_mut().enumerate() {
        *index = at;
    }
    let mut results = Vec::new();
    if let Some(problem) = &compilation.unreadable {
        results.push(json!({
            "ruleId": problem.id,
            "ruleIndex": rules[problem.id],
            "level": "error",
            "message": message(&problem.message, problem.help.as_deref()),
            "locations": [{ "physicalLocation": { "artifactLocation": artifact(&problem.path) } }],
        }));
    }
    for problem in &compilation.diagnostics {
        results.push(result(problem, rules[problem.id], sources));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "imgc",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.keys().map(|id| rule(id)).collect::<Vec<_>>(),
            } },
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    })
}

fn rule(id: &str) -> Value {
    let entries = registry::all();
    let entry = entries.iter().find(|entry| entry.id == id);
    let summary = entry.map_or(id, |entry| entry.summary);
    let mut rule = json!({
        "id": id,
        "shortDescription": { "text": summary },
        "defaultConfiguration": { "level": level(entry.map_or(Severity::Error, |entry| entry.severity)) },
    });
    if let Some(page) = page(id) {
        rule["help"] = json!({ "text": page, "markdown": page });
        rule["properties"] = json!({ "page": format!("docs/diagnostics/{id}.md") });
    }
    rule
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn result(problem: &Diagnostic, rule: usize, sources: &SourceMap) -> Value {
    let mut result = json!({
        "ruleId": problem.id,
        "ruleIndex": rule,
        "level": level(problem.severity),
        "message": message(&problem.message, problem.help.as_deref()),
        "locations": [{ "physicalLocation": place(problem.span, sources) }],
    });
    if !problem.labels.is_empty() {
        let labels = problem.labels.iter().enumerate();
        let labels = labels.map(|(at, label)| {
            json!({
                "id": at,
                "physicalLocation": place(label.span, sources),
                "message": { "text": label.text },
            })
        });
        result["relatedLocations"] = labels.collect();
    }
    if !problem.fixes.is_empty() {
        let fixes = problem.fixes.iter().map(|one| fix(one, sources));
        result["fixes"] = fixes.collect();
    }
    result
}

fn message(text: &str, help: Option<&str>) -> Value {
    match help {
        Some(help) => json!({ "text": format!("{text}; {help}") }),
        None => json!({ "text": text }),
    }
}

fn fix(fix: &Fix, sources: &SourceMap) -> Value {
    let mut by_file: BTreeMap<_, Vec<&Edit>> = BTreeMap::new();
    for edit in &fix.edits {
        by_file.entry(edit.span.file).or_default().push(edit);
    }
    let changes = by_file.into_iter().map(|(file, edits)| {
        let replacements = edits.into_iter().map(|edit| {
            json!({
                "deletedRegion": region(edit.span, sources),
                "insertedContent": { "text": edit.text },
            })
        });
        json!({
            "artifactLocation": artifact(&sources.file(file).path),
            "replacements": replacements.collect::<Vec<_>>(),
        })
    });
    json!({
        "description": { "text": fix.title },
        "artifactChanges": changes.collect::<Vec<_>>(),
    })
}

fn place(span: Span, sources: &SourceMap) -> Value {
    json!({
        "artifactLocation": artifact(&sources.file(span.file).path),
        "region": region(span, sources),
    })
}

/// A path as a URI: relative ones as they are, absolute ones as `file:`.
fn artifact(path: &Path) -> Value {
    let shown = shown_path(path);
    let encoded: String = shown
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    match path.is_absolute() {
        true => json!({ "uri": format!("file://{encoded}") }),
        false => json!({ "uri": encoded }),
    }
}

fn region(span: Span, sources: &SourceMap) -> Value {
    let file = sources.file(span.file);
    let point = |offset: u32| {
        let (line, column) = file.line_column(offset);
        let start = (offset - column) as usize;
        let before = file.text.get(start..offset as usize).unwrap_or_default();
        (line + 1, before.encode_utf16().count() + 1)
    };
    let (start_line, start_column) = point(span.start);
    let (end_line, end_column) = point(span.end);
    json!({
        "startLine": start_line,
        "startColumn": start_column,
        "endLine": end_line,
        "endColumn": end_column,
        "byteOffset": span.start,
        "byteLength": span.end - span.start,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn columns_are_in_utf16_and_pages_are_help() {
        let mut sources = SourceMap::default();
        let file = sources.add("dir one/main.pkr.hcl", "a = 1\nb = \"😀é\" + var.nme\n");
        let start = sources.file(file).text.find("nme").unwrap() as u32;
        let span = Span::new(file, start, start + 3);
        let problem =
            Diagnostic::error("check/unknown-variable", span, "there is no variable `nme`")
                .help("write `name`")
                .label(Span::new(file, 0, 1), "this one")
                .fix("change `nme` to `name`", Edit::replace(span, "name"));
        let compilation = Compilation {
            sources,
            diagnostics: vec![problem],
            ..Compilation::default()
        };
        let mut report = report(&compilation);
        let rule = &mut report["runs"][0]["tool"]["driver"]["rules"][0];
        assert!(
            rule["help"]["markdown"].as_str().unwrap().starts_with("# "),
            "{rule}"
        );
        rule["help"] = json!(null);
        insta::assert_snapshot!(format!("{:#}", report["runs"][0]), @r#"
        {
          "tool": {
            "driver": {
              "name": "imgc",
              "semanticVersion": "0.1.0",
              "rules": [
                {
                  "id": "check/unknown-variable",
                  "shortDescription": {
                    "text": "a reference to a variable that is not declared"
                  },
                  "defaultConfiguration": {
                    "level": "error"
                  },
                  "help": null,
                  "properties": {
                    "page": "docs/diagnostics/check/unknown-variable.md"
                  }
                }
              ]
            }
          },
          "columnKind": "utf16CodeUnits",
          "results": [
            {
              "ruleId": "check/unknown-variable",
              "ruleIndex": 0,
              "level": "error",
              "message": {
                "text": "there is no variable `nme`; write `name`"
              },
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "dir%20one/main.pkr.hcl"
                    },
                    "region": {
                      "startLine": 2,
                      "startColumn": 17,
                      "endLine": 2,
                      "endColumn": 20,
                      "byteOffset": 25,
                      "byteLength": 3
                    }
                  }
                }
              ],
              "relatedLocations": [
                {
                  "id": 0,
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "dir%20one/main.pkr.hcl"
                    },
                    "region": {
                      "startLine": 1,
                      "startColumn": 1,
                      "endLine": 1,
                      "endColumn": 2,
                      "byteOffset": 0,
                      "byteLength": 1
                    }
                  },
                  "message": {
                    "text": "this one"
                  }
                }
              ],
              "fixes": [
                {
                  "description": {
                    "text": "change `nme` to `name`"
                  },
                  "artifactChanges": [
                    {
                      "artifactLocation": {
                        "uri": "dir%20one/main.pkr.hcl"
                      },
                      "replacements": [
                        {
                          "deletedRegion": {
                            "startLine": 2,
                            "startColumn": 17,
                            "endLine": 2,
                            "endColumn": 20,
                            "byteOffset": 25,
                            "byteLength": 3
                          },
                          "insertedContent": {
                            "text": "name"
                          }
                        }
                      ]
                    }
                  ]
                }
              ]
            }
          ]
        }
        "#);
    }
}
