//! What `shell` and `shell-local` share: environment variables, inline scripts, quoting, exit codes.

use std::collections::BTreeMap;
use std::path::Path;

use imgc_compiler::value::Value;

use crate::builder::Problem;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::options::{Options, Text};

/// How variables are written into a command line unless the template says otherwise.
pub(crate) const INLINE_FORMAT: &str = "%s='%s' ";
/// How they are written into a file.
pub(crate) const FILE_FORMAT: &str = "export %s='%s'\n";
/// First line of an inline script.
pub(crate) const SHEBANG: &str = "/bin/sh -e";
/// Packer's number for "the connection went away".
pub(crate) const DISCONNECTED: i64 = 2_300_218;

/// Environment variables of a script, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(BTreeMap<String, Text>);

impl Variables {
    /// Those of the template and Packer's own; the template's win.
    pub(crate) fn of(options: &Options<'_>, cx: &Context) -> Result<Self> {
        let plain = |text: &str| Text {
            text: text.to_owned(),
            sensitive: false,
        };
        let mut all = BTreeMap::from([
            ("PACKER_BUILD_NAME".to_owned(), plain(&cx.source_name)),
            ("PACKER_BUILDER_TYPE".to_owned(), plain(&cx.builder_type)),
        ]);
        for (name, fact) in [
            ("PACKER_HTTP_ADDR", "PackerHTTPAddr"),
            ("PACKER_HTTP_IP", "PackerHTTPIP"),
            ("PACKER_HTTP_PORT", "PackerHTTPPort"),
        ] {
            if let Some(imgc_compiler::value::Data::String(text)) =
                cx.build.get(fact).map(Value::data)
                && !text.is_empty()
            {
                all.insert(name.to_owned(), plain(text));
            }
        }
        for pair in options.strings("environment_vars")? {
            let Some((name, value)) = pair.text.split_once('=') else {
                return Err(options.wrong("environment_vars", "a list of `NAME=value`"));
            };
            all.insert(
                // A blank in front means nothing to a shell.
                name.trim_start().to_owned(),
                Text {
                    text: value.to_owned(),
                    sensitive: pair.sensitive,
                },
            );
        }
        all.extend(options.map("env")?);
        // A mark may be lost on the way, as in `{{user}}`; the redactor knows the texts.
        for value in all.values_mut() {
            value.sensitive = value.sensitive || cx.output.redact(&value.text) != value.text;
        }
        for name in all.keys() {
            if !is_name(name) {
                return Err(options.wrong(
                    "env",
                    &format!("given names of letters, digits and `_`; `{name}` is none"),
                ));
            }
        }
        Ok(Self(all))
    }

    /// Whether one of them is secret.
    pub(crate) fn has_secret(&self) -> bool {
        self.0.values().any(|value| value.sensitive)
    }

