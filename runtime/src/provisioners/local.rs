//! Scripts on this machine, for the provisioner and the post-processor `shell-local`.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use imgc_compiler::value::Value;
use tokio::sync::Semaphore;

use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::files;
use crate::options::{Options, Text};
use crate::process::{self, Local};
use crate::template::{self, Surroundings, render};

use super::script::{self, Script, Variables};

const NAME: &str = "`shell-local`";
const EXECUTE: [&str; 3] = ["/bin/sh", "-c", "{{.Vars}} {{.Script}}"];
/// Has a command with secrets in it.
const COMMAND_VARIABLE: &str = "IMGC_COMMAND";
/// What a shell runs instead of such a command.
const FROM_ENVIRONMENT: &str = "c=$IMGC_COMMAND; unset IMGC_COMMAND; eval \"$c\"";

/// Runs the scripts of the options, one after the other. `permits` bounds the processes of all builds together.
pub(crate) async fn run(cx: &Context, value: &Value, permits: &Semaphore) -> Result<()> {
    let options = Options::new(NAME, value);
    let only_on = options.plain_strings("only_on")?;
    if !only_on.is_empty() && !only_on.iter().any(|system| system == std::env::consts::OS) {
        cx.output.say(format!(
            "Skipping: only_on is {}, and this is {}",
            only_on.join(", "),
            std::env::consts::OS
        ));
        return Ok(());
    }
    let _permit = permits.acquire().await;
    let variables = Variables::of(&options, cx)?;
    let valid = script::valid_codes(&options)?;
    let mut lines = options.strings("inline")?;
    lines.extend(options.text("command")?);
    if !lines.is_empty() {
        let shebang = options.string("inline_shebang")?;
        let script = script::inline(&lines, shebang.as_deref().unwrap_or(script::SHEBANG));
        let extension = options.string("tempfile_extension")?.unwrap_or_default();
        let file = executable(cx, &script, &extension).await?;
        one(
            cx,
            &options,
            &variables,
            file.as_ref(),
            &script.name,
            &valid,
        )
        .await?;
    }
    let mut names = options.plain_strings("scripts")?;
    names.extend(options.string("script")?);
    for name in names {
        let path = PathBuf::from(&name);
        if let Err(error) = tokio::fs::metadata(&path).await {
            return Err(script::missing(&path, error));
        }
        // A bare name would be looked for in PATH.
        let path = if name.contains('/') {
            path
        } else {
            Path::new(".").join(path)
        };
        one(cx, &options, &variables, &path, &name, &valid).await?;
    }
    Ok(())
}

async fn one(
    cx: &Context,
    options: &Options<'_>,
    variables: &Variables,
    path: &Path,
    name: &str,
    valid: &[i64],
) -> Result<()> {
    cx.output.say(format!("Running local shell script: {name}"));
    let wrapper = match options.is_given("execute_command") && variables.has_secret() {
        true => Some(wrapper(cx, variables, path).await?),
        false => None,
    };
    let shown = wrapper
        .as_ref()
        .map_or(path, |wrapper| wrapper.script.as_ref());
    let command = command(cx, options, variables, shown)?;
    let code = process::run(cx, &command).await?;
    script::judge(name, code, valid)
}

/// The command; secrets stand in its environment or in a file, never in its arguments.
fn command(
    cx: &Context,
    options: &Options<'_>,
    variables: &Variables,
    path: &Path,
) -> Result<Local> {
    let format = options.string("env_var_format")?;
    let format = format.as_deref().unwrap_or(script::INLINE_FORMAT);
    let open = |value: &Text| !value.sensitive;
    let vars = variables.render(format, open);
    let mut words = options.strings("execute_command")?;
    let mut path = path.to_string_lossy().into_owned();
    if words.is_empty() {
        // A command of the template's own quotes by itself.
        path = script::quote(&path);
        words = EXECUTE
            .map(|word| Text {
                text: word.to_owned(),
                sensitive: false,
            })
            .to_vec();
    }
    let fields = [
        ("Vars", vars.as_str()),
        ("Script", &path),
        ("Command", &path),
    ];
    let surroundings = Surroundings::from(cx);
    let mut rendered = Vec::with_capacity(words.len());
    for word in words {
        let sensitive = word.sensitive || template::asks_for_secret(&word.text, &surroundings);
        let text = render(&word.text, &fields, &surroundings, "execute_command")?;
        rendered.push(Text { text, sensitive });
    }
    let mut environment = variables.pairs(|value| value.sensitive);
    environment.extend(hide(cx, &mut rendered)?);
    environment.push(("PACKER_RUN_UUID".into(), cx.run_id.to_string()));
    let mut rendered = rendered.into_iter().map(|word| word.text.into());
    Ok(Local {
        program: rendered.next().unwrap_or_default(),
        arguments: rendered.collect(),
        environment,
        directory: None,
    })
}

