//! `imgc validate`: everything that can be known about a template without running it.
//!
//! With `-fix` what has one known correction is corrected first; what is left is said as always, and the exit code
//! speaks of the corrected template.

use std::mem::ManuallyDrop;
use std::sync::Arc;

use imgc_compiler::compile::{Compilation, Request};
use serde_json::json;

use crate::args::ValidateArgs;
use crate::changes::diff;
use crate::diagnostics::{json, render, sarif};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::fix::{self, Fixed};
use crate::plan_text::counted;
use crate::terminal::{Terminal, complain, harmless, print, shown_path};
use crate::world::RealWorld;

use super::{compile, compile_from, exit_of, json_text, note_ignored, refuse_plan_file};

pub(super) fn run(args: &ValidateArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    refuse_plan_file("validate", &args.template.path)?;
    let mut request = args.template.request();
    request.syntax_only = args.syntax_only;
    request.online = args.online || args.evaluate_datasources;
    request.check_only = true;
    let (compilation, fixed) = match args.fix {
        true => {
            let (compilation, fixed) = corrected(&request);
            write(&fixed, args, terminal)?;
            (compilation, Some(fixed))
        }
        false => (compile(&request).0, None),
    };
    let exit = match compilation.has_errors() {
        true => exit_of(&compilation),
        false => Exit::Done,
    };
    if args.json || args.sarif {
        let report = match args.sarif {
            true => sarif::report(&compilation),
            false => report(&compilation, fixed.as_ref()),
        };
        print(&json_text(&report))?;
        return Ok(exit);
    }
    complain(&render(&compilation, terminal.err));
    // What stands on standard output with `-diff` is for `patch`.
    if exit == Exit::Done && !args.diff {
        // Packer's words, which scripts look for.
        print(match args.syntax_only {
            true => "Syntax-only check passed. Everything looks okay.\n",
            false => "The configuration is valid.\n",
        })?;
    }
    Ok(exit)
}

/// The template with all corrections made, and these.
pub(super) fn corrected(request: &Request) -> (ManuallyDrop<Compilation>, Fixed) {
    let world = Arc::new(RealWorld::new().online(request.online));
    fix::fix(request, &world, |request, sources, world| {
        compile_from(request, sources, Arc::clone(world)).0
    })
}

/// Puts the corrected texts into their files, or shows them.
fn write(fixed: &Fixed, args: &ValidateArgs, terminal: Terminal) -> Result<(), Failure> {
    for (path, changed) in &fixed.files {
        if args.diff {
            let name = shown_path(path);
            print(&diff(&name, &changed.old, &changed.new, terminal.out))?;
        } else {
            files::replace(path, changed.new.as_bytes())?;
        }
    }
    if args.diff || args.json || args.sarif {
        return Ok(());
    }
    for done in &fixed.done {
        print(&format!(
            "{}:{}: {} [{}]\n",
            shown_path(&done.path),
            done.line,
            harmless(&done.title),
            done.id
        ))?;
    }
    print(&format!(
        "{} in {}\n\n",
        counted(fixed.done.len(), "correction"),
        counted(fixed.files.len(), "file")
    ))
}

/// The problems that are left, and what was corrected.
fn report(compilation: &Compilation, fixed: Option<&Fixed>) -> serde_json::Value {
    let mut report = json::report(compilation);
    if let Some(fixed) = fixed {
        let done = fixed.done.iter();
        report["fixed"] = done
            .map(|done| {
                json!({
                    "id": done.id,
                    "path": shown_path(&done.path),
                    "line": done.line,
                    "title": done.title,
                })
            })
            .collect();
    }
    report
}
