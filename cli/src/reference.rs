//! The reference page of the command line, `docs/cli.md`, made from the definitions the program itself uses.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory as _};

use crate::args::Cli;
use crate::exit;

/// Environment variables, with what they do.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "PKR_VAR_name, IMGC_VAR_name",
        "the value of the variable `name`; files and `-var` come before it",
    ),
    ("NO_COLOR, PACKER_NO_COLOR", "no colour, if not empty"),
    (
        "CLICOLOR_FORCE",
        "colour even where the output is not a terminal, if not empty or 0",
    ),
    (
        "IMGC_LOG, PACKER_LOG",
        "a debug log on standard error, if not empty or 0",
    ),
    ("PACKER_LOG_PATH", "the debug log goes to this file instead"),
    (
        "IMGC_STATE",
        "the directory of what is remembered from run to run, as `--state` names it",
    ),
    (
        "IMGC_CACHE_SIZE",
        "how much of the cache stays after a run, such as `50GiB`",
    ),
    (
        "IMGC_HISTORY",
        "how many runs of each template are remembered at least, or `all`",
    ),
    (
        "IMGC_CREDENTIALS_WAIT",
        "how long a build waits for new credentials when Amazon's have expired, such as `2h`; 15 minutes, `0` for not at all",
    ),
    ("TMPDIR", "where temporary files are made"),
    ("COLUMNS", "the width of the terminal"),
];

/// The environment as text, for `imgc help environment`.
pub(crate) fn environment() -> String {
    let rows = ENVIRONMENT
        .iter()
        .map(|(name, what)| format!("  {name}\n      {what}\n"));
    format!("Environment variables:\n\n{}", rows.collect::<String>())
}

/// The whole page.
pub(crate) fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut out = String::from(
        "# The command line\n\n\
         <!-- Made by `imgc __cli-reference`; a test checks that it is current. -->\n\n\
         Flags may be written with one dash or two, values joined with `=` or as the next argument; switches take\n\
         `=true` and `=false`. What follows `--` is taken as it stands. `imgc help COMMAND` prints the same.\n\n",
    );
    let _ = writeln!(out, "| command | what it does |\n|---|---|");
    for command in commands(&root) {
        let name = command.get_name();
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        let _ = writeln!(out, "| [`imgc {name}`](#imgc-{name}) | {about} |");
    }
    for command in commands(&root) {
        section(command, &mut out);
    }
    out.push_str("\n## Flags of every command\n\n");
    flags(
        root.get_arguments()
            .filter(|argument| argument.is_global_set()),
        &mut out,
    );
    out.push_str("\n## Exit codes\n\n| code | cause |\n|---|---|\n");
    for row in exit::TABLE {
        let _ = writeln!(out, "| {} | {} |", row.code, row.meaning);
    }
    out.push_str("\n## Environment\n\n| variable | what it does |\n|---|---|\n");
    for (name, what) in ENVIRONMENT {
        let names: Vec<String> = name.split(", ").map(|name| format!("`{name}`")).collect();
        let _ = writeln!(out, "| {} | {what} |", names.join(", "));
    }
    out.push_str(include_str!("reference/rest.md"));
    out
}

fn commands(root: &Command) -> impl Iterator<Item = &Command> {
    root.get_subcommands()
        .filter(|command| !command.is_hide_set())
}

fn section(command: &Command, out: &mut String) {
    let name = command.get_name();
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let positional: String = command
        .get_positionals()
        .map(|argument| {
            let name = value_name(argument);
            match argument.is_required_set() {
                true => format!(" {name}"),
                false => format!(" [{name}]"),
            }
        })
        .collect();
    let _ = writeln!(
        out,
        "\n## imgc {name}\n\n{about}.\n\n    imgc {name} [FLAGS]{positional}"
    );
    let own = |argument: &&Arg| {
        !argument.is_hide_set() && !argument.is_global_set() && argument.get_id() != "help"
    };
    let mut list: Vec<&Arg> = command.get_positionals().filter(own).collect();
    list.extend(
        command
            .get_arguments()
            .filter(|a| !a.is_positional())
            .filter(own),
    );
    if !list.is_empty() {
        out.push('\n');
        flags(list.into_iter(), out);
    }
}

fn flags<'a>(arguments: impl Iterator<Item = &'a Arg>, out: &mut String) {
    out.push_str("| flag | what it does |\n|---|---|\n");
    for argument in arguments {
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut what = help.replace('|', "\\|");
        let values: Vec<String> = argument
            .get_possible_values()
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if takes_value(argument) && !values.is_empty() {
            let _ = write!(what, "; one of {}", values.join(", "));
        }
        let default = argument.get_default_values().first();
        if let Some(default) = default.filter(|_| takes_value(argument)) {
            let _ = write!(what, " (default `{}`)", default.to_string_lossy());
        }
        let _ = writeln!(out, "| `{}` | {what} |", spelling(argument));
    }
}

fn spelling(argument: &Arg) -> String {
    let Some(long) = argument.get_long() else {
        return value_name(argument);
    };
    let short = argument.get_short().map(|short| format!("-{short}, "));
    let value = match takes_value(argument) {
        true => format!(" {}", value_name(argument)),
        false => String::new(),
    };
    format!("{}-{long}{value}", short.unwrap_or_default())
}

fn takes_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}

fn value_name(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    match names.first() {
        Some(name) => name.to_string(),
        None => argument.get_id().to_string().to_uppercase(),
    }
}
