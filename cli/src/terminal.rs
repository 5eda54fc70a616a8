//! Where texts go: standard output and standard error, and what each can show.
//!
//! Colour and drawing characters only on a terminal; `NO_COLOR`, `PACKER_NO_COLOR`, `-color=false` turn colour off,
//! `CLICOLOR_FORCE` and `-color` turn it on.

use std::io::{self, IsTerminal as _, Write as _};

use crate::args::DisplayArgs;
use crate::failure::Failure;

/// What a stream can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Colour escapes.
    pub(crate) colour: bool,
    /// Characters beyond ASCII for drawing.
    pub(crate) unicode: bool,
    /// Columns; `None` where lines may be as long as they like.
    pub(crate) width: Option<usize>,
}

/// The two streams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terminal {
    /// Standard output.
    pub(crate) out: Look,
    /// Standard error.
    pub(crate) err: Look,
    /// Whether a person sits there who can be asked: both input and output are a terminal.
    pub(crate) interactive: bool,
}

/// Kinds of emphasis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A heading.
    Strong,
    /// What may be overlooked.
    Faint,
    /// A name a person can type.
    Name,
    /// What comes.
    Added,
    /// What goes.
    Removed,
}

impl Style {
    fn escape(self) -> &'static str {
        match self {
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Name => "\x1b[36m",
            Self::Added => "\x1b[32m",
            Self::Removed => "\x1b[31m",
        }
    }
}

impl Look {
    /// The text with an emphasis, where it can be shown.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("{}{text}\x1b[0m", style.escape())
        } else {
            text.to_owned()
        }
    }
}

impl Terminal {
    /// What this process's streams can show.
    pub(crate) fn new(display: &DisplayArgs) -> Self {
        let wish = colour_wish(display, |name| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
        });
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .is_some_and(|value| {
                let value = value.to_ascii_lowercase();
                value.contains("utf-8") || value.contains("utf8")
            });
        let look = |terminal: bool| Look {
            colour: wish.unwrap_or(terminal && !dumb),
            unicode: terminal && utf8 && !dumb,
            width: terminal.then(width),
        };
        let out = io::stdout().is_terminal();
        Self {
            out: look(out),
            err: look(io::stderr().is_terminal()),
            interactive: out && io::stdin().is_terminal(),
        }
    }
}

/// What the user asks for: colour, none, or nothing said.
fn colour_wish(display: &DisplayArgs, set: impl Fn(&str) -> bool) -> Option<bool> {
    if display.no_color {
        return Some(false);
    }
    if display.color {
        return Some(true);
    }
    if set("NO_COLOR") || set("PACKER_NO_COLOR") {
        return Some(false);
    }
    set("CLICOLOR_FORCE").then_some(true)
}

fn width() -> usize {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    columns
        .unwrap_or_else(|| usize::from(console::Term::stdout().size().1))
        .clamp(40, 140)
}

/// Writes to standard output; a reader that went away ends the command quietly.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::output(&error))
}

/// Writes to standard error, where nobody can be told that it failed.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The text with characters that would steer a terminal replaced: no template may move the cursor.
pub(crate) fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(steers) {
        text.chars()
            .map(|c| if steers(c) { '\u{fffd}' } else { c })
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

/// A path as a person would write it: without `./` in front, and harmless.
pub(crate) fn shown_path(path: &std::path::Path) -> String {
    let short = path
        .strip_prefix(".")
        .ok()
        .filter(|short| !short.as_os_str().is_empty());
    harmless(&short.unwrap_or(path).display().to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_environment() {
        let flags = |color, no_color| DisplayArgs {
            color,
            no_color,
            ..DisplayArgs::default()
        };
        let wish = |display: &DisplayArgs, names: &[&str]| {
            colour_wish(display, |name| names.contains(&name))
        };
        assert_eq!(wish(&flags(false, false), &[]), None);
        assert_eq!(wish(&flags(false, false), &["NO_COLOR"]), Some(false));
        assert_eq!(
            wish(&flags(false, false), &["PACKER_NO_COLOR", "CLICOLOR_FORCE"]),
            Some(false)
        );
        assert_eq!(wish(&flags(false, false), &["CLICOLOR_FORCE"]), Some(true));
        assert_eq!(wish(&flags(true, false), &["NO_COLOR"]), Some(true));
        assert_eq!(wish(&flags(false, true), &["CLICOLOR_FORCE"]), Some(false));
    }

    #[test]
    fn escapes_of_a_template_do_not_reach_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\tc\n"), "a\u{fffd}[2Jb\tc\n");
    }
}
