//! The data source `http` against Python's HTTP server on loopback.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use imgc_compiler::types::Type;
use imgc_compiler::value::Value;
use imgc_http::Http;
use imgc_runtime::data_source::DataSource as _;

/// Answers `/text` with a text, `/echo` with what it was asked, `/moved` with another address, `/bytes` with no text,
/// all else with 404.
const SERVER: &str = r#"
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        status, headers, text = 200, [("Content-Type", "text/plain"), ("X-Many", "a"), ("X-Many", "b")], b"hello\n"
        if self.path == "/echo":
            text = (self.command + " " + self.headers.get("X-Token", "-") + " " + body).encode()
        elif self.path == "/moved":
            status, headers = 302, [("Location", "/text")]
        elif self.path == "/bytes":
            text = b"\xff\xfe"
        elif self.path != "/text":
            status = 404
        self.send_response(status)
        for name, value in headers: self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_GET = do_POST = do_PUT = answer
    def log_message(self, *ignored): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut process = Command::new("python3")
            .args(["-c", SERVER])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Self {
            process,
            address: format!("http://127.0.0.1:{}", line.trim()),
        }
    }

    fn read(&self, path: &str, more: &[(&'static str, Value)]) -> Result<Value, String> {
        let url = Value::string(format!("{}{path}", self.address));
        let options = Value::object([("url", url)].into_iter().chain(more.iter().cloned()));
        assert_eq!(Http.check(&options), []);
        Http.read(&options).map_err(|problem| problem.message)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn body(value: &Value) -> &str {
    value.get("body").unwrap().as_str().unwrap()
}

#[test]
fn a_text_is_read_with_its_headers() {
    let server = Server::start();
    let read = server.read("/text", &[]).unwrap();
    assert_eq!(body(&read), "hello\n");
    let headers = read.get("request_headers").unwrap();
    assert_eq!(headers.get("X-Many").unwrap().as_str(), Some("a, b"));
    assert_eq!(body(&server.read("/moved", &[]).unwrap()), "hello\n");
}

#[test]
fn method_headers_and_body_are_sent() {
    let server = Server::start();
    let headers = Value::map(Type::String, [("X-Token", Value::string("t0k3n"))]);
    let more = [
        ("method", Value::string("POST")),
        ("request_headers", headers),
        ("request_body", Value::string("data")),
    ];
    assert_eq!(
        body(&server.read("/echo", &more).unwrap()),
        "POST t0k3n data"
    );
    assert_eq!(body(&server.read("/echo", &[]).unwrap()), "GET - ");
}

#[test]
fn failures_say_what_happened() {
    let server = Server::start();
    assert_eq!(
        server.read("/nothing", &[]).unwrap_err(),
        "the server answered 404 Not Found"
    );
    assert_eq!(
        server.read("/bytes", &[]).unwrap_err(),
        "the answer is not UTF-8 text"
    );
    let closed = server.address.clone();
    drop(server);
    let options = Value::object([("url", Value::string(closed))]);
    let problem = Http.read(&options).unwrap_err();
    assert!(
        problem.message.starts_with("the request failed"),
        "{problem:?}"
    );
    assert_eq!(problem.options, ["url"]);
}

#[test]
fn mistakes_are_found_without_asking_anybody() {
    let options = Value::object([
        ("url", Value::string("example.com")),
        ("method", Value::string("get")),
    ]);
    let found = Http.check(&options);
    let found: Vec<_> = found.into_iter().flat_map(|p| p.options).collect();
    assert_eq!(found, ["url", "method"]);
}