/// Has a shell take a command with secrets out of its environment. Other programs have no such way: the template has to
/// find one.
fn hide(cx: &Context, words: &mut [Text]) -> Result<Option<(String, String)>> {
    let mut hidden = None;
    if let [program, flags, command, ..] = words
        && is_shell(&program.text)
        && flags.text.starts_with('-')
        && flags.text.ends_with('c')
        && (command.sensitive || cx.output.redact(&command.text) != command.text)
    {
        let text = std::mem::replace(&mut command.text, FROM_ENVIRONMENT.to_owned());
        command.sensitive = false;
        hidden = Some((COMMAND_VARIABLE.to_owned(), text));
    }
    if words.iter().any(|word| word.sensitive) {
        return Err(Error::new(
            Class::Template,
            "run/secret-argument",
            "`execute_command` has a secret in an argument, and everybody on this machine sees the arguments of programs",
        )
        .help("give it to the script by `env`, or write the command as [\"/bin/sh\", \"-c\", \"…\"]"));
    }
    Ok(hidden)
}

fn is_shell(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    matches!(
        name,
        "sh" | "ash" | "bash" | "dash" | "ksh" | "mksh" | "zsh"
    )
}

/// Writes a script into the run's directory, for the owner only.
async fn executable(cx: &Context, script: &Script, extension: &str) -> Result<tempfile::TempPath> {
    let (directory, content) = (cx.scratch.clone(), script.content.clone());
    let suffix = match extension {
        "" => String::new(),
        extension if extension.starts_with('.') => extension.to_owned(),
        extension => format!(".{extension}"),
    };
    files::blocking(move || {
        let _writing = files::writing();
        let write = || -> std::io::Result<tempfile::TempPath> {
            let mut file = tempfile::Builder::new()
                .prefix("shell-")
                .suffix(&suffix)
                .permissions(std::fs::Permissions::from_mode(0o700))
                .tempfile_in(&directory)?;
            file.write_all(&content)?;
            Ok(file.into_temp_path())
        };
        write().map_err(|error| {
            files::failure("run/local-file", "write a script into", &directory, error)
        })
    })
    .await
}

/// A wrapper that sets the secret variables, for an `execute_command` that may clear the environment.
struct Wrapper {
    script: tempfile::TempPath,
    /// Removed with the wrapper, or by it.
    _variables: tempfile::TempPath,
}

async fn wrapper(cx: &Context, variables: &Variables, path: &Path) -> Result<Wrapper> {
    let absolute = std::path::absolute(path)
        .map_err(|error| files::failure("run/local-file", "find", path, error))?;
    let Some(target) = absolute.to_str() else {
        return Err(Error::new(
            Class::Template,
            "run/local-file",
            "the script's path is not Unicode",
        ));
    };
    let content = variables.render(script::FILE_FORMAT, |value| value.sensitive);
    let part = |content: String| Script {
        name: String::new(),
        content: content.into_bytes(),
        sensitive: true,
    };
    let file = executable(cx, &part(content), "").await?;
    let text = format!(
        "#!/bin/sh\n. {} || exit\nexec {} \"$@\"\n",
        script::quote(&file.to_string_lossy()),
        script::quote(target),
    );
    Ok(Wrapper {
        script: executable(cx, &part(text), "").await?,
        _variables: file,
    })
}
