//! Whether a provisioner can do anything with the machine of a source: there must be one, of the right family.
//!
//! These are warnings: nothing here is forbidden, and what a machine is shows only when it runs.

use std::collections::HashSet;

use imgc_syntax::Span;

use super::component::ConfiguredSource;
use super::instance::Instance;
use super::make::Maker;
use super::pieces::Part;
use crate::diagnostic::Diagnostic;
use crate::value::Value;

/// Provisioners that work on a machine; others, and those nobody knows, may do without.
const ON_MACHINES: &[&str] = &[
    "ansible",
    "ansible-local",
    "chef-client",
    "chef-solo",
    "converge",
    "file",
    "inspec",
    "powershell",
    "puppet-masterless",
    "puppet-server",
    "salt-masterless",
    "shell",
    "windows-restart",
    "windows-shell",
    "windows-update",
];

/// Provisioners for Windows machines.
const FOR_WINDOWS: &[&str] = &[
    "powershell",
    "windows-restart",
    "windows-shell",
    "windows-update",
];

/// Options by which a script runner is made to run on another system.
const ADAPTED_BY: &[&str] = &[
    "execute_command",
    "use_pwsh",
    "restart_command",
    "remote_path",
];

/// Provisioner blocks about which something has been said.
pub(super) type Said = HashSet<Span>;

impl Maker<'_, '_> {
    /// Warns where a provisioner has nothing to work on.
    /// Whether the builder can do what is asked of it around a provisioner.
    pub(super) fn check_abilities(&mut self, instance: &Instance<'_>, part: &Part) {
        let builder = &instance.source.ty.text;
        if let Some(span) = part.on.filter(|_| part.made.on_image)
            && !self.components.boots(builder)
        {
            let message = format!(
                "the builder `{builder}` starts no machine from what it makes, so nothing can be checked on one"
            );
            let help = "leave `on` out to check the machine before it becomes an image, or leave this source out with `except`";
            self.once(
                span,
                Diagnostic::error("check/invalid-value", span, message).help(help),
            );
        }
        if let Some(span) = part.checkpoint.filter(|_| part.made.checkpoint) {
            let problem = if part.made.on_image {
                let message = "what only checks an image leaves nothing to keep";
                Diagnostic::error("check/invalid-value", span, message)
                    .help("leave `checkpoint` out here")
            } else if !self.components.keeps_checkpoints(builder) {
                let message = format!(
                    "the builder `{builder}` keeps no machine as it is between two provisioners: `checkpoint` does nothing there"
                );
                Diagnostic::warning("check/unfit-provisioner", span, message)
                    .help("leave it out, or leave this source out with `except`")
            } else {
                return;
            };
            self.once(span, problem);
        }
    }

    /// Says it once, however many sources it is about.
    fn once(&mut self, span: Span, problem: Diagnostic) {
        if self.remarks.unfit.insert(span) {
            self.cx.report(problem);
        }
    }

    pub(super) fn check_fit(
        &mut self,
        source: &ConfiguredSource,
        instance: &Instance<'_>,
        part: &Part,
    ) {
        let name = part.ty.as_str();
        let options = part.made.options.value();
        let what = instance.short.text();
        let communicator = source.communicator.as_str();
        let body = &source.component.body;
        let chosen = body.attributes.contains_key("communicator");
        let (message, help) = match communicator {
            "none" if ON_MACHINES.contains(&name) => {
                if !chosen && source.component.communicator.is_none() {
                    return;
                }
                (
                    format!(
                        "`{name}` works on a machine, and `{what}` has no communicator to reach one"
                    ),
                    "use `shell-local` for what runs here, or leave this source out with `except`",
                )
            }
            "winrm" | "dockerWindowsContainer" if name == "shell" && !adapted(options) => (
                format!(
                    "`shell` is for Unix machines, and `{what}` is reached by `{communicator}`, as Windows is"
                ),
                "use `powershell` or `windows-shell`, or leave this source out with `except`",
            ),
            "ssh"
                if FOR_WINDOWS.contains(&name)
                    && chosen
                    && !adapted(options)
                    && !says_windows(source, instance) =>
            {
                (
                    format!(
                        "`{name}` is for Windows machines, and nothing says that `{what}` is one: it is reached by `ssh`"
                    ),
                    "for Windows, add `communicator = \"winrm\"` to the source, or leave the source out with `except`",
                )
            }
            _ => return,
        };
        if self.remarks.unfit.insert(part.span) {
            let span = part.span;
            self.cx.report(
                Diagnostic::warning("check/unfit-provisioner", span, message)
                    .label(instance.source.span, "the source")
                    .help(help),
            );
        }
    }
}

fn adapted(options: &Value) -> bool {
    ADAPTED_BY.iter().any(|name| options.get(name).is_some())
}

/// Whether any name or option of the source has to do with Windows; what is not known yet may.
fn says_windows(source: &ConfiguredSource, instance: &Instance<'_>) -> bool {
    let options = source.options.value();
    !options.is_wholly_known()
        || is_windows(instance.full.text())
        || is_windows(&instance.source.name.text)
        || any_text(options, &is_windows)
}

fn any_text(value: &Value, accepts: &dyn Fn(&str) -> bool) -> bool {
    match value.as_str() {
        Some(text) => accepts(text),
        None => {
            let mut elements = value.elements();
            elements.any(|(key, element)| {
                key.as_str().is_some_and(accepts) || any_text(&element, accepts)
            })
        }
    }
}

/// Whether a text has to do with Windows: it has the word, or one that begins with `win`.
fn is_windows(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "windows",
        "microsoft",
        "administrator",
        "unattend",
        "sysprep",
        "cygwin",
        "w2k",
        "w10",
        "w11",
    ];
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.contains(word))
        || text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word.starts_with("win") && !word.starts_with("winter"))
}

#[cfg(test)]
mod tests {
    use super::is_windows;

    #[test]
    fn windows_is_recognised_by_words() {
        for text in [
            "Windows_NT",
            "win2022",
            "iso/win-server.iso",
            "Microsoft",
            "w2k19",
            "Administrator",
        ] {
            assert!(is_windows(text), "{text}");
        }
        for text in ["darwin", "debian", "twin", "winter-2024", ""] {
            assert!(!is_windows(text), "{text}");
        }
    }
}
