//! Arguments as Packer's users type them, made uniform for clap.
//!
//! Go's flag package takes long flags with one dash or two, values joined with `=` or in the next argument, and lets
//! such a value begin with a dash. In: arguments (program name first) and the command definitions. Out: the same with
//! two dashes and joined values, or a message for a flag or command nobody knows. What follows `--` stays as it is.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};
use imgc_compiler::diagnostic::nearest;

use crate::failure::Failure;

/// Packer's commands that have no counterpart, with what to say.
const NOT_HERE: &[(&str, &str)] = &[
    (
        "sbom-generate",
        "run a program for bills of materials in a provisioner, or on the finished image",
    ),
    (
        "verify-attestation",
        "a program for attestations, such as `cosign`, checks those of finished images",
    ),
];

/// Switches that are on by themselves, with the flags that turn them off.
const ON: &[(&str, &str)] = &[
    ("color", "no-color"),
    ("write", "no-write"),
    ("validate", "no-validate"),
];

/// Makes the arguments uniform.
pub(crate) fn normalise(
    arguments: Vec<OsString>,
    root: &Command,
) -> Result<Vec<OsString>, Failure> {
    let mut current = root;
    let mut words = arguments.into_iter().peekable();
    let mut uniform: Vec<OsString> = words.next().into_iter().collect();
    while let Some(word) = words.next() {
        if word == "--" {
            uniform.push(word);
            uniform.extend(words);
            break;
        }
        match flag(&word) {
            Some((name, value)) => {
                let known = find(current, root, name);
                uniform.push(match known {
                    Known::Short => word,
                    Known::Help => "--help".into(),
                    Known::Version => "version".into(),
                    Known::Switch => {
                        switch(&mut uniform, name, value)?;
                        continue;
                    }
                    Known::Optional => {
                        let own = value.map(OsStr::to_owned);
                        let value = own.or_else(|| words.next_if(|next| is_id(next)));
                        joined(name, &value.unwrap_or_default())
                    }
                    Known::WithValue => match value.map(OsStr::to_owned).or_else(|| words.next()) {
                        Some(value) => joined(name, &value),
                        None => {
                            return Err(Failure::usage(format!("`-{name}` needs a value"))
                                .help(see_help(current)));
                        }
                    },
                    Known::No => return Err(unknown_flag(name, current, root)),
                });
            }
            None => {
                if std::ptr::eq(current, root) {
                    current = command(&word, root)?;
                }
                uniform.push(word);
            }
        }
    }
    Ok(uniform)
}

/// Name and joined value of a flag; `None` for anything else, a lone dash included.
fn flag(word: &OsStr) -> Option<(&str, Option<&OsStr>)> {
    let bytes = word.as_encoded_bytes();
    let body = bytes
        .strip_prefix(b"--")
        .or_else(|| bytes.strip_prefix(b"-"))?;
    if body.is_empty() {
        return None;
    }
    let end = body.iter().position(|byte| *byte == b'=');
    let name = std::str::from_utf8(&body[..end.unwrap_or(body.len())]).ok()?;
    let dashes = bytes.len() - body.len();
    let value = end.map(|end| split_off(word, dashes + end + 1));
    Some((name, value))
}

/// The part of `word` behind its first `at` bytes, which are ASCII up to there or end in it.
fn split_off(word: &OsStr, at: usize) -> &OsStr {
    use std::os::unix::ffi::OsStrExt;
    OsStr::from_bytes(&word.as_bytes()[at..])
}

fn joined(name: &str, value: &OsStr) -> OsString {
    let mut text = OsString::from(format!("--{name}="));
    text.push(value);
    text
}

