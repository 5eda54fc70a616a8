//! Problems, pushed and pulled.

use std::time::Duration;

use imgc_compiler::source::Memory;
use serde_json::{Value, json};

use crate::harness::{BROKEN, GOOD, Session, modern};

const FILE: &str = "file:///t/a.pkr.hcl";
const OTHER: &str = "file:///t/b.pkr.hcl";
const SOON: Duration = Duration::from_millis(400);

#[test]
fn problems_come_when_a_document_is_opened_and_go_when_it_is_right() {
    let mut session = Session::with(&[]);
    session.open(FILE, BROKEN);
    assert!(!session.ids(FILE).is_empty());
    session.replace(FILE, 2, GOOD);
    assert!(session.ids(FILE).is_empty());
    session.end().unwrap();
}

#[test]
fn the_other_files_of_the_template_are_checked_too_and_forgotten_at_the_end() {
    let mut session = Session::with(&[("/t/b.pkr.hcl", BROKEN)]);
    session.open(FILE, GOOD);
    assert!(!session.ids(OTHER).is_empty());
    session.close(FILE);
    assert!(session.ids(OTHER).is_empty());
    session.end().unwrap();
}

#[test]
fn what_has_not_changed_is_not_said_again() {
    let mut session = Session::with(&[("/t/b.pkr.hcl", BROKEN)]);
    session.open(FILE, GOOD);
    assert!(!session.ids(OTHER).is_empty());
    session.replace(FILE, 2, &format!("{GOOD}\n# more\n"));
    assert_eq!(
        session.notice("textDocument/publishDiagnostics", SOON),
        None
    );
    session.end().unwrap();
}

#[test]
fn a_problem_says_everything_that_is_known_of_it() {
    let mut session = Session::with(&[]);
    let twice = "variable \"x\" {\n  default = 1\n}\n\nvariable \"x\" {\n  default = 2\n}\n";
    session.open(FILE, twice);
    let problems = session.diagnostics(FILE);
    let problem = problems
        .iter()
        .find(|problem| problem["relatedInformation"].is_array());
    let problem = problem.unwrap_or_else(|| panic!("{problems:?}"));
    assert_eq!(problem["source"], "imgc");
    assert_eq!(problem["severity"], 1);
    let related = &problem["relatedInformation"][0];
    assert_eq!(related["location"]["uri"], FILE);
    let id = problem["code"].as_str().unwrap();
    let page = format!("file:///pages/{id}.md");
    assert_eq!(problem["codeDescription"]["href"], page.as_str());
    session.end().unwrap();
}

#[test]
fn a_client_that_pulls_is_not_pushed_at() {
    let mut capabilities = modern();
    capabilities["textDocument"]["diagnostic"] = json!({ "relatedDocumentSupport": true });
    let saved = Memory::new([("/t/b.pkr.hcl", BROKEN)]);
    let mut session = Session::silent(saved);
    let about = session.greet(json!({ "capabilities": capabilities, "rootUri": "file:///t" }));
    assert_eq!(
        about["capabilities"]["diagnosticProvider"]["workspaceDiagnostics"],
        true
    );
    session.open(FILE, BROKEN);
    let params = json!({ "textDocument": { "uri": FILE } });
    let report = session.ask("textDocument/diagnostic", params).unwrap();
    assert_eq!(report["kind"], "full");
    assert!(!report["items"].as_array().unwrap().is_empty());
    assert!(
        !report["relatedDocuments"][OTHER]["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    // The same again is not repeated.
    let params = json!({ "textDocument": { "uri": FILE }, "previousResultId": report["resultId"] });
    let again = session.ask("textDocument/diagnostic", params).unwrap();
    assert_eq!(again["kind"], "unchanged");
    assert_eq!(again["resultId"], report["resultId"]);
    let pushed = session.notice("textDocument/publishDiagnostics", SOON);
    assert!(pushed.is_none_or(|pushed| pushed["diagnostics"] == json!([])));
    session.end().unwrap();
}

#[test]
fn the_whole_workspace_is_asked_about_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("one", GOOD), ("two", BROKEN), ("two/three", BROKEN)] {
        let at = directory.path().join(name);
        std::fs::create_dir_all(&at).unwrap();
        std::fs::write(at.join("a.pkr.hcl"), text).unwrap();
    }
    let mut capabilities = modern();
    capabilities["textDocument"]["diagnostic"] = json!({});
    let mut session = Session::on_disk(directory.path(), capabilities);
    let report = session
        .ask("workspace/diagnostic", json!({ "previousResultIds": [] }))
        .unwrap();
    let items = report["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{items:?}");
    let known: Vec<Value> = items
        .iter()
        .map(|item| json!({ "uri": item["uri"], "value": item["resultId"] }))
        .collect();
    // A file that is mended on the disk.
    let mended = directory.path().join("two/a.pkr.hcl");
    std::fs::write(&mended, GOOD).unwrap();
    let uri = format!("file://{}", mended.display());
    session.tell(
        "workspace/didChangeWatchedFiles",
        json!({ "changes": [{ "uri": uri, "type": 2 }] }),
    );
    let report = session
        .ask(
            "workspace/diagnostic",
            json!({ "previousResultIds": known }),
        )
        .unwrap();
    let mut kinds: Vec<_> = report["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["kind"].clone(), item["items"].clone()))
        .collect();
    kinds.sort_by_key(|(kind, _)| kind.to_string());
    assert_eq!(
        kinds,
        [
            (json!("full"), json!([])),
            (json!("unchanged"), Value::Null)
        ]
    );
    session.end().unwrap();
}

#[test]
fn files_that_are_no_text_are_problems_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.pkr.hcl"), GOOD).unwrap();
    let bad = directory.path().join("b.pkr.hcl");
    std::fs::write(&bad, b"locals {\n  x = \"\xff\xfe\"\n}\n").unwrap();
    let mut session = Session::on_disk(directory.path(), modern());
    let uri = format!("file://{}", directory.path().join("a.pkr.hcl").display());
    session.open(&uri, GOOD);
    let bad = format!("file://{}", bad.display());
    assert_eq!(session.ids(&bad), ["load/not-text"]);
    session.end().unwrap();
}
