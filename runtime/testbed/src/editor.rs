//! The editor's side of the language server protocol, for tests and benchmarks.
//!
//! [`Editor`] talks to a server as a program on its standard input and output, or to one in the same process over any
//! pair of functions. What the server asks is answered as a plain editor does; messages that nobody waited for yet are
//! kept in order.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long to wait for anything; long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

type Send = Box<dyn FnMut(&Value) -> io::Result<()>>;
/// Waits for the next message, and says when all of it was there.
type Receive = Box<dyn Fn(Duration) -> Result<(Value, Instant), RecvTimeoutError>>;

/// An editor with a server at the other end.
pub struct Editor {
    send: Send,
    receive: Receive,
    arrived: Option<Instant>,
    kept: VecDeque<Value>,
    last_id: i64,
    settings: Value,
    /// Requests of the server, by name, that were answered.
    pub asked: Vec<(String, Value)>,
    program: Option<Program>,
}

struct Program {
    child: Child,
    input: std::sync::Arc<std::sync::Mutex<Option<ChildStdin>>>,
}

/// A message in the protocol's frame.
pub fn frame(text: &str) -> Vec<u8> {
    format!("Content-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

impl Editor {
    /// Talks to a server over a function that sends and a channel that receives.
    pub fn over(
        send: impl FnMut(&Value) -> io::Result<()> + 'static,
        incoming: Receiver<Value>,
    ) -> Self {
        let receive = move |patience| Ok((incoming.recv_timeout(patience)?, Instant::now()));
        Self::with(Box::new(send), Box::new(receive))
    }

    fn with(send: Send, receive: Receive) -> Self {
        Self {
            send,
            receive,
            arrived: None,
            kept: VecDeque::new(),
            last_id: 0,
            settings: Value::Null,
            asked: Vec::new(),
            program: None,
        }
    }

    /// Starts a server as a program.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().expect("the pipe was asked for");
        let input = std::sync::Arc::new(std::sync::Mutex::new(child.stdin.take()));
        let (found, incoming) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = read(&mut output) {
                if found.send(message).is_err() {
                    return;
                }
            }
        });
        let pipe = std::sync::Arc::clone(&input);
        let send = move |message: &Value| write(&pipe, &frame(&message.to_string()));
        let receive = move |patience| incoming.recv_timeout(patience);
        let mut editor = Self::with(Box::new(send), Box::new(receive));
        editor.program = Some(Program { child, input });
        Ok(editor)
    }

    /// Sends bytes as they are; only to a program.
    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &self.program {
            Some(program) => write(&program.input, bytes),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// When the last message that was waited for was there, before it was taken apart.
    pub fn arrived(&self) -> Option<Instant> {
        self.arrived
    }

    /// The number of the program's process.
    pub fn process(&self) -> Option<u32> {
        Some(self.program.as_ref()?.child.id())
    }

    /// Ends what the program reads, as the death of an editor does, and waits for it.
    pub fn hang_up(&mut self) -> io::Result<ExitStatus> {
        let program = self.program.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        program
            .input
            .lock()
            .expect("no thread panics with it")
            .take();
        program.wait()
    }

    /// Waits for the program to end by itself.
    pub fn ended(&mut self) -> io::Result<ExitStatus> {
        let program = self.program.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        program.wait()
    }

    /// What the server is told when it asks for settings.
    pub fn settings(&mut self, section: Value) {
        self.settings = section;
    }

    /// Greets the server, and gives what it can do.
    pub fn greet(&mut self, mut params: Value) -> Value {
        if params.get("capabilities").is_none() {
            params["capabilities"] = json!({});
        }
        let about = self
            .ask("initialize", params)
            .expect("a server greets back");
        self.tell("initialized", json!({}));
        about
    }

    /// Sends a notification.
    pub fn tell(&mut self, method: &str, params: Value) {
        // A server that is gone shows when something is waited for.
        let _ = (self.send)(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request, and gives its number.
    pub fn begin(&mut self, method: &str, params: Value) -> i64 {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        if !params.is_null() {
            message["params"] = params;
        }
        let _ = (self.send)(&message);
        id
    }

    /// Sends a request and waits for its result; the error is the server's.
    pub fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.begin(method, params);
        self.answer(id)
    }

    /// Waits for the result of a request.
    pub fn answer(&mut self, id: i64) -> Result<Value, Value> {
        self.answer_in_time(id)
            .unwrap_or_else(|| panic!("no answer to request {id}"))
    }

    /// The same; `None` when the server does not answer in time.
    pub fn answer_in_time(&mut self, id: i64) -> Option<Result<Value, Value>> {
        let is_answer = |message: &Value| message.get("method").is_none() && message["id"] == id;
        let mut message = self.wait_for(PATIENCE, is_answer)?;
        Some(match message.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(message["result"].take()),
        })
    }

    /// Waits for an answer without a number: what the server says of something that is no message.
    pub fn refusal(&mut self) -> Value {
        let is_refusal =
            |message: &Value| message.get("error").is_some() && message["id"].is_null();
        let message = self.wait_for(PATIENCE, is_refusal);
        message.expect("a refusal")["error"].take()
    }

    /// Waits for a notification and gives its parameters; `None` when it does not come in time.
    pub fn notice(&mut self, method: &str, patience: Duration) -> Option<Value> {
        let mut message = self.wait_for(patience, |message| message["method"] == method)?;
        Some(message["params"].take())
    }

    /// Opens a document.
    pub fn open(&mut self, uri: &str, text: &str) {
        let document = json!({ "uri": uri, "languageId": "imgc", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Gives a document another text.
    pub fn replace(&mut self, uri: &str, version: i32, text: &str) {
        self.edit(uri, version, json!([{ "text": text }]));
    }

    /// Changes a document.
    pub fn edit(&mut self, uri: &str, version: i32, changes: Value) {
        let document = json!({ "uri": uri, "version": version });
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.tell("textDocument/didChange", params);
    }

    /// Closes a document.
    pub fn close(&mut self, uri: &str) {
        self.tell(
            "textDocument/didClose",
            json!({ "textDocument": { "uri": uri } }),
        );
    }

    /// The next diagnostics of a document; those of others are dropped.
    pub fn diagnostics(&mut self, uri: &str) -> Vec<Value> {
        loop {
            let params = self.notice("textDocument/publishDiagnostics", PATIENCE);
            let mut params = params.unwrap_or_else(|| panic!("no diagnostics of {uri}"));
            if params["uri"] == uri
                && let Value::Array(diagnostics) = params["diagnostics"].take()
            {
                return diagnostics;
            }
        }
    }

    /// Says goodbye, and waits for the end of a program.
    pub fn leave(mut self) -> Option<ExitStatus> {
        self.ask("shutdown", Value::Null)
            .expect("a server shuts down");
        self.tell("exit", Value::Null);
        let program = self.program.as_mut()?;
        program.wait().ok()
    }

    /// Takes what has come in and was not waited for.
    pub fn rest(&mut self) -> Vec<Value> {
        while let Ok((message, _)) = (self.receive)(Duration::ZERO) {
            self.take(message);
        }
        self.kept.drain(..).collect()
    }

    fn wait_for(&mut self, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        if let Some(at) = self.kept.iter().position(&wanted) {
            return self.kept.remove(at);
        }
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match (self.receive)(left) {
                Ok((message, at)) => {
                    if wanted(&message) {
                        self.arrived = Some(at);
                        return Some(message);
                    }
                    self.take(message);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Keeps a message for later, or answers it.
    fn take(&mut self, message: Value) {
        let (Some(method), Some(id)) = (message["method"].as_str(), message.get("id")) else {
            return self.kept.push_back(message);
        };
        let result = match method {
            "workspace/configuration" => json!([self.settings]),
            "workspace/applyEdit" => json!({ "applied": true }),
            _ => Value::Null,
        };
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        self.asked
            .push((method.to_owned(), message["params"].clone()));
        let _ = (self.send)(&answer);
    }
}

impl Program {
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn write(pipe: &std::sync::Mutex<Option<ChildStdin>>, bytes: &[u8]) -> io::Result<()> {
    let mut pipe = pipe.lock().expect("no thread panics with it");
    let pipe = pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
    pipe.write_all(bytes)?;
    pipe.flush()
}

fn read(output: &mut impl BufRead) -> Option<(Value, Instant)> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => {
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.parse().ok()?;
                }
            }
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    let arrived = Instant::now();
    Some((serde_json::from_slice(&body).ok()?, arrived))
}
