//! `imgc init`: nothing to install, but a template to look at, and modules of git repositories to fetch.

use crate::args::InitArgs;
use crate::diagnostics::render;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::fetch;
use crate::terminal::{Terminal, complain, harmless, print};

use super::{compile, exit_of, note_ignored};

pub(super) fn run(args: &InitArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    // Whether it can be read at all is worth knowing; what it says is `validate`'s matter.
    let mut request = args.template.request();
    request.syntax_only = true;
    let (compilation, _) = compile(&request);
    complain(&render(&compilation, terminal.err));
    if compilation.has_errors() {
        return Ok(exit_of(&compilation));
    }
    for fetched in fetch::all(&args.template.path, |_| args.upgrade, terminal)? {
        let commit = &fetched.commit[..12];
        let repository = harmless(&fetched.repository);
        print(&match fetched.is_new {
            true => format!("Fetched {repository} at {commit}.\n"),
            false => format!("{repository} is here at {commit}.\n"),
        })?;
    }
    print("Nothing to install: all components are part of imgc.\n")?;
    Ok(Exit::Done)
}
