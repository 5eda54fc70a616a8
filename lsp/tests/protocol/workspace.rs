//! Folders, files on the disk, settings, commands.

use std::os::unix::fs::symlink;
use std::time::Duration;

use imgc_compiler::source::Memory;
use serde_json::{Value, json};

use crate::harness::{BROKEN, GOOD, Session, modern};

const FILE: &str = "file:///t/a.pkr.hcl";
const LONG: Duration = Duration::from_secs(60);

#[test]
fn folders_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let folders: Vec<String> = ["one", "two"]
        .iter()
        .map(|name| {
            let at = directory.path().join(name);
            std::fs::create_dir(&at).unwrap();
            std::fs::write(
                at.join("a.pkr.hcl"),
                GOOD.replace("\"name\"", &format!("\"in_{name}\"")),
            )
            .unwrap();
            format!("file://{}", at.display())
        })
        .collect();
    let mut session = Session::on_disk(&directory.path().join("one"), modern());
    let names = |session: &mut Session| -> Vec<String> {
        let found = session
            .ask("workspace/symbol", json!({ "query": "in_" }))
            .unwrap();
        let found = found.as_array().unwrap().iter();
        found
            .map(|symbol| symbol["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let one = names(&mut session);
    assert!(one.iter().any(|name| name.contains("in_one")), "{one:?}");
    let folder = |uri: &String| json!({ "uri": uri, "name": "x" });
    let event = json!({ "added": [folder(&folders[1])], "removed": [folder(&folders[0])] });
    session.tell(
        "workspace/didChangeWorkspaceFolders",
        json!({ "event": event }),
    );
    let two = names(&mut session);
    assert!(
        two.iter().all(|name| name.contains("in_two")) && !two.is_empty(),
        "{two:?}"
    );
    session.end().unwrap();
}

#[test]
fn files_that_change_on_the_disk_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let (open, other) = (
        directory.path().join("a.pkr.hcl"),
        directory.path().join("b.pkr.hcl"),
    );
    std::fs::write(&open, GOOD).unwrap();
    let mut capabilities = modern();
    capabilities["workspace"]["didChangeWatchedFiles"] = json!({ "dynamicRegistration": true });
    let mut session = Session::on_disk(directory.path(), capabilities);
    let uri = format!("file://{}", open.display());
    session.open(&uri, GOOD);
    assert!(
        session
            .ask(
                "textDocument/documentSymbol",
                json!({ "textDocument": { "uri": uri } })
            )
            .is_ok()
    );
    assert!(
        session
            .asked
            .iter()
            .any(|(method, params)| method == "client/registerCapability"
                && params["registrations"][0]["method"] == "workspace/didChangeWatchedFiles")
    );
    let other_uri = format!("file://{}", other.display());
    std::fs::write(&other, BROKEN).unwrap();
    session.tell(
        "workspace/didChangeWatchedFiles",
        json!({ "changes": [{ "uri": other_uri, "type": 1 }] }),
    );
    assert!(!session.ids(&other_uri).is_empty());
    std::fs::remove_file(&other).unwrap();
    session.tell(
        "workspace/didChangeWatchedFiles",
        json!({ "changes": [{ "uri": other_uri, "type": 3 }] }),
    );
    assert!(session.ids(&other_uri).is_empty());
    session.end().unwrap();
}

#[test]
fn links_lead_to_templates_and_circles_end() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real");
    std::fs::create_dir(&real).unwrap();
    std::fs::write(real.join("a.pkr.hcl"), BROKEN).unwrap();
    symlink(&real, directory.path().join("link")).unwrap();
    symlink(directory.path(), real.join("circle")).unwrap();
    let mut session = Session::on_disk(directory.path(), modern());
    let uri = format!(
        "file://{}",
        directory.path().join("link/a.pkr.hcl").display()
    );
    session.open(&uri, BROKEN);
    assert!(!session.ids(&uri).is_empty());
    assert!(
        session
            .ask("workspace/symbol", json!({ "query": "" }))
            .is_ok()
    );
    session.end().unwrap();
}

