//! Provisioner `puppet-server`: has the machine's Puppet agent fetch its catalogue from a server and apply it, once.
//!
//! Certificates and private keys that are uploaded for that are removed from the machine afterwards, whatever comes of the run:
//! they would be in every instance of the image. A secret among the facts is not on a command line: the command then travels in a
//! file that only the login user can read.

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::builder::Problem;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::machine::{Attributes, Command, Exit, Machine};
use crate::options::Options;
use crate::provisioner::Provisioner;
use crate::template::{Surroundings, render};

use super::script;

/// The provisioner `puppet-server`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PuppetServer;

const NAME: &str = "provisioner `puppet-server`";
const STAGING: &str = "/tmp/packer-puppet-server";
const EXECUTE: &str = "cd {{.WorkingDir}} && {{.FacterVars}} {{if .Sudo}}sudo -E {{end}}\
    {{if ne .PuppetBinDir \"\"}}{{.PuppetBinDir}}/{{end}}puppet agent --onetime --no-daemonize --detailed-exitcodes\
    {{if ne .PuppetServer \"\"}} --server='{{.PuppetServer}}'{{end}}\
    {{if ne .PuppetNode \"\"}} --certname={{.PuppetNode}}{{end}}\
    {{if ne .ClientCertPath \"\"}} --certdir='{{.ClientCertPath}}'{{end}}\
    {{if ne .ClientPrivateKeyPath \"\"}} --privatekeydir='{{.ClientPrivateKeyPath}}'{{end}}\
    {{if ne .ExtraArguments \"\"}} {{.ExtraArguments}}{{end}}";
/// With `--detailed-exitcodes`: nothing to do, and something was done.
const WELL: [i64; 2] = [0, 2];

#[async_trait]
impl Provisioner for PuppetServer {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new(NAME, options);
        let mut problems = Vec::new();
        let mut problem = |option: &str, message: &str, help: &str| {
            problems.push(Problem::new(message).of(option).help(help));
        };
        let guest = options.string("guest_os_type").ok().flatten();
        if guest.is_some_and(|guest| guest != "unix") {
            problem(
                "guest_os_type",
                "this version of imgc runs Puppet on Unix only",
                "leave the option out, or run the agent with a script of your own",
            );
        }
        for name in ["elevated_user", "elevated_password"] {
            if options.is_given(name) {
                problem(name, &format!("`{name}` is for Windows only"), "remove it");
            }
        }
        problems
    }

    fn summary(&self, options: &Value) -> String {
        let server = Options::new(NAME, options).string("puppet_server");
        match server.ok().flatten() {
            Some(server) => format!("puppet agent, {server}"),
            None => "puppet agent".to_owned(),
        }
    }

    async fn run(
        &self,
        cx: &Context,
        options: &Value,
        machine: Option<&dyn Machine>,
    ) -> Result<()> {
        let machine = super::needed(machine, "puppet-server")?;
        let agent = Agent::read(&Options::new(NAME, options), cx)?;
        cx.output.say("Provisioning with Puppet");
        let ended = async {
            agent.upload(cx, machine).await?;
            agent.run(cx, machine).await
        };
        let ended = ended.await;
        let removed = agent.clean(machine).await;
        match (ended, removed) {
            (Err(failed), _) => Err(failed),
            (Ok(()), removed) => removed,
        }
    }
}

/// The options, read.
struct Agent {
    staging: String,
    /// Local directory and the one on the machine, where given: certificates, private keys.
    certificates: Option<(String, String)>,
    keys: Option<(String, String)>,
    line: String,
    /// Whether a secret stands in it.
    is_secret: bool,
    sudo: bool,
    ignores_codes: bool,
    cleans: bool,
}

impl Agent {
    fn read(options: &Options<'_>, cx: &Context) -> Result<Self> {
        let staging = options.string("staging_dir")?;
        let staging = staging.unwrap_or_else(|| STAGING.to_owned());
        let uploaded = |option: &str, name: &str| -> Result<Option<(String, String)>> {
            let local = options.string(option)?;
            Ok(local.map(|local| (local, format!("{staging}/{name}"))))
        };
        let certificates = uploaded("client_cert_path", "certs")?;
        let keys = uploaded("client_private_key_path", "private_keys")?;
        let sudo = !options.bool("prevent_sudo")?;
        let text = |name: &str| -> Result<String> { Ok(options.string(name)?.unwrap_or_default()) };
        let place = |uploaded: &Option<(String, String)>| {
            uploaded
                .as_ref()
                .map(|(_, remote)| remote.clone())
                .unwrap_or_default()
        };
        let working = options.string("working_directory")?;
        let execute = options.string("execute_command")?;
        let (facts, has_secret) = facts(options, cx)?;
        let line = render(
            execute.as_deref().unwrap_or(EXECUTE),
            &[
                ("WorkingDir", working.as_deref().unwrap_or(&staging)),
                ("FacterVars", &facts),
                ("Sudo", if sudo { "true" } else { "" }),
                ("PuppetBinDir", &text("puppet_bin_dir")?),
                ("PuppetServer", &text("puppet_server")?),
                ("PuppetNode", &text("puppet_node")?),
                ("ClientCertPath", &place(&certificates)),
                ("ClientPrivateKeyPath", &place(&keys)),
                (
                    "ExtraArguments",
                    &options.plain_strings("extra_arguments")?.join(" "),
                ),
            ],
            &Surroundings::from(cx),
            "execute_command",
        )?;
        Ok(Self {
            staging,
            certificates,
            keys,
            is_secret: has_secret || cx.output.redact(&line) != line,
            line,
            sudo,
            ignores_codes: options.bool("ignore_exit_codes")?,
            cleans: options.bool("clean_staging_directory")?,
        })
    }

