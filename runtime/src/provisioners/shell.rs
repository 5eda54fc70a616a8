//! Provisioner `shell`: runs scripts on the machine.
//!
//! Each script is uploaded, made executable and run through `execute_command`. Secret environment variables never stand
//! on a command line: they travel in a file only the login user can read, which a small wrapper sources and removes;
//! `{{.Path}}` is then the wrapper, so `execute_command` means what it says. An `execute_command` that has a secret in it,
//! such as a password for `sudo -S`, travels in such a file as well, and the login shell reads it from there.

use std::time::Duration;

use async_trait::async_trait;
use imgc_compiler::value::Value;
use tokio::time::Instant;

use crate::builder::Problem;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::machine::{Attributes, Command, Exit, Machine};
use crate::options::{Options, Text};
use crate::provisioner::Provisioner;
use crate::template::{Surroundings, render};

use super::script::{self, Script, Variables};

/// The provisioner `shell`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shell;

const NAME: &str = "provisioner `shell`";
const EXECUTE: &str = "chmod +x {{.Path}}; {{.Vars}} {{.Path}}";
const EXECUTE_WITH_FILE: &str = "chmod +x {{.Path}}; . {{.EnvVarFile}} && {{.Path}}";
const START_RETRY: Duration = Duration::from_secs(300);
/// Between attempts to start a script on a machine that does not answer.
const RETRY_WAIT: Duration = Duration::from_secs(2);

#[async_trait]
impl Provisioner for Shell {
    fn check(&self, options: &Value) -> Vec<Problem> {
        script::check(&Options::new(NAME, options))
    }

    fn summary(&self, options: &Value) -> String {
        script::summary(&Options::new(NAME, options))
    }

