//! The language server as editors start it: the program on its standard input and output.

use std::time::Duration;

use imgc_testbed::editor::{Editor, frame};
use serde_json::{Value, json};

use crate::harness::Test;

const GOOD: &str = "variable \"name\" {\n  type    = string\n  default = \"x\"\n}\n\n\
    source \"null\" \"a\" {\n  communicator = \"none\"\n}\n\n\
    build {\n  sources = [\"source.null.a\"]\n\n  provisioner \"shell-local\" {\n    inline = [\"echo ${var.name}\"]\n  }\n}\n";

/// A server in the test's directory, with the template `a.pkr.hcl` and its URI.
fn start(test: &Test) -> (Editor, String) {
    std::fs::write(test.path("a.pkr.hcl"), GOOD).unwrap();
    let editor = Editor::start(&mut test.command(&["lsp", "--stdio"])).unwrap();
    let uri = format!("file://{}", test.path("a.pkr.hcl").display());
    (editor, uri)
}

fn greeting(test: &Test, process: Option<u32>) -> Value {
    let folder = format!("file://{}", test.path("").display());
    json!({ "processId": process, "workspaceFolders": [{ "uri": folder, "name": "w" }] })
}

/// The text after edits, which stand in any order and do not overlap. Only for texts in ASCII.
fn edited(text: &str, edits: &Value) -> String {
    let place = |position: &Value| {
        let number = |name: &str| position[name].as_u64().unwrap() as usize;
        let lines = text.split_inclusive('\n').take(number("line"));
        lines.map(str::len).sum::<usize>() + number("character")
    };
    let range = |edit: &Value| place(&edit["range"]["start"])..place(&edit["range"]["end"]);
    let mut edits: Vec<&Value> = edits.as_array().unwrap().iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(range(edit).start));
    let mut text = text.to_owned();
    for edit in edits {
        text.replace_range(range(edit), edit["newText"].as_str().unwrap());
    }
    text
}

#[test]
fn json_and_toml_are_laid_out_as_by_fmt() {
    let files = [
        (
            "b.pkr.json",
            "{\"locals\":{\n\"a\":[1,2 ]}\n}\n",
            1,
            "{\"locals\":{\n    \"a\": [1, 2]\n  }\n}\n",
        ),
        (
            "c.json",
            "{\"builders\":[{\n\"type\" : \"null\"}]\n}\n",
            1,
            "{\"builders\":[{\n      \"type\": \"null\"\n    }\n  ]\n}\n",
        ),
        (
            "d.imgc.toml",
            "  [locals]\nd=[ 1 ]\n",
            1,
            "  [locals]\nd = [1]\n",
        ),
    ];
    let test = Test::new("");
    let (mut editor, _) = start(&test);
    editor.greet(greeting(&test, None));
    for (name, text, line, wanted) in files {
        let path = test.path(name);
        std::fs::write(&path, text).unwrap();
        assert_eq!(test.run(&["fmt", name]).code, 0);
        let uri = format!("file://{}", path.display());
        editor.open(&uri, text);
        let document = json!({ "uri": uri });
        let options = json!({ "tabSize": 2, "insertSpaces": true });
        let params = json!({ "textDocument": document, "options": options });
        let edits = editor.ask("textDocument/formatting", params).unwrap();
        assert_eq!(edited(text, &edits), test.read(name));
        let range = json!({ "start": { "line": line, "character": 0 }, "end": { "line": line + 1, "character": 0 } });
        let params = json!({ "textDocument": document, "options": options, "range": range });
        let edits = editor.ask("textDocument/rangeFormatting", params).unwrap();
        assert_eq!(edited(text, &edits), wanted);
        let column = text.lines().nth(line).unwrap().find(']').unwrap() + 1;
        let place = json!({ "line": line, "character": column });
        let params =
            json!({ "textDocument": document, "options": options, "position": place, "ch": "]" });
        let edits = editor.ask("textDocument/onTypeFormatting", params).unwrap();
        // What the bracket closes begins on the line before.
        let whole = test.read(name);
        let closed = if name == "c.json" { &whole } else { wanted };
        assert_eq!(edited(text, &edits), *closed, "{name}");
        editor.replace(&uri, 2, &text.replace(['}', ']'], ""));
        let params = json!({ "textDocument": document, "options": options });
        let edits = editor.ask("textDocument/formatting", params).unwrap();
        assert!(edits.is_null(), "{name}: {edits}");
    }
    assert!(editor.leave().unwrap().success());
}