/// Sets a switch or takes it back; the last one wins. `-color=false` is `-no-color`.
fn switch(uniform: &mut Vec<OsString>, name: &str, value: Option<&OsStr>) -> Result<(), Failure> {
    let on = match value {
        None => true,
        Some(value) => go_bool(&value.to_string_lossy()).ok_or_else(|| {
            Failure::usage(format!(
                "`-{name}={}` is neither true nor false",
                value.to_string_lossy()
            ))
            .help(format!("write `-{name}` or `-{name}=false`"))
        })?,
    };
    let pair = ON.iter().find(|(on, off)| *on == name || *off == name);
    let own = format!("--{name}");
    uniform.retain(|word| {
        let paired = pair
            .is_some_and(|(on, off)| *word == *format!("--{on}") || *word == *format!("--{off}"));
        *word != *own && !paired
    });
    match pair {
        _ if on => uniform.push(own.into()),
        Some((on, off)) if *on == name => uniform.push(format!("--{off}").into()),
        _ => {}
    }
    Ok(())
}

/// Booleans as Go's flag package reads them.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

enum Known {
    Short,
    Help,
    Version,
    Switch,
    WithValue,
    /// What follows is its value only where it looks like the id of a run.
    Optional,
    No,
}

fn find(current: &Command, root: &Command, name: &str) -> Known {
    let arguments = || current.get_arguments().chain(root.get_arguments());
    if name == "help" || name == "h" {
        return Known::Help;
    }
    if std::ptr::eq(current, root) && matches!(name, "version" | "v" | "V") {
        return Known::Version;
    }
    let mut letters = name.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && arguments().any(|argument| argument.get_short() == Some(letter))
    {
        return Known::Short;
    }
    match arguments().find(|argument| argument.get_long() == Some(name)) {
        None => Known::No,
        Some(argument) if takes_value(argument) && may_stand_alone(argument) => Known::Optional,
        Some(argument) if takes_value(argument) => Known::WithValue,
        Some(_) => Known::Switch,
    }
}

/// Whether a word can be the beginning of a run's id: not a template's name.
fn is_id(word: &OsStr) -> bool {
    let bytes = word.as_encoded_bytes();
    bytes.len() >= 4
        && bytes[0] != b'-'
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

fn may_stand_alone(argument: &Arg) -> bool {
    argument
        .get_num_args()
        .is_some_and(|count| count.min_values() == 0)
}

/// Whether the flag takes a value.
fn takes_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}

fn command<'a>(word: &OsStr, root: &'a Command) -> Result<&'a Command, Failure> {
    let name = word.to_string_lossy();
    if let Some(command) = root.find_subcommand(&*name) {
        return Ok(command);
    }
    if let Some((_, help)) = NOT_HERE.iter().find(|(known, _)| *known == name) {
        return Err(
            Failure::usage(format!("imgc has no command `{name}`, which Packer has")).help(*help),
        );
    }
    let names = root
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(Command::get_name);
    let failure = Failure::usage(format!("there is no command `{name}`"));
    Err(match nearest(&name, names) {
        Some(near) => failure.help(format!("did you mean `imgc {near}`?")),
        None => failure.help("`imgc help` lists the commands"),
    })
}

fn unknown_flag(name: &str, current: &Command, root: &Command) -> Failure {
    let visible = |argument: &&Arg| !argument.is_hide_set();
    let names = current
        .get_arguments()
        .chain(root.get_arguments())
        .filter(visible)
        .filter_map(Arg::get_long);
    // A letter or more of the only flag that begins so.
    let mut begun = current
        .get_arguments()
        .filter(visible)
        .filter_map(Arg::get_long)
        .filter(|long| !name.is_empty() && long.starts_with(name));
    let begun = begun.next().filter(|_| begun.next().is_none());
    let of = match std::ptr::eq(current, root) {
        true => "imgc".to_owned(),
        false => format!("`imgc {}`", current.get_name()),
    };
    let failure = Failure::usage(format!("{of} has no flag `-{name}`"));
    match begun.or_else(|| nearest(name, names)) {
        Some(near) => failure.help(format!("did you mean `-{near}`?")),
        None => failure.help(see_help(current)),
    }
}

