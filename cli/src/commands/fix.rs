//! `imgc fix`: a template file with all known corrections, on standard output, as Packer's `fix` gives it.

use crate::args::FixArgs;
use crate::diagnostics::render;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Terminal, complain, print};

use super::validate::corrected;
use super::{exit_of, note_ignored};

pub(super) fn run(args: &FixArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    let path = &args.template.path;
    if path.is_dir() {
        return Err(
            Failure::usage("`imgc fix` prints one file, and this is a directory").help(
                "name a template file, or correct all of them with `imgc validate -fix PATH`",
            ),
        );
    }
    let mut request = args.template.request();
    request.check_only = true;
    // What to build it with is not asked here.
    request.unset_allowed = true;
    let (compilation, fixed) = corrected(&request);
    if compilation.unreadable.is_none() {
        let text = match fixed.files.get(path) {
            Some(changed) => changed.new.clone(),
            None => std::fs::read_to_string(path)
                .map_err(|error| Failure::file("read", path, &error))?,
        };
        print(&text)?;
    }
    if args.no_validate && compilation.unreadable.is_none() {
        return Ok(Exit::Done);
    }
    complain(&render(&compilation, terminal.err));
    match compilation.has_errors() {
        true => Ok(exit_of(&compilation)),
        false => Ok(Exit::Done),
    }
}