#[test]
fn an_editor_is_served_from_greeting_to_goodbye() {
    let test = Test::new("");
    let (mut editor, uri) = start(&test);
    let about = editor.greet(greeting(&test, Some(std::process::id())));
    assert_eq!(about["serverInfo"]["name"], "imgc");
    editor.open(&uri, &GOOD.replace("var.name", "var.nmae"));
    let problems = editor.diagnostics(&uri);
    assert_eq!(problems[0]["source"], "imgc");
    let ids = problems.iter().map(|problem| &problem["code"]);
    assert!(ids.into_iter().any(|id| id == "check/unknown-variable"));
    editor.replace(&uri, 2, GOOD);
    assert!(editor.diagnostics(&uri).is_empty());
    let params = json!({ "command": "imgc.plan", "arguments": [{ "uri": uri }] });
    let plan = editor.ask("workspace/executeCommand", params).unwrap();
    assert!(
        plan["text"].as_str().unwrap().contains("build.null.a"),
        "{plan}"
    );
    assert_eq!(plan["plan"]["format"], "imgc-plan");
    assert!(plan["mermaid"].as_str().unwrap().starts_with("flowchart"));
    assert!(plan["dot"].as_str().unwrap().starts_with("digraph"));
    assert!(editor.leave().unwrap().success());
}

#[test]
fn the_page_of_a_problem_is_a_file_of_this_version() {
    let test = Test::new("");
    let (mut editor, uri) = start(&test);
    let capabilities =
        json!({ "textDocument": { "publishDiagnostics": { "codeDescriptionSupport": true } } });
    editor.greet(json!({ "capabilities": capabilities }));
    editor.open(&uri, &GOOD.replace("var.name", "var.nmae"));
    let problems = editor.diagnostics(&uri);
    let problem = problems
        .iter()
        .find(|problem| problem["code"] == "check/unknown-variable");
    let page = problem.unwrap()["codeDescription"]["href"]
        .as_str()
        .unwrap();
    let page = std::fs::read_to_string(page.strip_prefix("file://").unwrap()).unwrap();
    assert!(page.contains("check/unknown-variable"), "{page}");
    assert!(editor.leave().unwrap().success());
}

#[test]
fn a_plan_shows_no_secret() {
    let test = Test::new("");
    let (mut editor, uri) = start(&test);
    editor.greet(greeting(&test, None));
    let secret = GOOD.replace(
        "default = \"x\"",
        "default = \"hunter2-secret\"\n  sensitive = true",
    );
    editor.open(&uri, &secret);
    for command in ["imgc.plan", "imgc.graph"] {
        let params = json!({ "command": command, "arguments": [uri] });
        let shown = editor
            .ask("workspace/executeCommand", params)
            .unwrap()
            .to_string();
        assert!(!shown.contains("hunter2-secret"), "{shown}");
    }
    for method in ["hover", "inlayHint", "completion"] {
        for line in 0..18 {
            let params = json!({
                "textDocument": { "uri": uri },
                "position": { "line": line, "character": 25 },
                "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 18, "character": 0 } },
            });
            let shown = editor
                .ask(&format!("textDocument/{method}"), params)
                .unwrap()
                .to_string();
            assert!(!shown.contains("hunter2-secret"), "{method}: {shown}");
        }
    }
    assert!(editor.leave().unwrap().success());
}

