//! The language server: protocol, event loop, conversion. Everything clever is in the compiler.
//!
//! In: an editor's messages over a [`Connection`]. Out: the compiler's diagnostics for the template a document belongs
//! to, published when a document is opened, changed, saved or closed, and only for files whose problems have changed.
//! What a template is made of comes through the [`Host`]'s doors, over which unsaved text is laid; the runtime with its
//! machines and clouds is not needed here.

mod convert;
mod overlay;
mod server;

use std::sync::Arc;

use imgc_compiler::components::Components;
use imgc_compiler::source::{Sources, World};
pub use lsp_server::Connection;

pub use server::ServerError;

/// The outside, as the program that serves brings it.
pub struct Host {
    /// Files as saved.
    pub sources: Arc<dyn Sources>,
    /// Clock, environment and the like, made anew for every compilation.
    pub world: Box<dyn Fn() -> Arc<dyn World>>,
    /// The components that can run.
    pub components: Box<dyn Components>,
}

/// Serves one editor until it says goodbye or its connection ends.
pub fn serve(connection: &Connection, host: Host) -> Result<(), ServerError> {
    server::run(connection, host)
}

/// Serves an editor on standard input and output.
pub fn serve_stdio(host: Host) -> Result<(), ServerError> {
    let (connection, threads) = Connection::stdio();
    let served = serve(&connection, host);
    drop(connection);
    // The reader has seen the end of input or `exit`; a writer that cannot write has nobody left to tell.
    let _ = threads.join();
    served
}
