//! The real loop over a connection in memory.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::thread::JoinHandle;

use imgc_compiler::components::Everything;
use imgc_compiler::source::{FixedWorld, Memory};
use serde_json::{Value, json};

use super::*;

/// An editor; dropping it checks that nothing was left unread.
struct Editor {
    connection: Connection,
    server: Option<JoinHandle<Result<(), ServerError>>>,
}

impl Editor {
    fn start(saved: Memory) -> Self {
        let (ours, theirs) = Connection::memory();
        let server = std::thread::spawn(move || {
            let host = Host {
                sources: Arc::new(saved),
                world: Box::new(|| Arc::new(FixedWorld::default())),
                components: Box::new(Everything),
            };
            run(&theirs, host)
        });
        let editor = Self {
            connection: ours,
            server: Some(server),
        };
        let answer = editor.ask("initialize", json!({ "capabilities": {} }));
        assert_eq!(answer["capabilities"]["textDocumentSync"]["change"], 1);
        editor.tell("initialized", json!({}));
        editor
    }

    fn tell(&self, method: &str, params: Value) {
        let message = Notification::new(method.to_owned(), params);
        self.connection.sender.send(message.into()).unwrap();
    }

    fn ask(&self, method: &str, params: Value) -> Value {
        let request = lsp_server::Request::new(7.into(), method.to_owned(), params);
        self.connection.sender.send(request.into()).unwrap();
        match self.next() {
            Message::Response(response) => {
                serde_json::to_value(response).unwrap()["result"].clone()
            }
            other => panic!("{other:?}"),
        }
    }

    fn next(&self) -> Message {
        let wait = Duration::from_secs(20);
        self.connection.receiver.recv_timeout(wait).unwrap()
    }

    fn open(&self, path: &str, text: &str) {
        let document = json!({ "uri": format!("file://{path}"), "languageId": "hcl", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    fn change(&self, path: &str, text: &str) {
        let document = json!({ "uri": format!("file://{path}"), "version": 2 });
        let changes = json!([{ "text": text }]);
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.tell("textDocument/didChange", params);
    }

    /// File and the problems' ids of the next publication.
    fn published(&self) -> (String, Vec<String>) {
        match self.next() {
            Message::Notification(notification) => {
                assert_eq!(notification.method, "textDocument/publishDiagnostics");
                let problems = notification.params["diagnostics"].as_array().unwrap();
                let ids = problems
                    .iter()
                    .map(|problem| problem["code"].as_str().unwrap().to_owned());
                let uri = notification.params["uri"].as_str().unwrap();
                (uri.to_owned(), ids.collect())
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        assert_eq!(self.ask("shutdown", Value::Null), Value::Null);
        self.tell("exit", Value::Null);
        self.server.take().unwrap().join().unwrap().unwrap();
        assert!(
            self.connection.receiver.try_recv().is_err(),
            "a message was left unread"
        );
    }
}

const BROKEN: &str = "variable \"x\" {\n  type = \n}\n";
const GOOD: &str = "variable \"x\" {\n  type = string\n  default = \"\"\n}\n";

#[test]
fn problems_come_when_a_document_is_opened_and_go_when_it_is_right() {
    let editor = Editor::start(Memory::default());
    editor.open("/t/a.pkr.hcl", BROKEN);
    let (uri, ids) = editor.published();
    assert_eq!(uri, "file:///t/a.pkr.hcl");
    assert!(!ids.is_empty());
    editor.change("/t/a.pkr.hcl", GOOD);
    assert_eq!(
        editor.published(),
        ("file:///t/a.pkr.hcl".to_owned(), Vec::new())
    );
}

#[test]
fn the_other_files_of_the_template_are_checked_too_and_forgotten_at_the_end() {
    let editor = Editor::start(Memory::new([("/t/b.pkr.hcl", BROKEN)]));
    editor.open("/t/a.pkr.hcl", GOOD.replace("\"x\"", "\"y\"").as_str());
    let (uri, ids) = editor.published();
    assert_eq!(uri, "file:///t/b.pkr.hcl");
    assert!(!ids.is_empty());
    let document = json!({ "uri": "file:///t/a.pkr.hcl" });
    editor.tell("textDocument/didClose", json!({ "textDocument": document }));
    assert_eq!(editor.published(), (uri, Vec::new()));
}

#[test]
fn a_request_that_nobody_answers_gets_an_error_and_others_go_on() {
    let editor = Editor::start(Memory::default());
    let request = lsp_server::Request::new(9.into(), "textDocument/rename".to_owned(), json!({}));
    editor.connection.sender.send(request.into()).unwrap();
    let Message::Response(response) = editor.next() else {
        panic!("not a response")
    };
    let text = serde_json::to_string(&response).unwrap();
    assert!(text.contains("-32601"), "{text}");
    editor.open("untitled:1", BROKEN);
}
