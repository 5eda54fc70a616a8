//! Services that give away secrets, on loopback: a page behind a token, Vault, Consul.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A server that goes with the test's process.
pub(super) struct Services {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Services {
    /// Answers with these bodies, by path.
    pub(super) fn start(pages: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = answer(stream, &pages);
                log.lock().unwrap().push(request);
            }
        });
        Self { address, asked }
    }

    /// Heads of the requests so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, pages: &[(&str, String)]) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    while reader
        .read_line(&mut request)
        .is_ok_and(|length| length > 2)
    {}
    let path = request.split_whitespace().nth(1).unwrap_or_default();
    let page = pages.iter().find(|(known, _)| path.starts_with(known));
    let (status, body) = match page {
        Some((_, body)) => ("200 OK", body.as_str()),
        None => ("404 Not Found", ""),
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    request
}
