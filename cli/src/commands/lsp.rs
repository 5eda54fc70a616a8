//! `imgc lsp`: the language server, with this machine's files.

use std::sync::Arc;

use imgc_lsp::Host;

use crate::components;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::world::{Disk, RealWorld};

pub(super) fn run() -> Outcome {
    let host = Host {
        sources: Arc::new(Disk),
        world: Box::new(|| Arc::new(RealWorld::new())),
        components: Box::new(components::registry()),
    };
    match imgc_lsp::serve_stdio(host) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Failure::new(Exit::Environment, error.to_string())),
    }
}
