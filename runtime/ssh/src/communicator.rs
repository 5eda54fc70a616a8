//! The communicator: from options to a connected machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::components::Problem;
use imgc_compiler::value::Value;
use imgc_runtime::builder::Endpoint;
use imgc_runtime::communicator::Communicator;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::machine::Machine;

use crate::directory::Directory;
use crate::host_keys::{Mode, Trust};
use crate::keys;
use crate::machine::SshMachine;
use crate::master::{Road, Via};
use crate::settings::{Hop, Settings, idle};
use crate::socks::{Relay, Way};

/// Reaches machines with the system's OpenSSH.
#[derive(Clone, Copy, Debug, Default)]
pub struct SshCommunicator;

#[async_trait]
impl Communicator for SshCommunicator {
    fn check(&self, options: &Value) -> Vec<Problem> {
        crate::settings::check(options)
    }

    async fn connect(
        &self,
        cx: &Context,
        options: &Value,
        endpoint: &Endpoint,
    ) -> Result<Arc<dyn Machine>> {
        let mut settings = Settings::read(options, endpoint).map_err(|problems| {
            let first = problems.first();
            let all: Vec<_> = problems
                .iter()
                .map(|problem| problem.message.as_str())
                .collect();
            let error = Error::new(Class::Template, "run/ssh-option", all.join("; "));
            match first.and_then(|problem| problem.help.clone()) {
                Some(help) => error.help(help),
                None => error,
            }
        })?;
        prepare(
            cx,
            &mut settings.target,
            "ssh_private_key_file",
            "ssh_certificate_file",
        )?;
        if let Some(bastion) = &mut settings.bastion {
            prepare(
                cx,
                bastion,
                "ssh_bastion_private_key_file",
                "ssh_bastion_certificate_file",
            )?;
        }
        if let Some((_, password)) = settings
            .proxy
            .as_ref()
            .and_then(|proxy| proxy.login.as_ref())
        {
            cx.output.add_undeclared_secret(password);
        }
        for note in idle(&cx.builder_type, options) {
            cx.output.detail(note);
        }
        for note in &settings.notes {
            cx.output.detail(note);
        }
        let machine = SshMachine::new(roads(cx, settings).await?);
        machine.connect().await?;
        Ok(Arc::new(machine))
    }
}

/// What a machine needs to connect, now and again.
pub(crate) struct Roads {
    pub(crate) cx: Context,
    pub(crate) settings: Settings,
    pub(crate) target: Road,
    pub(crate) bastion: Option<Road>,
    pub(crate) relay: Option<Relay>,
}

async fn roads(cx: &Context, settings: Settings) -> Result<Roads> {
    let mut bastion = match &settings.bastion {
        Some(hop) => Some(road(cx, "bastion", hop, Via::Direct, &settings, &[]).await?),
        None => None,
    };
    let target = &settings.target;
    let way = match (&mut bastion, &settings.proxy) {
        (Some(bastion), _) if is_secret(cx, &target.host) => {
            Some(Way::Socket(bastion.leads_to(target)))
        }
        (None, Some(proxy)) => Some(Way::Proxy(proxy.clone(), target.clone())),
        _ => None,
    };
    let relay = match way {
        Some(way) => Some(Relay::start(way).await?),
        None => None,
    };
    let via = match (&bastion, &relay) {
        (_, Some(relay)) => Via::Relay(relay.port),
        (Some(bastion), None) => Via::Bastion(bastion.control()),
        (None, None) => Via::Direct,
    };
    let target = road(
        cx,
        "machine",
        &settings.target,
        via,
        &settings,
        &settings.vouched,
    )
    .await?;
    Ok(Roads {
        cx: cx.clone(),
        target,
        bastion,
        relay,
        settings,
    })
}

/// Whether a text is a secret, or has one in it: it stands on no command line then.
pub(crate) fn is_secret(cx: &Context, text: &str) -> bool {
    cx.output.redact(text) != text
}

async fn road(
    cx: &Context,
    name: &'static str,
    hop: &Hop,
    via: Via,
    settings: &Settings,
    vouched: &[String],
) -> Result<Road> {
    let directory = Directory::make(cx).await?;
    let home = cx.world.home();
    let trust = Trust::new(
        directory.path(),
        hop,
        settings.policy,
        vouched,
        home.as_deref(),
        is_secret(cx, &hop.host),
    )
    .await?;
    let road = Road::new(name, hop.clone(), trust, directory, via, settings);
    if road.trust().mode() == Mode::Off {
        cx.output.warn(format!(
            "host_key = \"insecure\": whoever answers as {} is believed, and sees all that is sent",
            road.shown()
        ));
    }
    Ok(road)
}

/// Completes paths, looks at files, makes secrets known.
fn prepare(cx: &Context, hop: &mut Hop, key_option: &str, certificate_option: &str) -> Result<()> {
    if let Some(password) = &hop.password {
        cx.output.add_undeclared_secret(password);
    }
    if let Some(key) = &mut hop.private_key {
        *key = expand(cx, key);
        keys::check(key, key_option)?;
    }
    if let Some(certificate) = &mut hop.certificate {
        *certificate = expand(cx, certificate);
        std::fs::metadata(&*certificate).map_err(|error| {
            let message = format!("the certificate `{}` cannot be read", certificate.display());
            Error::new(Class::Environment, "run/ssh-key-file", message)
                .because(error)
                .help(format!("check the path in `{certificate_option}`"))
        })?;
    }
    if hop.agent && cx.world.env("SSH_AUTH_SOCK").is_none() {
        let option = key_option.replace("private_key_file", "agent_auth");
        return Err(Error::new(
            Class::Environment,
            "run/ssh-authentication",
            format!(
                "`{option}` is set, but no agent runs: there is no SSH_AUTH_SOCK in the environment"
            ),
        )
        .help("start one with `eval \"$(ssh-agent)\"` and load the key with `ssh-add`"));
    }
    Ok(())
}

/// `~` is the home directory; other paths start at the working directory.
fn expand(cx: &Context, path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), cx.world.home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => cx.world.working_directory().join(path),
    }
}
