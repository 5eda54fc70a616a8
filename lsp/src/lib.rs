//! The language server: protocol, one event loop, conversion. Everything clever is in `imgc-ide`.
//!
//! In: an editor's messages over a [`Connection`]. Out: answers, and diagnostics of all files of the templates that
//! documents belong to. The loop applies edits and hands questions to a few threads, each with a snapshot; an edit makes
//! what is under way outdated. Files, clock and components come through the [`Host`]; the runtime with its machines and
//! clouds is not needed here.
//!
//! | module | what |
//! |---|---|
//! | `transport` | messages over standard input and output |
//! | `server` | the loop: requests, edits, time limits, diagnostics |
//! | `workers` | the threads that read |
//! | `snapshot`, `documents`, `memory` | what they read |
//! | `dispatch`, `handlers` | a request: convert, ask `imgc-ide`, convert |
//! | `text`, `convert` | positions, paths and problems in the protocol's words |
//! | `client`, `capabilities` | what either side can do |

mod capabilities;
mod client;
mod convert;
mod dispatch;
mod documents;
mod handlers;
mod memory;
mod overlay;
mod server;
mod snapshot;
mod text;
mod transport;
mod workers;

use std::path::PathBuf;
use std::sync::Arc;

use imgc_compiler::components::Components;
use imgc_compiler::plan::Plan;
use imgc_compiler::source::{Sources, World};
pub use lsp_server::Connection;

pub use server::ServerError;

/// The outside, as the program that serves brings it.
#[derive(Clone)]
pub struct Host {
    /// Files as saved.
    pub sources: Arc<dyn Sources>,
    /// Clock, environment and the like, made anew for every compilation.
    pub world: Arc<dyn Fn() -> Arc<dyn World> + Send + Sync>,
    /// The components that can run.
    pub components: Arc<dyn Components + Send + Sync>,
    /// A file with the page of a problem, by its id; `None` where there is none.
    pub page: Arc<PageOf>,
    /// How plans are shown.
    pub views: Arc<ViewsOf>,
}

/// From the id of a problem to the file with its page.
pub type PageOf = dyn Fn(&str) -> Option<PathBuf> + Send + Sync;

/// From a plan to how it is shown.
pub type ViewsOf = dyn Fn(&Plan) -> Views + Send + Sync;

/// A plan as it is shown, without its secrets.
#[derive(Clone, Debug, Default)]
pub struct Views {
    /// As `imgc plan` prints it.
    pub text: String,
    /// As `imgc plan --json` prints it.
    pub json: serde_json::Value,
    /// The graph for Mermaid.
    pub mermaid: String,
    /// The graph for Graphviz.
    pub dot: String,
    /// The graph as a picture, where one can be drawn.
    pub svg: Option<String>,
}

/// Serves one editor until it says goodbye or its connection ends.
pub fn serve(connection: &Connection, host: Host) -> Result<(), ServerError> {
    server::run(connection, host)
}

/// Serves an editor on standard input and output.
pub fn serve_stdio(host: Host) -> Result<(), ServerError> {
    let (connection, writer) = transport::stdio();
    let served = serve(&connection, host);
    drop(connection);
    // What was said last is still written; an editor that is gone does not read it.
    if served.is_ok() {
        let _ = writer.join();
    }
    served
}
