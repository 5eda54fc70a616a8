//! How a session begins, goes on in spite of everything, and ends.

use std::time::Duration;

use imgc_compiler::source::Memory;
use imgc_lsp::ServerError;
use serde_json::{Value, json};

use crate::harness::{BROKEN, GOOD, Session, at, modern};

const FILE: &str = "file:///t/a.pkr.hcl";

fn code(result: Result<Value, Value>) -> i64 {
    result.unwrap_err()["code"].as_i64().unwrap()
}

#[test]
fn nothing_is_answered_before_the_greeting_nor_after_the_goodbye() {
    let mut session = Session::silent(Memory::default());
    session.open(FILE, GOOD);
    assert_eq!(
        code(session.ask("textDocument/hover", at(FILE, 0, 0))),
        -32002
    );
    assert_eq!(code(session.ask("shutdown", Value::Null)), -32002);
    session.greet(json!({}));
    assert_eq!(
        code(session.ask("initialize", json!({ "capabilities": {} }))),
        -32600
    );
    assert_eq!(session.ask("shutdown", Value::Null), Ok(Value::Null));
    assert_eq!(
        code(session.ask("textDocument/hover", at(FILE, 0, 0))),
        -32600
    );
    assert_eq!(code(session.ask("shutdown", Value::Null)), -32600);
    session.tell("exit", Value::Null);
    assert_eq!(session.ended(), Ok(()));
}

#[test]
fn the_server_ends_with_its_editor() {
    let mut session = Session::with(&[]);
    session.open(FILE, GOOD);
    assert_eq!(session.vanish(), Err(ServerError::Disconnected));
    let mut session = Session::with(&[]);
    session.tell("exit", Value::Null);
    assert_eq!(session.ended(), Err(ServerError::Exit));
    let mut session = Session::silent(Memory::default());
    session.tell("exit", Value::Null);
    assert_eq!(session.ended(), Err(ServerError::Exit));
}

#[test]
fn requests_that_are_none_get_errors_and_others_go_on() {
    let mut session = Session::with(&[]);
    session.open(FILE, GOOD);
    for method in ["textDocument/implementation", "imgc/nothing", "$/unknown"] {
        assert_eq!(code(session.ask(method, json!({}))), -32601, "{method}");
    }
    for params in [
        json!({}),
        json!([1, 2]),
        json!({ "textDocument": 7 }),
        Value::Null,
    ] {
        assert_eq!(code(session.ask("textDocument/hover", params)), -32602);
    }
    session.tell("textDocument/didChange", json!({ "nothing": true }));
    session.tell("textDocument/didOpen", json!([]));
    session.tell("$/somethingNew", json!({}));
    session.tell("$/cancelRequest", json!({ "id": 4711 }));
    session.tell("$/cancelRequest", json!({}));
    assert!(session.ask("textDocument/hover", at(FILE, 0, 0)).is_ok());
    session.end().unwrap();
}

#[test]
fn places_that_are_none_are_answered() {
    let mut session = Session::with(&[]);
    session.open(FILE, GOOD);
    for place in [
        at(FILE, 999, 0),
        at(FILE, 0, 999),
        at(FILE, u32::MAX, u32::MAX),
    ] {
        for method in [
            "hover",
            "completion",
            "definition",
            "documentHighlight",
            "signatureHelp",
        ] {
            let result = session.ask(&format!("textDocument/{method}"), place.clone());
            assert!(result.is_ok(), "{method}: {result:?}");
        }
    }
    let nowhere = at("file:///nowhere/a.pkr.hcl", 0, 0);
    assert_eq!(session.ask("textDocument/hover", nowhere), Ok(Value::Null));
    let elsewhere = at("git:/t/a.pkr.hcl?HEAD", 0, 0);
    assert_eq!(
        session.ask("textDocument/hover", elsewhere),
        Ok(Value::Null)
    );
    session.end().unwrap();
}

#[test]
fn a_request_that_is_taken_back_is_answered_so_and_once() {
    let mut session = Session::with(&[]);
    session.open(FILE, GOOD);
    let id = session.begin("workspace/diagnostic", json!({ "previousResultIds": [] }));
    session.tell("$/cancelRequest", json!({ "id": id }));
    match session.answer(id) {
        Err(error) => assert_eq!(error["code"], -32800),
        // It was quicker.
        Ok(report) => assert!(report["items"].is_array()),
    }
    assert!(session.ask("textDocument/hover", at(FILE, 0, 0)).is_ok());
    let rest = session.rest();
    assert!(rest.iter().all(|message| message["id"] != id), "{rest:?}");
    session.end().unwrap();
}

#[test]
fn an_edit_outdates_what_is_under_way() {
    let mut session = Session::with(&[]);
    session.open(FILE, GOOD);
    let mut outdated = 0;
    for version in 2..60 {
        let id = session.begin(
            "textDocument/semanticTokens/full",
            json!({ "textDocument": { "uri": FILE } }),
        );
        session.replace(FILE, version, GOOD);
        match session.answer(id) {
            Err(error) => {
                assert_eq!(error["code"], -32801);
                outdated += 1;
            }
            Ok(tokens) => assert!(tokens["data"].is_array()),
        }
    }
    assert!(outdated > 0, "no edit came in time");
    session.end().unwrap();
}

#[test]
fn a_request_that_takes_too_long_is_ended() {
    let params =
        json!({ "capabilities": modern(), "initializationOptions": { "requestLimitMs": 0 } });
    let mut session = Session::start(Memory::default(), params);
    session.open(FILE, GOOD);
    let mut ended = 0;
    for _ in 0..20 {
        if let Err(error) = session.ask("textDocument/completion", at(FILE, 0, 0)) {
            assert_eq!(error["code"], -32803);
            ended += 1;
        }
    }
    assert!(ended > 0, "no limit came in time");
    assert_eq!(session.ask("shutdown", Value::Null), Ok(Value::Null));
    session.tell("exit", Value::Null);
    assert_eq!(session.ended(), Ok(()));
}

#[test]
fn two_requests_of_one_number_are_not_mixed_up() {
    let mut session = Session::with(&[]);
    session.open(FILE, BROKEN);
    let params = json!({ "textDocument": { "uri": FILE } });
    let first = session.begin("textDocument/documentSymbol", params.clone());
    assert!(session.answer(first).is_ok());
    // The number of an answered request may be used again.
    assert!(session.ask("textDocument/documentSymbol", params).is_ok());
    assert!(
        session
            .notice("textDocument/publishDiagnostics", Duration::from_secs(60))
            .is_some()
    );
    session.end().unwrap();
}
