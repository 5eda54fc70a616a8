//! Every request once, over a template in two files.

use serde_json::{Value, json};

use crate::harness::{GOOD, Session, behind};

const FILE: &str = "file:///t/a.pkr.hcl";

fn document() -> Value {
    json!({ "textDocument": { "uri": FILE } })
}

#[test]
fn every_request_of_the_capabilities_is_answered() {
    let mut session = Session::with(&[]);
    session.open(FILE, GOOD);
    let place = behind(FILE, GOOD, "var.na");
    let range =
        json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 14, "character": 0 } });
    let options = json!({ "tabSize": 2, "insertSpaces": true });
    let with = |mut base: Value, more: Value| {
        for (key, value) in more.as_object().unwrap() {
            base[key] = value.clone();
        }
        base
    };
    let tokens = session
        .ask("textDocument/semanticTokens/full", document())
        .unwrap();
    let requests = [
        ("completion", place.clone()),
        ("hover", place.clone()),
        ("signatureHelp", place.clone()),
        ("definition", place.clone()),
        ("declaration", place.clone()),
        ("typeDefinition", place.clone()),
        (
            "references",
            with(
                place.clone(),
                json!({ "context": { "includeDeclaration": true } }),
            ),
        ),
        ("documentHighlight", place.clone()),
        ("prepareRename", place.clone()),
        ("rename", with(place.clone(), json!({ "newName": "title" }))),
        ("documentSymbol", document()),
        ("foldingRange", document()),
        (
            "selectionRange",
            with(document(), json!({ "positions": [place["position"]] })),
        ),
        (
            "semanticTokens/full/delta",
            with(
                document(),
                json!({ "previousResultId": tokens["resultId"] }),
            ),
        ),
        (
            "semanticTokens/range",
            with(document(), json!({ "range": range })),
        ),
        ("inlayHint", with(document(), json!({ "range": range }))),
        ("documentLink", document()),
        (
            "formatting",
            with(document(), json!({ "options": options })),
        ),
        (
            "rangeFormatting",
            with(document(), json!({ "options": options, "range": range })),
        ),
        (
            "onTypeFormatting",
            with(place.clone(), json!({ "options": options, "ch": "}" })),
        ),
        (
            "codeAction",
            with(
                document(),
                json!({ "range": range, "context": { "diagnostics": [] } }),
            ),
        ),
        ("codeLens", document()),
        ("diagnostic", document()),
    ];
    for (method, params) in requests {
        let result = session.ask(&format!("textDocument/{method}"), params);
        assert!(result.is_ok(), "{method}: {result:?}");
    }
    assert!(
        session
            .ask("workspace/symbol", json!({ "query": "na" }))
            .is_ok()
    );
    assert!(
        session
            .ask("workspace/diagnostic", json!({ "previousResultIds": [] }))
            .is_ok()
    );
    session.end().unwrap();
}

#[test]
fn answers_about_deep_nesting_are_not_deeper_than_clients_read() {
    let mut session = Session::with(&[]);
    let text = format!(
        "locals {{\n  a = {}{}\n}}\n",
        "[".repeat(250),
        "]".repeat(250)
    );
    session.open(FILE, &text);
    let place = behind(FILE, &text, &"[".repeat(250));
    let mut params = document();
    params["positions"] = json!([place["position"]]);
    for (method, params) in [("documentSymbol", document()), ("selectionRange", params)] {
        let result = session
            .ask(&format!("textDocument/{method}"), params)
            .unwrap();
        // The reader of tests takes 128 levels, as many do.
        let text = result.to_string();
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{method}");
    }
    session.end().unwrap();
}
