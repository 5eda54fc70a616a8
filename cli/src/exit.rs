//! Exit codes, one per cause: the table the code uses and the pages print.
//!
//! In: what ended a command. Out: the number for the caller's shell. The runtime says how a run ended
//! ([`imgc_runtime::run::exit_code`]); [`TABLE`] has its numbers and those of the command line itself.

/// Why a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Exit {
    /// All went well.
    Done,
    /// The template has errors, or asks for something that cannot be.
    Template,
    /// The command line is not understood.
    Usage,
    /// This machine: a missing file or program, a missing right, a full disk.
    Environment,
    /// A run ended with this code.
    Run(u8),
    /// A plan file does not agree with what it was made from.
    Stale,
    /// The user, or nobody, agreed.
    Declined,
    /// Another process makes the same build.
    Locked,
    /// A mistake in imgc.
    Bug,
    /// Stopped by a terminal that was closed.
    HungUp,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// Stopped by a request to terminate.
    Terminated,
}

/// One row: cause, number, meaning.
pub(crate) struct Row {
    /// The cause.
    pub(crate) exit: Exit,
    /// The number.
    pub(crate) code: u8,
    /// One line about it.
    pub(crate) meaning: &'static str,
}

const fn row(exit: Exit, code: u8, meaning: &'static str) -> Row {
    Row {
        exit,
        code,
        meaning,
    }
}

/// All codes, by number.
pub(crate) const TABLE: &[Row] = &[
    row(Exit::Done, 0, "all went well"),
    row(
        Exit::Run(1),
        1,
        "a build failed in what it runs (a script, a command), or several failed from different causes",
    ),
    row(
        Exit::Usage,
        2,
        "the command line is not understood: unknown command or flag, missing value; `plan -detailed-exitcode` found something to make",
    ),
    row(
        Exit::Template,
        3,
        "the template has errors, or asks for something that cannot be; `fmt -check` found a file to format",
    ),
    row(
        Exit::Environment,
        4,
        "this machine: a missing file or program, a missing right, a full disk, something that could not be removed",
    ),
    row(
        Exit::Run(5),
        5,
        "the other side: a host that does not answer, a key or password it refuses",
    ),
    row(
        Exit::Run(6),
        6,
        "a step, a build or the run took longer than its time limit",
    ),
    row(
        Exit::Stale,
        7,
        "a plan file was refused: something it was made from has changed; with `-locked`, something outside is not as `imgc.lock` has it",
    ),
    row(
        Exit::Declined,
        8,
        "something would be deleted or replaced, and nobody agreed to it",
    ),
    row(
        Exit::Locked,
        9,
        "another process is making the same build, and `-lock-timeout` has passed",
    ),
    row(Exit::Bug, 70, "a mistake in imgc; please report it"),
    row(
        Exit::HungUp,
        129,
        "stopped by a terminal that was closed (SIGHUP)",
    ),
    row(Exit::Interrupted, 130, "stopped by Ctrl-C (SIGINT)"),
    row(Exit::Terminated, 143, "stopped by SIGTERM"),
];

impl Exit {
    /// The number for the shell.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Run(code) => code,
            _ => TABLE
                .iter()
                .find(|row| row.exit == self)
                .map_or(1, |row| row.code),
        }
    }
}

/// The table as text, for `imgc help exit-codes`.
pub(crate) fn text() -> String {
    let rows = TABLE
        .iter()
        .map(|row| format!("  {:>3}  {}\n", row.code, row.meaning));
    format!("Exit codes, by cause:\n\n{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_number() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.exit.code(), row.code);
            assert!(TABLE[at + 1..].iter().all(|other| other.code > row.code));
        }
        for (code, _) in imgc_runtime::run::EXIT_CODES {
            assert!(
                TABLE.iter().any(|row| row.code == *code),
                "a run may end with {code}"
            );
        }
    }
}
