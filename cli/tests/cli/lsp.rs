//! The language server as an editor starts it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

use crate::harness::Test;

#[test]
fn an_editor_gets_diagnostics_over_standard_output() {
    let test = Test::new("");
    let mut child = test
        .command(&["lsp", "--stdio"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut send =
        |text: String| write!(stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
    let mut next = || {
        let mut length = 0;
        loop {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            match line.trim().strip_prefix("Content-Length: ") {
                Some(number) => length = number.parse().unwrap(),
                None if line.trim().is_empty() => break,
                None => {}
            }
        }
        let mut body = vec![0; length];
        stdout.read_exact(&mut body).unwrap();
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()
    };
    send(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}"#.to_owned(),
    );
    assert_eq!(next()["result"]["serverInfo"]["name"], "imgc");
    send(r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#.to_owned());
    let uri = format!("file://{}", test.path("main.pkr.hcl").display());
    let document =
        serde_json::json!({ "uri": uri, "languageId": "hcl", "version": 1, "text": "build {\n" });
    let open = serde_json::json!({ "jsonrpc": "2.0", "method": "textDocument/didOpen", "params": { "textDocument": document } });
    send(open.to_string());
    let published = next();
    assert_eq!(published["params"]["uri"], uri);
    assert_eq!(published["params"]["diagnostics"][0]["source"], "imgc");
    send(r#"{"jsonrpc":"2.0","id":2,"method":"shutdown","params":null}"#.to_owned());
    assert_eq!(next()["id"], 2);
    send(r#"{"jsonrpc":"2.0","method":"exit","params":null}"#.to_owned());
    let printed = test.finish(child);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
}