    /// Written one after the other in a format with two `%s`; single quotes in values are quoted for a shell.
    pub(crate) fn render(&self, format: &str, wanted: impl Fn(&Text) -> bool) -> String {
        self.0
            .iter()
            .filter(|(_, value)| wanted(value))
            .map(|(name, value)| {
                let mut places = [name.clone(), value.text.replace('\'', r#"'"'"'"#)].into_iter();
                fill(format, || places.next().unwrap_or_default())
            })
            .collect()
    }

    /// Names and values as they are.
    pub(crate) fn pairs(&self, wanted: impl Fn(&Text) -> bool) -> Vec<(String, String)> {
        self.0
            .iter()
            .filter(|(_, value)| wanted(value))
            .map(|(name, value)| (name.clone(), value.text.clone()))
            .collect()
    }
}

/// Puts texts for `%s`, and `%` for `%%`.
fn fill(format: &str, mut next: impl FnMut() -> String) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("%s") {
            text.push_str(&next());
            rest = after;
        } else if let Some(after) = rest.strip_prefix("%%") {
            text.push('%');
            rest = after;
        } else {
            text.push('%');
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    text
}

/// Whether a shell takes it for the name of a variable.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A word for a POSIX shell.
pub(crate) fn quote(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// One script of a provisioner.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// For people: its path, or `inline`.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) content: Vec<u8>,
    /// Whether a secret stands in it.
    pub(crate) sensitive: bool,
}

/// The text of an inline script.
pub(crate) fn inline(lines: &[Text], shebang: &str) -> Script {
    let mut content = format!("#!{shebang}\n");
    for line in lines {
        content.push_str(&line.text);
        content.push('\n');
    }
    Script {
        name: "inline".into(),
        content: content.into_bytes(),
        sensitive: lines.iter().any(|line| line.sensitive),
    }
}

/// Reads a script named in the template.
pub(crate) async fn read(path: &str) -> Result<Script> {
    let content = tokio::fs::read(path)
        .await
        .map_err(|error| missing(Path::new(path), error))?;
    Ok(Script {
        name: path.to_owned(),
        content,
        sensitive: false,
    })
}

/// The failure of a file named in the template.
pub(crate) fn missing(path: &Path, error: std::io::Error) -> Error {
    let relative = if path.is_relative() {
        "; relative paths start at the working directory, so `${path.root}/…` is safer"
    } else {
        ""
    };
    Error::new(
        Class::Template,
        "run/missing-file",
        format!("cannot read `{}`", path.display()),
    )
    .because(error)
    .help(format!("check the path{relative}"))
}

/// Windows line ends become Unix ones, as with Packer.
pub(crate) fn unix_lines(content: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(content.len());
    for (at, byte) in content.iter().enumerate() {
        if *byte != b'\r' || content.get(at + 1) != Some(&b'\n') {
            result.push(*byte);
        }
    }
    result
}

/// The allowed exit codes; only 0 unless the template says otherwise.
pub(crate) fn valid_codes(options: &Options<'_>) -> Result<Vec<i64>> {
    let codes = options.integers("valid_exit_codes")?;
    Ok(if codes.is_empty() { vec![0] } else { codes })
}

/// Judges an exit code.
pub(crate) fn judge(name: &str, code: i32, valid: &[i64]) -> Result<()> {
    if valid.contains(&i64::from(code)) {
        return Ok(());
    }
    let allowed: Vec<String> = valid.iter().map(i64::to_string).collect();
    let error = Error::new(
        Class::Provisioning,
        "run/exit-code",
        format!(
            "the script `{name}` ended with exit code {code}; allowed: {}",
            allowed.join(", ")
        ),
    );
    Err(match code {
        126 => error.help(
            "the script, or the program in its first line, cannot be executed: check its rights",
        ),
        127 => {
            error.help("a command was not found: check the script's first line and what it calls")
        }
        _ => error.help("see the output above; `valid_exit_codes` allows further codes"),
    })
}

/// Problems of the options both have.
pub(crate) fn check(options: &Options<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !options.is_unknown("environment_vars")
        && let Ok(pairs) = options.strings("environment_vars")
    {
        for pair in pairs {
            let name = pair.text.split_once('=').map(|(name, _)| name.trim_start());
            if name.is_none_or(|name| !is_name(name) && !name.contains("{{")) {
                let shown = match (name, pair.sensitive) {
                    (Some(name), _) => format!("`{name}`"),
                    (None, false) => format!("`{}`", pair.text),
                    (None, true) => "an element".to_owned(),
                };
                problems.push(
                    Problem::new(format!("{shown} is not of the form `NAME=value`"))
                        .of("environment_vars")
                        .help("names are of letters, digits and `_`"),
                );
            }
        }
    }
    for name in ["start_retry_timeout", "pause_after"] {
        if !options.is_unknown(name)
            && let Err(error) = options.duration(name)
        {
            problems.push(Problem::new(error.message).of(name));
        }
    }
    problems
}

/// A short text for a history: the first command of an inline script, or the scripts' names.
pub(crate) fn summary(options: &Options<'_>) -> String {
    let lines = options.strings("inline").unwrap_or_default();
    if let Some(first) = lines.iter().find(|line| !line.text.trim().is_empty()) {
        return if first.sensitive {
            "inline".into()
        } else {
            first.text.trim().chars().take(80).collect()
        };
    }
    let mut names = options.plain_strings("scripts").unwrap_or_default();
    names.extend(options.string("script").ok().flatten());
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;

    use super::*;

    #[test]
    fn a_real_shell_gives_back_every_value() {
        let values = [
            "plain",
            "",
            "it's",
            "''",
            "a b",
            "$HOME `id` \\ \"",
            "line\nline",
            "é→",
            "-n",
            "*",
            "%s %d",
            "'\"'\"'",
            "tab\t!",
            "#x",
            "{{.X}}",
        ];
        for value in values {
            let variables = Variables(BTreeMap::from([(
                "VALUE".to_owned(),
                Text {
                    text: value.into(),
                    sensitive: false,
                },
            )]));
            let command = format!(
                "{} sh -c 'printf %s \"$VALUE\"'",
                variables.render(INLINE_FORMAT, |_| true)
            );
            let output = Command::new("/bin/sh")
                .arg("-c")
                .arg(command)
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
            let command = format!(
                "{}\nprintf %s \"$VALUE\"",
                variables.render(FILE_FORMAT, |_| true)
            );
            let output = Command::new("/bin/sh")
                .arg("-c")
                .arg(command)
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
            let output = Command::new("/bin/sh")
                .arg("-c")
                .arg(format!("printf %s {}", quote(value)))
                .output()
                .unwrap();
            // `printf` takes the value as a format: only values without `%` and `\` come back as they are.
            if !value.contains(['%', '\\']) && !value.starts_with('-') {
                assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
            }
        }
    }

    #[test]
    fn line_ends() {
        assert_eq!(unix_lines(b"a\r\nb\rc\r\n"), b"a\nb\rc\n");
    }

    #[test]
    fn custom_formats() {
        let variables = Variables(BTreeMap::from([(
            "A".to_owned(),
            Text {
                text: "1%".into(),
                sensitive: false,
            },
        )]));
        assert_eq!(
            variables.render("$env:%s=\"%s\"; 100%% %d", |_| true),
            "$env:A=\"1%\"; 100% %d"
        );
    }
}
