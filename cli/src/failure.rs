//! What ends a command early, in words and with its cause.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::exit::Exit;

/// The end of a command that did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Gives the exit code.
    pub(crate) exit: Exit,
    /// Id of the problem, where it has a page.
    pub(crate) id: Option<&'static str>,
    /// What is wrong; lower case, no full stop. Empty when everything has been said already.
    pub(crate) message: String,
    /// More lines about it.
    pub(crate) details: Vec<String>,
    /// The way out.
    pub(crate) help: Option<String>,
}

/// Result of a command.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure with a message.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            id: None,
            message: message.into(),
            details: Vec::new(),
            help: None,
        }
    }

    /// The command line is not understood.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file or directory cannot be used: `what` is the attempt, such as `read`.
    pub(crate) fn file(what: &str, path: &Path, error: &io::Error) -> Self {
        let failure = Self::new(
            Exit::Environment,
            format!("cannot {what} `{}`: {}", path.display(), reason(error)),
        );
        match way_out(error) {
            Some(help) => failure.help(help),
            None => failure,
        }
    }

    /// Standard output cannot be written; a closed pipe is the reader's wish, not a failure.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Done, "");
        }
        Self::new(
            Exit::Environment,
            format!("cannot write to standard output: {}", reason(error)),
        )
    }

    /// Everything has been said; only the code is left.
    pub(crate) fn said(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Says the way out.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names the problem.
    #[must_use]
    pub(crate) fn id(mut self, id: &'static str) -> Self {
        self.id = Some(id);
        self
    }

    /// The text for standard error.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.message.is_empty() {
            return text;
        }
        match self.id {
            Some(id) => writeln!(text, "error[{id}]: {}", self.message),
            None => writeln!(text, "error: {}", self.message),
        }
        .expect("a string takes every text");
        for detail in &self.details {
            text.push_str("  ");
            text.push_str(detail);
            text.push('\n');
        }
        if let Some(help) = &self.help {
            text.push_str("  help: ");
            text.push_str(help);
            text.push('\n');
        }
        text
    }
}

/// An operating system's reason in plain words, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is not a directory".to_owned(),
        _ => {
            let text = error.to_string();
            match text.find(" (os error") {
                Some(at) => text[..at].to_lowercase(),
                None => text,
            }
        }
    }
}

fn way_out(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull => Some("free some space, or name a place on another disk"),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Some("check who owns it and what its mode allows, or name another place")
        }
        io::ErrorKind::NotFound => Some("check the spelling and the working directory"),
        _ => None,
    }
}
