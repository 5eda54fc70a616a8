//! The provisioners of this crate.

mod breakpoint;
mod file;
pub(crate) mod local;
mod puppet_server;
pub(crate) mod script;
mod shell;
mod shell_local;
mod sleep;

pub use breakpoint::Breakpoint;
pub use file::File;
pub use puppet_server::PuppetServer;
pub use shell::Shell;
pub use shell_local::ShellLocal;
pub use sleep::Sleep;

use crate::error::{Class, Error, Result};
use crate::machine::Machine;

/// The machine, or what to say where there is none.
///
/// Packer's communicator `none` lets a shell provisioner pass without running anything; here that is an error, since
/// nobody writes a script in order not to run it.
fn needed<'a>(machine: Option<&'a dyn Machine>, provisioner: &str) -> Result<&'a dyn Machine> {
    machine.ok_or_else(|| {
        Error::new(
            Class::Template,
            "run/no-machine",
            format!("the provisioner `{provisioner}` needs a machine, and this build has none"),
        )
        .help("set a communicator for the source, leave the source out with `except`, or use `shell-local`")
    })
}
