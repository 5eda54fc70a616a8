//! Messages over bytes: the protocol's framing on standard input and output.
//!
//! In: bytes. Out: a [`Connection`] with messages. What is no message is answered with an error and skipped, so that a
//! client's mistake costs one message and not the session; `lsp-server`'s own transport ends there.

use std::io::{self, BufRead, Read as _, Write};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use lsp_server::{Connection, ErrorCode, Message};
use serde::Serialize;
use serde_json::{Value, json};

/// The longest message that is read: a whole document of this size is sent at once.
const MAX_LEN: usize = 256 << 20;

/// How many messages wait for a client that does not read.
const WAITING: usize = 4096;

/// How long a line of a header may be.
const MAX_HEADER: u64 = 4096;

/// A connection on standard input and output, and the thread to wait for at the end.
pub(crate) fn stdio() -> (Connection, JoinHandle<()>) {
    let (sender, outgoing) = bounded(WAITING);
    let (refuse, refused) = bounded(16);
    let (incoming, receiver) = bounded(0);
    // Not waited for: it may be in the middle of reading when the work is done.
    std::thread::spawn(move || read_all(&mut io::stdin().lock(), &incoming, &refuse));
    let writer = std::thread::spawn(move || write_all(&mut io::stdout(), &outgoing, refused));
    (Connection { sender, receiver }, writer)
}

/// Reads until the end, or until the client says goodbye.
fn read_all(input: &mut dyn BufRead, incoming: &Sender<Message>, refuse: &Sender<Value>) {
    loop {
        let body = match read_body(input) {
            Ok(Some(body)) => body,
            Ok(None) => return,
            Err(Broken::Io(error)) => {
                log::error!("cannot read: {error}");
                return;
            }
            Err(Broken::Frame(reason)) => {
                log::warn!("not a message: {reason}");
                let _ = refuse.send(refusal(Value::Null, ErrorCode::ParseError, &reason));
                continue;
            }
        };
        match message(&body) {
            Ok(message) => {
                let last = matches!(&message, Message::Notification(note) if note.method == "exit");
                log::trace!("< {}", String::from_utf8_lossy(&body));
                if incoming.send(message).is_err() || last {
                    return;
                }
            }
            Err(refusal) => {
                log::warn!("not a message: {refusal}");
                let _ = refuse.send(refusal);
            }
        }
    }
}

/// Writes until nobody sends any more, or nobody reads.
fn write_all(output: &mut dyn Write, outgoing: &Receiver<Message>, mut refused: Receiver<Value>) {
    loop {
        let written = crossbeam_channel::select! {
            recv(outgoing) -> message => match message {
                Ok(message) => write(output, &message),
                Err(_) => return,
            },
            recv(refused) -> refusal => match refusal {
                Ok(refusal) => write(output, &refusal),
                Err(_) => {
                    refused = crossbeam_channel::never();
                    Ok(())
                }
            },
        };
        if let Err(error) = written {
            log::error!("cannot write: {error}");
            return;
        }
    }
}

/// A message as it is sent.
#[derive(Serialize)]
struct Sent<'a, T> {
    jsonrpc: &'static str,
    #[serde(flatten)]
    message: &'a T,
}

fn write(output: &mut dyn Write, message: &impl Serialize) -> io::Result<()> {
    let jsonrpc = "2.0";
    let text = serde_json::to_string(&Sent { jsonrpc, message })?;
    log::trace!("> {text}");
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

/// Why there is no message.
enum Broken {
    /// Nothing more can be read.
    Io(io::Error),
    /// The bytes are no frame.
    Frame(String),
}

/// The bytes of the next message; `None` at the end.
fn read_body(input: &mut dyn BufRead) -> Result<Option<Vec<u8>>, Broken> {
    let mut length = None;
    let mut skipped = false;
    loop {
        let mut line = Vec::new();
        let read = input.take(MAX_HEADER).read_until(b'\n', &mut line);
        if read.map_err(Broken::Io)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            match length {
                Some(length) => return body(input, length),
                // Blank lines between messages harm nobody, nor do they after something strange.
                None => continue,
            }
        }
        match header(line) {
            Header::Length(found) => {
                length = Some(found);
                if skipped {
                    log::warn!("went on with the next message");
                }
            }
            Header::Other => {}
            // The rest of a message that was longer than it said: said once, then passed over up to the next one.
            Header::None if skipped => {}
            Header::None => {
                skipped = true;
                length = None;
                log::warn!("`{}` is no header", line.escape_debug());
            }
        }
    }
}

enum Header {
    Length(usize),
    Other,
    None,
}