#[test]
fn bytes_that_are_no_messages_are_refused_and_survived() {
    let test = Test::new("");
    let (mut editor, uri) = start(&test);
    editor.bytes(&frame("{ this is no JSON")).unwrap();
    assert_eq!(editor.refusal()["code"], -32700);
    editor.bytes(b"Content-Length: what\r\n\r\n").unwrap();
    editor.bytes(&frame("[]")).unwrap();
    assert_eq!(editor.refusal()["code"], -32600);
    // A request before the greeting, and one of a number that is none.
    assert_eq!(
        editor.ask("textDocument/hover", json!({})).unwrap_err()["code"],
        -32002
    );
    editor.greet(greeting(&test, None));
    let note = r#"{"jsonrpc":"2.0","method":"$/something"}"#;
    // Too short: the rest of the message stands in front of the next header.
    editor
        .bytes(format!("Content-Length: {}\r\n\r\n{note}", note.len() - 4).as_bytes())
        .unwrap();
    assert_eq!(editor.refusal()["code"], -32700);
    // Too long: it takes the beginning of the next one with it.
    editor
        .bytes(format!("Content-Length: {}\r\n\r\n{note}", note.len() + 9).as_bytes())
        .unwrap();
    editor.bytes(&frame(note)).unwrap();
    assert_eq!(editor.refusal()["code"], -32700);
    editor.open(&uri, GOOD);
    let symbols = editor.ask(
        "textDocument/documentSymbol",
        json!({ "textDocument": { "uri": uri } }),
    );
    assert!(!symbols.unwrap().as_array().unwrap().is_empty());
    assert!(editor.leave().unwrap().success());
}

#[test]
fn a_thousand_quick_edits_end_as_a_fresh_text() {
    let test = Test::new("");
    let (mut editor, uri) = start(&test);
    editor.greet(greeting(&test, None));
    editor.open(&uri, "");
    // Typed letter by letter, and the first half taken back and typed once more.
    let mut version = 1;
    let mut typed = String::new();
    let half = &GOOD[..GOOD.len() / 2];
    let keys = half
        .chars()
        .map(Some)
        .chain(half.chars().map(|_| None))
        .chain(GOOD.chars().map(Some));
    for key in keys {
        let position = |text: &str| {
            let column = text.len() - text.rfind('\n').map_or(0, |at| at + 1);
            json!({ "line": text.matches('\n').count(), "character": column })
        };
        let end = position(&typed);
        version += 1;
        let change = match key {
            Some(key) => {
                typed.push(key);
                json!({ "range": { "start": end, "end": end }, "text": key })
            }
            None => {
                typed.pop();
                json!({ "range": { "start": position(&typed), "end": end }, "text": "" })
            }
        };
        editor.edit(&uri, version, json!([change]));
    }
    let params = json!({ "textDocument": { "uri": uri } });
    let ask = |editor: &mut Editor, what: &str| {
        editor
            .ask(&format!("textDocument/{what}"), params.clone())
            .unwrap()
    };
    let typed_symbols = ask(&mut editor, "documentSymbol");
    let typed_tokens = ask(&mut editor, "semanticTokens/full")["data"].take();
    let problems = ask(&mut editor, "diagnostic");
    assert_eq!(problems["items"], json!([]));
    editor.close(&uri);
    editor.open(&uri, GOOD);
    assert_eq!(ask(&mut editor, "documentSymbol"), typed_symbols);
    assert_eq!(
        ask(&mut editor, "semanticTokens/full")["data"],
        typed_tokens
    );
    assert!(editor.leave().unwrap().success());
}

#[test]
fn the_server_ends_when_its_editor_is_gone() {
    let test = Test::new("");
    let (mut editor, uri) = start(&test);
    editor.greet(greeting(&test, None));
    editor.open(&uri, GOOD);
    assert!(!editor.hang_up().unwrap().success());
    // Its process is gone, and something else holds the pipe open.
    let mut other = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let (mut editor, _) = start(&test);
    editor.greet(greeting(&test, Some(other.id())));
    assert_eq!(editor.notice("nothing", Duration::from_millis(50)), None);
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(!editor.ended().unwrap().success());
}

#[test]
fn the_log_goes_where_it_is_wanted() {
    let test = Test::new("");
    let log = test.path("lsp.log");
    let mut command = test.command(&["lsp", "--log", &log.display().to_string()]);
    let mut editor = Editor::start(command.env("RUST_LOG", "debug")).unwrap();
    editor.greet(json!({ "clientInfo": { "name": "ed" } }));
    assert!(
        editor
            .ask("workspace/symbol", json!({ "query": "" }))
            .is_ok()
    );
    assert!(editor.leave().unwrap().success());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(
        log.contains("serving ed") && log.contains("workspace/symbol"),
        "{log}"
    );
}