    fn command_file(&self) -> String {
        format!("{}/imgc-command.sh", self.staging)
    }

    /// What is on the machine for this run only.
    fn for_now(&self) -> Vec<String> {
        let uploaded = [&self.certificates, &self.keys].into_iter().flatten();
        let mut paths: Vec<String> = uploaded.map(|(_, remote)| remote.clone()).collect();
        paths.push(self.command_file());
        paths
    }

    async fn upload(&self, cx: &Context, machine: &dyn Machine) -> Result<()> {
        let staging = script::quote(&self.staging);
        machine
            .query(&Command::new(format!("mkdir -p {staging}")))
            .await?;
        for path in self.for_now() {
            machine.temporary(&path).await?;
        }
        for (local, remote) in [&self.certificates, &self.keys].into_iter().flatten() {
            cx.output.say(format!("Uploading {local} => {remote}"));
            // For the login user only, from the beginning.
            let quoted = script::quote(remote);
            let make = format!("mkdir -p {quoted} && chmod 700 {quoted}");
            machine.query(&Command::new(make)).await?;
            let path = std::path::Path::new(local);
            machine
                .upload_tree(path, remote, &Attributes::default())
                .await?;
        }
        Ok(())
    }

    async fn run(&self, cx: &Context, machine: &dyn Machine) -> Result<()> {
        let line = match self.is_secret {
            false => self.line.clone(),
            true => {
                let file = self.command_file();
                let own = Attributes {
                    mode: Some(0o600),
                    ..Attributes::default()
                };
                machine.write(self.line.as_bytes(), &file, &own).await?;
                format!(". {}", script::quote(&file))
            }
        };
        let _waiting = cx.waiting("the Puppet agent");
        match machine.run(&Command::new(line), &cx.output).await? {
            Exit::Code(code) if self.ignores_codes || WELL.contains(&i64::from(code)) => Ok(()),
            Exit::Code(code) => Err(failed(code)),
            Exit::Disconnected => Err(Error::new(
                Class::Remote,
                "run/disconnected",
                "the connection was lost while the Puppet agent ran",
            )),
        }
    }

    async fn clean(&self, machine: &dyn Machine) -> Result<()> {
        let paths = match self.cleans {
            true => vec![self.staging.clone()],
            false => self.for_now(),
        };
        let paths: Vec<String> = paths.iter().map(|path| script::quote(path)).collect();
        // Puppet may have made some of it as root.
        let sudo = if self.sudo { "sudo " } else { "" };
        let line = format!("{sudo}rm -rf {}", paths.join(" "));
        machine.query(&Command::new(line)).await?;
        for path in self.for_now() {
            machine.settled(&path).await;
        }
        Ok(())
    }
}

/// Facts for the agent's environment, those of the template and Packer's own, and whether one of them is secret.
fn facts(options: &Options<'_>, cx: &Context) -> Result<(String, bool)> {
    let mut facts = options.map("facter")?;
    let own = [
        ("packer_build_name", &cx.source_name),
        ("packer_builder_type", &cx.builder_type),
    ];
    for (name, text) in own {
        facts
            .entry(name.to_owned())
            .or_insert_with(|| crate::options::Text {
                text: text.to_string(),
                sensitive: false,
            });
    }
    if facts
        .keys()
        .any(|name| !script::is_name(&format!("_{name}")))
    {
        return Err(options.wrong("facter", "given names of letters, digits and `_`"));
    }
    let words = facts
        .iter()
        .map(|(name, value)| format!("FACTER_{name}='{}'", value.text.replace('\'', r"'\''")));
    // A mark may be lost on the way, as in `{{user}}`; the redactor knows the texts.
    let is_secret = |value: &crate::options::Text| {
        value.sensitive || cx.output.redact(&value.text) != value.text
    };
    let has_secret = facts.values().any(is_secret);
    Ok((words.collect::<Vec<_>>().join(" "), has_secret))
}

fn failed(code: i32) -> Error {
    let error = Error::new(
        Class::Provisioning,
        "run/exit-code",
        format!("the Puppet agent ended with exit code {code}; allowed: 0, 2"),
    );
    match code {
        1 => error.help(
            "it did not run: its server, its certificate, or another run that holds its lock",
        ),
        4 | 6 => error.help("some resources could not be applied; see the output above"),
        127 => error.help("install Puppet before, or name its directory: `puppet_bin_dir`"),
        _ => error.help("see the output above; `ignore_exit_codes = true` allows every code"),
    }
}