#[test]
fn settings_are_asked_for_and_followed() {
    let mut capabilities = modern();
    capabilities["workspace"]["configuration"] = json!(true);
    capabilities["workspace"]["inlayHint"] = json!({ "refreshSupport": true });
    let mut session = Session::silent(Memory::default());
    session.settings(json!({ "codeLens": false, "inlayHints": false }));
    session.greet(json!({ "capabilities": capabilities }));
    session.open(FILE, GOOD);
    let lenses = |session: &mut Session| {
        session
            .ask(
                "textDocument/codeLens",
                json!({ "textDocument": { "uri": FILE } }),
            )
            .unwrap()
    };
    // The answer to the question for settings is on its way: when it is there, the server asks for a new look.
    let end = std::time::Instant::now() + LONG;
    while !session
        .asked
        .iter()
        .any(|(method, _)| method == "workspace/inlayHint/refresh")
    {
        assert!(std::time::Instant::now() < end);
        lenses(&mut session);
    }
    assert_eq!(lenses(&mut session), json!([]));
    session.end().unwrap();
    let mut session = Session::with(&[]);
    session.open(FILE, GOOD);
    session.tell(
        "workspace/didChangeConfiguration",
        json!({ "settings": { "imgc": { "codeLens": { "enable": false } } } }),
    );
    assert_eq!(lenses(&mut session), json!([]));
    session.end().unwrap();
}

fn run(session: &mut Session, command: &str, argument: Value) -> Result<Value, Value> {
    session.ask(
        "workspace/executeCommand",
        json!({ "command": command, "arguments": [argument] }),
    )
}

#[test]
fn the_plan_is_that_of_the_unsaved_text() {
    let mut session = Session::with(&[("/t/a.pkr.hcl", BROKEN)]);
    session.open(FILE, GOOD);
    let plan = run(&mut session, "imgc.plan", json!({ "uri": FILE })).unwrap();
    assert_eq!(plan["text"], "1 builds");
    assert_eq!(plan["path"], "/t");
    assert_eq!(plan["places"]["build.null.a"]["uri"], FILE);
    // Where the build names its source.
    assert_eq!(plan["places"]["build.null.a"]["range"]["start"]["line"], 10);
    let graph = run(&mut session, "imgc.graph", json!("file:///t")).unwrap();
    assert_eq!(graph["mermaid"], "flowchart LR\n");
    session.replace(FILE, 2, BROKEN);
    let refused = run(&mut session, "imgc.plan", json!({ "uri": FILE })).unwrap_err();
    assert_eq!(refused["code"], -32803);
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .starts_with("a.pkr.hcl:"),
        "{refused}"
    );
    assert_eq!(
        run(&mut session, "imgc.plan", json!({ "uri": 7 })).unwrap_err()["code"],
        -32602
    );
    assert_eq!(
        run(&mut session, "imgc.nothing", Value::Null).unwrap_err()["code"],
        -32602
    );
    session.end().unwrap();
}

#[test]
fn a_panic_answers_one_request_and_the_server_lives() {
    let mut session = Session::with(&[]);
    session.open(
        FILE,
        &GOOD.replace("build {", "build {\n  name = \"mistake\""),
    );
    for _ in 0..6 {
        let refused = run(&mut session, "imgc.plan", json!(FILE)).unwrap_err();
        assert_eq!(refused["code"], -32603, "{refused}");
    }
    session.replace(FILE, 2, GOOD);
    assert_eq!(
        run(&mut session, "imgc.plan", json!(FILE)).unwrap()["text"],
        "1 builds"
    );
    session.end().unwrap();
}

#[test]
fn a_conversion_is_a_new_file_with_the_same_plan() {
    let mut session = Session::with(&[]);
    session.open(FILE, GOOD);
    let converted = run(
        &mut session,
        "imgc.convert",
        json!({ "uri": FILE, "to": "toml" }),
    )
    .unwrap();
    assert_eq!(converted["uri"], "file:///t/a.imgc.toml");
    assert_eq!(converted["samePlan"], true);
    // The client is asked to make the file before the command is answered.
    let (_, asked) = session
        .asked
        .iter()
        .find(|(method, _)| method == "workspace/applyEdit")
        .unwrap();
    let changes = asked["edit"]["documentChanges"].as_array().unwrap();
    assert_eq!(changes[0]["kind"], "create");
    assert_eq!(changes[1]["edits"][0]["newText"], converted["text"]);
    let wish = json!({ "uri": FILE, "to": "json", "apply": false, "remove": true });
    let given = run(&mut session, "imgc.convert", wish).unwrap();
    assert_eq!(given["edit"]["documentChanges"][2]["kind"], "delete");
    let same = run(
        &mut session,
        "imgc.convert",
        json!({ "uri": FILE, "to": "hcl" }),
    )
    .unwrap_err();
    assert!(
        same["message"].as_str().unwrap().contains("already"),
        "{same}"
    );
    session.end().unwrap();
}
