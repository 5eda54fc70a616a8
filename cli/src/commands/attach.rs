//! `imgc attach`: a shell on the machine of a run that is at work. `imgc release`: lets what it holds go.

use std::os::unix::process::CommandExt as _;

use imgc_runtime::state::{MachineRecord, State as _};

use crate::args::{AttachArgs, ReleaseArgs};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::state::{Look, now};
use crate::terminal::{harmless, print};

pub(super) fn attach(args: &AttachArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let run = look.run(&args.run)?;
    let id = &run.new.id;
    let Some(state) = &look.state else {
        return Err(none());
    };
    let machines = look.wait(async {
        match state.is_live(id).await? {
            true => state.machines(id).await,
            false => Ok(Vec::new()),
        }
    })?;
    let machine = chosen(machines, args.build.as_deref())?;
    // Before anybody is in. Where the machine was let go meanwhile, the run may have looked already.
    let left = look.wait(async {
        state.enter(id, &machine.build, now()).await?;
        state.machines(id).await
    })?;
    if !left.iter().any(|left| left.build == machine.build) {
        return Err(none());
    }
    drop(look);
    let Some((program, arguments)) = machine.command.split_first() else {
        return Err(none());
    };
    let error = std::process::Command::new(program).args(arguments).exec();
    let text = format!("cannot start `{program}`: {}", reason(&error));
    Err(Failure::new(Exit::Environment, text))
}

fn chosen(machines: Vec<MachineRecord>, build: Option<&str>) -> Result<MachineRecord, Failure> {
    let names: Vec<String> = machines
        .iter()
        .map(|machine| harmless(&machine.build).into_owned())
        .collect();
    let mut fitting: Vec<MachineRecord> = machines
        .into_iter()
        .filter(|machine| build.is_none_or(|build| is_called(&machine.build, build)))
        .collect();
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 if names.is_empty() => Err(none()),
        _ => {
            let mut failure = Failure::usage("which machine?").help("name one of these builds");
            failure.details = names;
            Err(failure)
        }
    }
}

/// A build by its address, with or without `build.` before it.
fn is_called(address: &str, name: &str) -> bool {
    address == name || address.strip_prefix("build.") == Some(name)
}

fn none() -> Failure {
    Failure::new(
        Exit::Environment,
        "this run has no machine that can be entered now",
    )
    .help("a machine can be entered from its connection on until it is let go; `-on-failure=hold` keeps it after a failure")
}

pub(super) fn release(args: &ReleaseArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let run = look.run(&args.run)?;
    let build = args
        .build
        .as_ref()
        .map(|build| match build.starts_with("build.") {
            true => build.clone(),
            false => format!("build.{build}"),
        });
    let released = imgc_runtime::hold::release(&run.new.scratch, build.as_deref())
        .map_err(|error| Failure::file("read", &run.new.scratch, &error))?;
    if released.is_empty() {
        return Err(Failure::new(
            Exit::Environment,
            "nothing of this run is held",
        ));
    }
    for address in released {
        print(&format!("{} is let go\n", harmless(&address)))?;
    }
    Ok(Exit::Done)
}