fn header(line: &str) -> Header {
    const NAME: &str = "content-length:";
    // It may stand behind the rest of a message that was longer than it said.
    if let Some(at) = line.to_ascii_lowercase().rfind(NAME)
        && let Ok(length) = line[at + NAME.len()..].trim().parse()
    {
        return Header::Length(length);
    }
    let is_name = |name: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !name.is_empty() && name.bytes().all(known)
    };
    match line.split_once(':') {
        Some((name, _)) if is_name(name) && !name.eq_ignore_ascii_case("content-length") => {
            Header::Other
        }
        _ => Header::None,
    }
}

fn body(input: &mut dyn BufRead, length: usize) -> Result<Option<Vec<u8>>, Broken> {
    let mut rest = input.take(length as u64);
    if length > MAX_LEN {
        io::copy(&mut rest, &mut io::sink()).map_err(Broken::Io)?;
        return Err(Broken::Frame(format!(
            "a message of {length} bytes is too long"
        )));
    }
    // Grows with what comes, not with what was promised.
    let mut body = Vec::new();
    let read = rest.read_to_end(&mut body).map_err(Broken::Io)?;
    Ok((read == length).then_some(body))
}

/// The message in a body, or the answer to what is none.
fn message(body: &[u8]) -> Result<Message, Value> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        let reason = format!("this is not JSON: {error}");
        refusal(Value::Null, ErrorCode::ParseError, &reason)
    })?;
    let id = value.get("id").cloned();
    let is_request = value.get("method").is_some() && id.is_some();
    match serde_json::from_value(value) {
        // With a number that is none a request would pass for a notification, and wait for its answer forever.
        Ok(message) if !is_request || matches!(message, Message::Request(_)) => Ok(message),
        _ => {
            let id = id.filter(|id| is_request && (id.is_number() || id.is_string()));
            Err(refusal(
                id.unwrap_or_default(),
                ErrorCode::InvalidRequest,
                "this is neither a request nor a notification nor an answer; numbers of requests have 32 bits",
            ))
        }
    }
}

fn refusal(id: Value, code: ErrorCode, reason: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code as i32, "message": reason } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What is read from the bytes of a client: methods, and the codes of refusals.
    fn read(bytes: &[u8]) -> Vec<String> {
        let (incoming, messages) = crossbeam_channel::unbounded();
        let (refuse, refused) = crossbeam_channel::unbounded();
        read_all(&mut io::BufReader::new(bytes), &incoming, &refuse);
        drop((incoming, refuse));
        let messages = messages.into_iter().map(|message| match message {
            Message::Request(request) => request.method,
            Message::Notification(note) => note.method,
            Message::Response(response) => format!("answer {}", response.id),
        });
        let refused = refused
            .into_iter()
            .map(|refusal| format!("{} {}", refusal["id"], refusal["error"]["code"]));
        messages.chain(refused).collect()
    }

    fn frame(text: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{text}", text.len())
    }

    const NOTE: &str = r#"{"jsonrpc":"2.0","method":"note"}"#;

    #[test]
    fn what_is_no_message_is_refused_and_the_next_one_read() {
        let bytes =
            frame("{oops") + &frame("[]") + &frame(r#"{"id":1.5,"method":"x"}"#) + &frame(NOTE);
        assert_eq!(
            read(bytes.as_bytes()),
            ["note", "null -32700", "null -32600", "1.5 -32600"]
        );
    }

    #[test]
    fn a_wrong_length_costs_no_more_than_the_messages_it_touches() {
        let short = format!("Content-Length: {}\r\n\r\n{NOTE}", NOTE.len() - 3);
        let bytes = short + &frame(NOTE);
        assert_eq!(read(bytes.as_bytes()), ["note", "null -32700"]);
        let long = format!("Content-Length: {}\r\n\r\n{NOTE}", NOTE.len() + 5);
        let bytes = long + &frame(NOTE) + &frame(NOTE);
        assert_eq!(read(bytes.as_bytes()), ["note", "null -32700"]);
    }

    #[test]
    fn headers_of_any_kind_are_read() {
        let bytes = format!(
            "content-length:{}\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n{NOTE}",
            NOTE.len()
        );
        assert_eq!(read(bytes.as_bytes()), ["note"]);
        assert_eq!(read(b"garbage\r\n\r\n"), [""; 0]);
        let huge = format!("Content-Length: 99999999999999\r\n\r\n{NOTE}");
        assert_eq!(read(huge.as_bytes()), ["null -32700"]);
        assert_eq!(read(b"Content-Length: 100\r\n\r\n{"), [""; 0]);
    }

    #[test]
    fn nothing_is_read_after_exit() {
        let bytes = frame(r#"{"method":"exit"}"#) + &frame(NOTE);
        assert_eq!(read(bytes.as_bytes()), ["exit"]);
    }

    #[test]
    fn answers_are_framed() {
        let mut out = Vec::new();
        write(&mut out, &json!({ "id": 1, "result": "ü" })).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "Content-Length: 40\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"ü\"}".replace(
                "40",
                &"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"ü\"}"
                    .len()
                    .to_string()
            )
        );
    }
}
