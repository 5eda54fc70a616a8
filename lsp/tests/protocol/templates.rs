//! Several templates at once: edits in one leave questions about others alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgc_compiler::source::{EntryKind, Memory, Sources};
use serde_json::{Value, json};

use crate::harness::{GOOD, Session, at, modern};

const A: &str = "file:///t/a/main.pkr.hcl";
const B: &str = "file:///t/b/main.pkr.hcl";
const LONG: Duration = Duration::from_secs(30);

/// Files in memory, of which one directory cannot be listed until someone allows it.
struct Gate {
    files: Memory,
    closed: PathBuf,
    arrived: Sender<()>,
    open: Arc<Mutex<Receiver<()>>>,
}

impl Sources for Gate {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        self.files.kind(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        if directory == self.closed {
            let _ = self.arrived.send(());
            // Once it is open, it stays open.
            let _ = self.open.lock().unwrap().recv_timeout(LONG);
        }
        self.files.list(directory)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.read(path)
    }
}

/// A session in which a question about the template `/t/a` is under way, and what lets it go on.
fn busy(files: &[(&str, &str)], text: &str) -> (Session, i64, Sender<()>) {
    let (arrived, arrives) = channel();
    let (allow, open) = channel();
    let gate = Gate {
        files: Memory::new(files.iter().copied()),
        closed: "/t/a".into(),
        arrived,
        open: Arc::new(Mutex::new(open)),
    };
    let mut capabilities = modern();
    // A client that asks: nothing else compiles anything.
    capabilities["textDocument"]["diagnostic"] = json!({});
    let params = json!({ "capabilities": capabilities, "rootUri": "file:///t" });
    let mut session = Session::start(gate, params);
    session.open(B, GOOD);
    let pulled = session.ask(
        "textDocument/diagnostic",
        json!({ "textDocument": { "uri": B } }),
    );
    assert!(pulled.is_ok());
    session.open(A, text);
    let id = session.begin("textDocument/hover", at(A, 0, 11));
    arrives.recv_timeout(LONG).unwrap();
    (session, id, allow)
}

fn is_outdated(answer: &Result<Value, Value>) -> bool {
    answer.as_ref().is_err_and(|error| error["code"] == -32801)
}

#[test]
fn an_edit_in_another_template_does_not_outdate_a_question() {
    let (mut session, id, allow) = busy(&[], GOOD);
    session.replace(B, 2, "locals {}\n");
    session.close(B);
    drop(allow);
    let hover = session.answer(id).unwrap();
    assert!(hover["contents"].to_string().contains("name"), "{hover}");
    session.end().unwrap();
}

#[test]
fn an_edit_of_the_same_template_does() {
    let (mut session, id, allow) = busy(&[], GOOD);
    session.replace("file:///t/a/main.pkr.hcl", 2, "locals {}\n");
    assert!(is_outdated(&session.answer(id)));
    // Another file of it, which is not even open yet.
    let id = session.begin("textDocument/hover", at(A, 0, 11));
    session.open("file:///t/a/other.pkr.hcl", "locals {}\n");
    assert!(is_outdated(&session.answer(id)));
    drop(allow);
    session.end().unwrap();
}

#[test]
fn an_edit_of_a_module_that_it_turns_out_to_use_does() {
    let uses = "variable \"name\" {\n  default = 1\n}\n\nmodule \"m\" {\n  source = \"../b\"\n}\n";
    let (mut session, id, allow) = busy(&[], uses);
    session.replace(B, 2, "variable \"name\" {}\n");
    drop(allow);
    assert!(is_outdated(&session.answer(id)));
    // Asked again, it is about the module as it is now.
    let report = session.ask(
        "textDocument/diagnostic",
        json!({ "textDocument": { "uri": A } }),
    );
    let report = report.unwrap();
    let ids: Vec<&str> = report["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["code"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"check/missing-input"), "{ids:?}");
    session.end().unwrap();
}

#[test]
fn a_search_through_the_workspace_is_answered_while_someone_types() {
    let (mut session, id, allow) = busy(&[], GOOD);
    // The gate holds it as well: the directory is listed.
    let search = session.begin("workspace/symbol", json!({ "query": "name" }));
    session.replace(B, 2, "locals {}\n");
    drop(allow);
    assert!(session.answer(search).is_ok());
    assert!(session.answer(id).is_ok());
    session.end().unwrap();
}