fn see_help(current: &Command) -> String {
    match current.get_name() {
        "imgc" => "`imgc help` lists the flags".to_owned(),
        name => format!("`imgc help {name}` lists the flags"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    fn uniform(words: &[&str]) -> String {
        let words = ["imgc"].iter().chain(words).map(OsString::from).collect();
        match normalise(words, &Cli::command()) {
            Ok(words) => {
                let words = words[1..].iter().map(|word| word.to_string_lossy());
                words.collect::<Vec<_>>().join(" ")
            }
            Err(failure) => failure.text(),
        }
    }

    #[test]
    fn one_dash_or_two_joined_or_not() {
        assert_eq!(
            uniform(&[
                "build",
                "-var",
                "a=b",
                "--var=c=d",
                "-var-file",
                "x",
                "-force",
                "dir"
            ]),
            "build --var=a=b --var=c=d --var-file=x --force dir"
        );
    }

    #[test]
    fn a_value_may_begin_with_a_dash() {
        assert_eq!(
            uniform(&["build", "-var", "-weird=1", "-only", "--"]),
            "build --var=-weird=1 --only=--"
        );
        assert_eq!(
            uniform(&["plan", "-var", "-x=-force"]),
            "plan --var=-x=-force"
        );
        assert_eq!(uniform(&["plan", "-out", "-"]), "plan --out=-");
    }

    #[test]
    fn behind_two_dashes_nothing_is_touched() {
        assert_eq!(
            uniform(&["plan", "-v", "--", "-force", "-var"]),
            "plan -v -- -force -var"
        );
        assert_eq!(uniform(&["plan", "-"]), "plan -");
    }

    #[test]
    fn switches_take_a_value_only_when_joined() {
        assert_eq!(
            uniform(&["build", "-force=false", "-color=0", "x"]),
            "build --no-color x"
        );
        assert_eq!(
            uniform(&["build", "-force", "false"]),
            "build --force false"
        );
        assert_eq!(
            uniform(&["build", "-force", "-debug", "-force=F"]),
            "build --debug"
        );
        assert_eq!(
            uniform(&["build", "-color=false", "-color"]),
            "build --color"
        );
        assert_eq!(uniform(&["fmt", "-write=false", "-"]), "fmt --no-write -");
        assert_eq!(uniform(&["fmt", "-write=false", "-write"]), "fmt --write");
        insta::assert_snapshot!(uniform(&["build", "-force=maybe"]), @"
        error: `-force=maybe` is neither true nor false
          help: write `-force` or `-force=false`
        ");
    }

    #[test]
    fn help_and_version_in_every_spelling() {
        assert_eq!(uniform(&["build", "-help"]), "build --help");
        assert_eq!(uniform(&["-h"]), "--help");
        for word in ["-v", "-version", "--version", "-V"] {
            assert_eq!(uniform(&[word]), "version");
        }
    }

    #[test]
    fn what_nobody_knows_gets_a_suggestion() {
        insta::assert_snapshot!(uniform(&["build", "-forse"]), @"
        error: `imgc build` has no flag `-forse`
          help: did you mean `-force`?
        ");
        insta::assert_snapshot!(uniform(&["build", "-frobnicate"]), @"
        error: `imgc build` has no flag `-frobnicate`
          help: `imgc help build` lists the flags
        ");
        insta::assert_snapshot!(uniform(&["biuld", "."]), @"
        error: there is no command `biuld`
          help: did you mean `imgc build`?
        ");
        insta::assert_snapshot!(uniform(&["sbom-generate", "."]), @"
        error: imgc has no command `sbom-generate`, which Packer has
          help: run a program for bills of materials in a provisioner, or on the finished image
        ");
        insta::assert_snapshot!(uniform(&["build", "-var"]), @"
        error: `-var` needs a value
          help: `imgc help build` lists the flags
        ");
    }
}
