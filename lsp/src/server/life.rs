//! How a session begins and ends.

use lsp_server::{Connection, ErrorCode, Message, Response};

use super::Server;
use crate::Host;
use crate::capabilities::capabilities;

/// Why the server ended before the editor asked it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerError {
    /// The connection ended in the middle.
    Disconnected,
    /// The editor's process is gone.
    EditorDied,
    /// The editor left without `shutdown`.
    Exit,
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "the connection to the editor ended",
            Self::EditorDied => "the editor's process is gone",
            Self::Exit => "the editor left without `shutdown`",
        })
    }
}

impl std::error::Error for ServerError {}

/// Serves one editor.
pub(crate) fn run(connection: &Connection, host: Host) -> Result<(), ServerError> {
    let (id, params) = loop {
        match connection.receiver.recv() {
            Err(_) => return Err(ServerError::Disconnected),
            Ok(Message::Request(request)) if request.method == "initialize" => {
                break (request.id, request.params);
            }
            Ok(Message::Request(request)) => {
                let code = ErrorCode::ServerNotInitialized as i32;
                let reason = "the first request is `initialize`".to_owned();
                let _ = connection
                    .sender
                    .send(Response::new_err(request.id, code, reason).into());
            }
            Ok(Message::Notification(note)) if note.method == "exit" => {
                return Err(ServerError::Exit);
            }
            Ok(_) => {}
        }
    };
    let mut server = Server::new(connection, host, &params);
    log::info!(
        "serving {} with {:?} columns",
        params
            .pointer("/clientInfo/name")
            .and_then(|name| name.as_str())
            .unwrap_or("an editor"),
        server.client.encoding
    );
    server.send(Response::new_ok(id, capabilities(&server.client)));
    server.serve()
}