    async fn run(
        &self,
        cx: &Context,
        options: &Value,
        machine: Option<&dyn Machine>,
    ) -> Result<()> {
        let machine = super::needed(machine, "shell")?;
        let options = Options::new(NAME, options);
        let plan = Plan::of(&options, cx).await?;
        let mut lost = false;
        for script in &plan.scripts {
            if lost {
                machine.reconnect(plan.start_retry).await?;
            }
            cx.output
                .say(format!("Provisioning with shell script: {}", script.name));
            lost = plan.run(cx, machine, script).await?;
            if let Some(pause) = plan.pause_after {
                cx.output.say(format!(
                    "Pausing {} after this provisioner...",
                    crate::duration::short(pause)
                ));
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }
}

/// The options, read.
struct Plan {
    scripts: Vec<Script>,
    variables: Variables,
    execute: String,
    format: String,
    use_file: bool,
    paths: Paths,
    skip_clean: bool,
    expect_disconnect: bool,
    valid: Vec<i64>,
    start_retry: Duration,
    pause_after: Option<Duration>,
}

/// Where things are put on the machine.
struct Paths {
    /// What `{{.Path}}` is.
    script: String,
    /// The script itself where `script` is the wrapper.
    wrapped: String,
    /// The file with environment variables.
    variables: String,
    /// The file with the command, where there is a secret in it.
    command: String,
}

impl Plan {
    async fn of(options: &Options<'_>, cx: &Context) -> Result<Self> {
        let shebang = options.string("inline_shebang")?;
        let shebang = shebang.as_deref().unwrap_or(script::SHEBANG);
        let mut scripts = Vec::new();
        let lines = options.strings("inline")?;
        if !lines.is_empty() {
            scripts.push(script::inline(&lines, shebang));
        }
        let mut names = options.plain_strings("scripts")?;
        names.extend(options.string("script")?);
        for name in names {
            scripts.push(script::read(&name).await?);
        }
        if !options.bool("binary")? {
            for script in &mut scripts {
                script.content = script::unix_lines(&script.content);
            }
        }
        let use_file = options.bool("use_env_var_file")?;
        let execute = options
            .string("execute_command")?
            .unwrap_or_else(|| if use_file { EXECUTE_WITH_FILE } else { EXECUTE }.to_owned());
        let format = options.string("env_var_format")?.unwrap_or_else(|| {
            if use_file {
                script::FILE_FORMAT
            } else {
                script::INLINE_FORMAT
            }
            .to_owned()
        });
        Ok(Self {
            scripts,
            variables: Variables::of(options, cx)?,
            execute,
            format,
            use_file,
            paths: Paths::of(options, cx)?,
            skip_clean: options.bool("skip_clean")?,
            expect_disconnect: options.bool("expect_disconnect")?,
            valid: script::valid_codes(options)?,
            start_retry: options
                .duration("start_retry_timeout")?
                .unwrap_or(START_RETRY),
            pause_after: options.duration("pause_after")?,
        })
    }

    /// Whether secrets need the wrapper.
    fn wraps(&self) -> bool {
        self.variables.has_secret() && !self.use_file
    }

    /// Runs one script; whether the connection was lost, as expected.
    async fn run(&self, cx: &Context, machine: &dyn Machine, script: &Script) -> Result<bool> {
        let line = self.line(cx)?;
        // The mark may be lost on the way, as in `{{user}}`; the redactor knows the text.
        let hidden = (cx.output.redact(&line) != line).then_some(&*line);
        let command = match hidden {
            Some(_) => format!(". {}", script::quote(&self.paths.command)),
            None => line.clone(),
        };
        let files = self.remote(hidden.is_some());
        let keep = self.skip_clean && hidden.is_none() && !self.has_secret_files(script);
        let host = machine.facts().remove("Host");
        let _waiting = cx.waiting(match host {
            Some(host) => format!("`{}` on {host}", script.name),
            None => format!("`{}`", script.name),
        });
        let deadline = Instant::now() + self.start_retry;
        let exit = loop {
            let attempt = async {
                if !keep {
                    for path in &files {
                        machine.temporary(path).await?;
                    }
                }
                self.upload(machine, script, hidden).await?;
                machine
                    .run(&Command::new(command.clone()), &cx.output)
                    .await
            };
            match attempt.await {
                Ok(exit) => break exit,
                Err(error) if error.class == Class::Remote && Instant::now() < deadline => {
                    cx.output.detail(format!(
                        "the script could not be started: {}",
                        error.chain()
                    ));
                    tokio::time::sleep(RETRY_WAIT).await;
                    let left = deadline.saturating_duration_since(Instant::now());
                    machine.reconnect(left).await?;
                }
                Err(error) => return Err(error),
            }
        };
        let judged = self.judge(machine, script, exit);
        let lost = exit == Exit::Disconnected;
        match judged {
            Ok(()) if keep => Ok(lost),
            Ok(()) => {
                if lost {
                    machine.reconnect(self.start_retry).await?;
                }
                clean(machine, &files).await.map_err(|error| {
                    error.help("set `skip_clean` where the machine is gone after the script")
                })?;
                Ok(false)
            }
            Err(error) => {
                if !lost {
                    // The script's failure is what matters.
                    let _ = clean(machine, &files).await;
                }
                Err(error)
            }
        }
    }

    fn judge(&self, machine: &dyn Machine, script: &Script, exit: Exit) -> Result<()> {
        match exit {
            Exit::Code(code) => script::judge(&script.name, code, &self.valid),
            Exit::Disconnected
                if self.expect_disconnect || self.valid.contains(&script::DISCONNECTED) =>
            {
                Ok(())
            }
            Exit::Disconnected => {
                let error = Error::new(
                    Class::Remote,
                    "run/disconnected",
                    format!("the connection was lost while `{}` ran", script.name),
                )
                .help("set `expect_disconnect = true` for a script that restarts the machine");
                Err(match machine.lost() {
                    Some(why) => error.because(why),
                    None => error,
                })
            }
        }
    }

    /// The command for the machine's shell, without the secrets among the variables.
    fn line(&self, cx: &Context) -> Result<String> {
        let vars = self
            .variables
            .render(&self.format, |value| !value.sensitive);
        // With a file everything is in it; otherwise what is not secret stands on the command line.
        let vars = if self.use_file { "" } else { vars.as_str() };
        render(
            &self.execute,
            &[
                ("Path", &self.paths.script),
                ("Vars", vars),
                ("EnvVarFile", &self.paths.variables),
            ],
            &Surroundings::from(cx),
            "execute_command",
        )
    }

    fn has_secret_files(&self, script: &Script) -> bool {
        self.variables.has_secret() || script.sensitive
    }

    async fn upload(
        &self,
        machine: &dyn Machine,
        script: &Script,
        command: Option<&str>,
    ) -> Result<()> {
        let mode = |mode| Attributes {
            mode: Some(mode),
            ..Attributes::default()
        };
        // A script with a secret in its text is for the login user and root only.
        let script_mode = mode(if script.sensitive { 0o700 } else { 0o755 });
        if let Some(command) = command {
            machine
                .write(command.as_bytes(), &self.paths.command, &mode(0o600))
                .await?;
        }
        let path = if self.wraps() {
            &self.paths.wrapped
        } else {
            &self.paths.script
        };
        machine.write(&script.content, path, &script_mode).await?;
        if self.use_file {
            let content = self.variables.render(&self.format, |_| true);
            machine
                .write(content.as_bytes(), &self.paths.variables, &mode(0o600))
                .await?;
        } else if self.wraps() {
            let secret = |value: &Text| value.sensitive;
            let content = self.variables.render(script::FILE_FORMAT, secret);
            machine
                .write(content.as_bytes(), &self.paths.variables, &mode(0o600))
                .await?;
            machine
                .write(self.wrapper().as_bytes(), &self.paths.script, &mode(0o755))
                .await?;
        }
        Ok(())
    }

    fn wrapper(&self) -> String {
        let variables = script::quote(&self.paths.variables);
        format!(
            "#!/bin/sh\n. {variables} || exit\nrm -f {variables} 2>/dev/null\nexec {} \"$@\"\n",
            script::quote(&self.paths.wrapped)
        )
    }

    /// The files on the machine.
    fn remote(&self, hidden: bool) -> Vec<&str> {
        let mut paths = vec![self.paths.script.as_str()];
        if hidden {
            paths.push(&self.paths.command);
        }
        if self.wraps() {
            paths.push(&self.paths.wrapped);
        }
        if self.wraps() || self.use_file {
            paths.push(&self.paths.variables);
        }
        paths
    }
}

/// Removes files of the machine.
async fn clean(machine: &dyn Machine, files: &[&str]) -> Result<()> {
    let mut line = String::from("rm -f");
    for path in files {
        line.push(' ');
        line.push_str(&script::quote(path));
    }
    machine.query(&Command::new(line)).await?;
    for path in files {
        machine.settled(path).await;
    }
    Ok(())
}

impl Paths {
    fn of(options: &Options<'_>, cx: &Context) -> Result<Self> {
        let random = cx.world.random();
        let number = u32::from_be_bytes([random[12], random[13], random[14], random[15]]);
        let folder = options.string("remote_folder")?;
        let folder = folder.as_deref().unwrap_or("/tmp").trim_end_matches('/');
        let file = options
            .string("remote_file")?
            .unwrap_or_else(|| format!("script_{number}.sh"));
        let script = options
            .string("remote_path")?
            .unwrap_or_else(|| format!("{folder}/{file}"));
        Ok(Self {
            wrapped: format!("{script}.run"),
            variables: format!("{folder}/varfile_{number}.sh"),
            command: format!("{folder}/command_{number}.sh"),
            script,
        })
    }
}
