//! `imgc help`: commands and the topics that belong to none.

use clap::CommandFactory as _;
use imgc_compiler::diagnostic::nearest;

use crate::args::{Cli, HelpArgs};
use crate::exit::{self, Exit};
use crate::failure::{Failure, Outcome};
use crate::reference;
use crate::terminal::print;

pub(super) fn run(args: &HelpArgs) -> Outcome {
    let mut root = Cli::command();
    let text = match args.topic.as_deref() {
        None => root.render_long_help().to_string(),
        Some("exit-codes") => exit::text(),
        Some("environment") => reference::environment(),
        Some(topic) => {
            root.build();
            match root.find_subcommand_mut(topic) {
                Some(command) => command.render_long_help().to_string(),
                None => return Err(unknown(topic, &root)),
            }
        }
    };
    print(&text)?;
    Ok(Exit::Done)
}

fn unknown(topic: &str, root: &clap::Command) -> Failure {
    let commands = root
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let topics = commands
        .map(clap::Command::get_name)
        .chain(["exit-codes", "environment"]);
    let failure = Failure::usage(format!("there is no help about `{topic}`"));
    match nearest(topic, topics) {
        Some(near) => failure.help(format!("did you mean `imgc help {near}`?")),
        None => failure.help("`imgc help` lists the commands"),
    }
}
