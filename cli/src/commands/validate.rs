//! `imgc validate`: everything that can be known about a template without running it.

use crate::args::ValidateArgs;
use crate::diagnostics::{json, render};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::terminal::{Terminal, complain, print};

use super::{compile, exit_of, json_text, note_ignored};

pub(super) fn run(args: &ValidateArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    let mut request = args.template.request();
    request.syntax_only = args.syntax_only;
    request.check_only = true;
    let (compilation, _) = compile(&request);
    let exit = match compilation.has_errors() {
        true => exit_of(&compilation),
        false => Exit::Done,
    };
    if args.json {
        print(&json_text(&json::report(&compilation)))?;
        return Ok(exit);
    }
    complain(&render(&compilation, terminal.err));
    if exit == Exit::Done {
        // Packer's words, which scripts look for.
        print(match args.syntax_only {
            true => "Syntax-only check passed. Everything looks okay.\n",
            false => "The configuration is valid.\n",
        })?;
    }
    Ok(exit)
}
