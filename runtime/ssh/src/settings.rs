//! The options of the communicator, read from a template's values.
//!
//! In: the source's options and what the builder knows ([`Endpoint`]). Out: [`Settings`], or one [`Problem`] per mistake.
//! Every option of Packer's ssh communicator is read here or refused by its name; [`check`] does the same before
//! anything runs, when parts may still be unknown.

use std::path::PathBuf;
use std::time::Duration;

use imgc_compiler::value::Value;
use imgc_runtime::builder::{Endpoint, Problem};

use imgc_runtime::duration;

/// How far the other side's host key is trusted: option `host_key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// A known key is enforced; the first key of an unknown host is pinned for the run.
    Verify,
    /// An unknown host is refused.
    Strict,
    /// Nothing is checked.
    Insecure,
}

/// One ssh server on the way, with what opens it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) private_key: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) agent: bool,
}

/// A SOCKS5 proxy: `ssh_proxy_host` and its companions.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: Option<(String, String)>,
}

/// All options, with defaults filled in.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) target: Hop,
    pub(crate) bastion: Option<Hop>,
    pub(crate) proxy: Option<Proxy>,
    /// Host keys the builder vouches for, as in `known_hosts` without the host.
    pub(crate) vouched: Vec<String>,
    pub(crate) policy: HostKeyPolicy,
    pub(crate) timeout: Duration,
    pub(crate) handshake_attempts: u32,
    pub(crate) pause: Duration,
    /// `None`: off.
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) read_write_timeout: Option<Duration>,
    pub(crate) pty: bool,
    pub(crate) forward_agent: bool,
    pub(crate) ciphers: Vec<String>,
    pub(crate) key_exchange: Vec<String>,
    pub(crate) local_tunnels: Vec<String>,
    pub(crate) remote_tunnels: Vec<String>,
    /// What the user should know about options that do nothing here.
    pub(crate) notes: Vec<String>,
}

/// Options that are the builder's own matter: it makes the key pair and tells the communicator through
/// [`Endpoint::private_key`].
const BUILDERS_OWN: &[&str] = &[
    "ssh_keypair_name",
    "temporary_key_pair_bits",
    "temporary_key_pair_name",
    "temporary_key_pair_type",
];

/// Looks at the options without touching the outside; what is unknown until run time counts as not there. The host, the
/// user and a way to log in may still come from the builder.
pub fn check(options: &Value) -> Vec<Problem> {
    let mut reader = Reader::new(options);
    reader.read(&Endpoint::default(), false);
    reader.problems
}

impl Settings {
    /// Reads everything; problems are those of [`check`] and missing host, user or way to log in.
    pub(crate) fn read(options: &Value, endpoint: &Endpoint) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(options);
        let settings = reader.read(endpoint, true);
        if reader.problems.is_empty() {
            Ok(settings)
        } else {
            Err(reader.problems)
        }
    }

    /// After how many seconds of silence the other side is asked whether it is there, and how many questions in a row may
    /// stay without an answer; `None` where it is never asked.
    pub(crate) fn alive(&self) -> Option<(u64, u64)> {
        let patience = self.read_write_timeout;
        match self.keep_alive.filter(|interval| !interval.is_zero()) {
            Some(interval) => {
                let interval = interval.as_secs().max(1);
                let patience = patience.map_or(60, |patience| patience.as_secs());
                Some((interval, patience.div_ceil(interval).max(1)))
            }
            None => patience.map(|patience| (patience.as_secs().max(1), 1)),
        }
    }

    /// How long the other side may stay silent before the connection is given up.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.alive()
            .map(|(interval, count)| Duration::from_secs(interval * count))
    }
}

struct Reader<'a> {
    options: &'a Value,
    problems: Vec<Problem>,
}

/// What is said of options that the builder does not look at, though they are its matter: those that make key pairs do.
pub(crate) fn idle(builder: &str, options: &Value) -> Vec<String> {
    if builder.starts_with("amazon-") {
        return Vec::new();
    }
    let reader = Reader::new(options);
    let given = BUILDERS_OWN
        .iter()
        .filter(|option| reader.value(option).is_some());
    given
        .map(|option| {
            format!(
                "`{option}` is for builders that make a key pair; this connection does not need it"
            )
        })
        .collect()
}

impl<'a> Reader<'a> {
    fn new(options: &'a Value) -> Self {
        Self {
            options,
            problems: Vec::new(),
        }
    }

    fn read(&mut self, endpoint: &Endpoint, complete: bool) -> Settings {
        self.refuse();
        let target = self.target(endpoint, complete);
        let bastion = self.bastion(complete);
        let proxy = self.proxy();
        if proxy.is_some() && bastion.is_some() {
            self.problem(
                "ssh_proxy_host",
                "a bastion and a proxy cannot be used together",
                "take one of `ssh_bastion_host` and `ssh_proxy_host` away",
            );
        }
        let timeout = self
            .duration("ssh_timeout")
            .or_else(|| self.duration("ssh_wait_timeout"))
            .flatten();
        let keep_alive = self.duration("ssh_keep_alive_interval");
        let agent_wanted = target.agent;
        Settings {
            bastion,
            proxy,
            vouched: endpoint.host_keys.clone(),
            policy: self.policy(),
            timeout: timeout
                .filter(|timeout| !timeout.is_zero())
                .unwrap_or(Duration::from_secs(300)),
            handshake_attempts: self
                .number("ssh_handshake_attempts", u32::MAX.into())
                .map_or(10, |n| n.max(1) as u32),
            pause: self
                .duration("pause_before_connecting")
                .flatten()
                .unwrap_or_default(),
            keep_alive: keep_alive.unwrap_or(Some(Duration::from_secs(5))),
            read_write_timeout: self.duration("ssh_read_write_timeout").flatten(),
            pty: self.flag("ssh_pty"),
            forward_agent: agent_wanted && !self.flag("ssh_disable_agent_forwarding"),
            ciphers: self.names("ssh_ciphers"),
            key_exchange: self.names("ssh_key_exchange_algorithms"),
            local_tunnels: self.tunnels("ssh_local_tunnels"),
            remote_tunnels: self.tunnels("ssh_remote_tunnels"),
            notes: self.notes(),
            target,
        }
    }

    fn target(&mut self, endpoint: &Endpoint, complete: bool) -> Hop {
        let host = self.text("ssh_host").or_else(|| endpoint.host.clone());
        let user = self.text("ssh_username").or_else(|| endpoint.user.clone());
        // Where a builder leads to another port of another machine, the template's is the one at the other end.
        let given = self.port("ssh_port");
        let port = endpoint.port.or(given).unwrap_or(22);
        let own_key = self.text("ssh_private_key_file").map(PathBuf::from);
        let hop = Hop {
            host: host.unwrap_or_default(),
            port,
            user: user.unwrap_or_default(),
            password: self.text("ssh_password"),
            private_key: own_key.or_else(|| endpoint.private_key.clone()),
            certificate: self.text("ssh_certificate_file").map(PathBuf::from),
            agent: self.flag("ssh_agent_auth"),
        };
        if complete {
            self.complete(&hop, "ssh");
        } else {
            self.check_words(&hop, "ssh");
        }
        hop
    }

    fn bastion(&mut self, complete: bool) -> Option<Hop> {
        let host = self.text("ssh_bastion_host")?;
        let hop = Hop {
            host,
            port: self.port("ssh_bastion_port").unwrap_or(22),
            user: self.text("ssh_bastion_username").unwrap_or_default(),
            password: self.text("ssh_bastion_password"),
            private_key: self.text("ssh_bastion_private_key_file").map(PathBuf::from),
            certificate: self.text("ssh_bastion_certificate_file").map(PathBuf::from),
            agent: self.flag("ssh_bastion_agent_auth"),
        };
        if complete {
            self.complete(&hop, "ssh_bastion");
        } else {
            self.check_words(&hop, "ssh_bastion");
        }
        Some(hop)
    }

    fn complete(&mut self, hop: &Hop, prefix: &str) {
        let host_option = format!("{prefix}_host");
        let user_option = format!("{prefix}_username");
        if hop.host.is_empty() {
            let help = format!("write `{host_option} = \"…\"`");
            self.problem(
                &host_option,
                "it is not known which machine to connect to",
                &help,
            );
        }
        if hop.user.is_empty() {
            let help = format!("write `{user_option} = \"…\"`");
            self.problem(
                &user_option,
                "it is not known as which user to log in",
                &help,
            );
        }
        if hop.password.is_none() && hop.private_key.is_none() && !hop.agent {
            let help = format!(
                "give one of `{prefix}_private_key_file`, `{prefix}_password` and `{prefix}_agent_auth = true`"
            );
            self.problem(
                &format!("{prefix}_private_key_file"),
                "there is no way to log in",
                &help,
            );
        }
        self.check_words(hop, prefix);
    }

    /// Words that `ssh` would take for something else.
    fn check_words(&mut self, hop: &Hop, prefix: &str) {
        let odd = |text: &str| {
            text.starts_with('-') || text.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        if odd(&hop.host) || hop.host.contains(['@', '/']) {
            let option = format!("{prefix}_host");
            self.problem(
                &option,
                &format!("`{}` is not a host name", hop.host),
                "write the name or the address alone",
            );
        }
        if odd(&hop.user) {
            let option = format!("{prefix}_username");
            self.problem(
                &option,
                &format!("`{}` is not a login name", hop.user),
                "write the name alone",
            );
        }
    }

    fn proxy(&mut self) -> Option<Proxy> {
        let host = self.text("ssh_proxy_host")?;
        let user = self.text("ssh_proxy_username");
        let password = self.text("ssh_proxy_password");
        Some(Proxy {
            host,
            port: self.port("ssh_proxy_port").unwrap_or(1080),
            login: user.map(|user| (user, password.unwrap_or_default())),
        })
    }

    fn policy(&mut self) -> HostKeyPolicy {
        match self.text("host_key").as_deref() {
            None | Some("verify") => HostKeyPolicy::Verify,
            Some("strict") => HostKeyPolicy::Strict,
            Some("insecure") => HostKeyPolicy::Insecure,
            Some(other) => {
                let message = format!("`{other}` is not a policy for host keys");
                self.problem(
                    "host_key",
                    &message,
                    "write \"verify\", \"strict\" or \"insecure\"",
                );
                HostKeyPolicy::Verify
            }
        }
    }

    /// `PORT:HOST:HOSTPORT`, as Packer wants them.
    fn tunnels(&mut self, option: &str) -> Vec<String> {
        let tunnels = self.texts(option);
        let mut kept = Vec::new();
        for tunnel in tunnels {
            let parts = tunnel.split_once(':').and_then(|(port, target)| {
                let (host, host_port) = target.rsplit_once(':')?;
                let ports = [port, host_port]
                    .iter()
                    .all(|port| port.parse::<u16>().is_ok());
                (ports && !host.is_empty()).then_some(())
            });
            if parts.is_some() {
                kept.push(tunnel);
            } else {
                let message = format!("`{tunnel}` is not a tunnel");
                self.problem(
                    option,
                    &message,
                    "write `PORT:HOST:HOSTPORT`, such as \"8080:localhost:80\"",
                );
            }
        }
        kept
    }

    /// Names of algorithms: nothing that could end the option they are joined into.
    fn names(&mut self, option: &str) -> Vec<String> {
        let names = self.texts(option);
        for name in &names {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-@.+_".contains(c);
            if name.is_empty() || !name.chars().all(plain) {
                let message = format!("`{name}` is not the name of an algorithm");
                self.problem(
                    option,
                    &message,
                    "`ssh -Q cipher` and `ssh -Q kex` list the names",
                );
            }
        }
        names
    }

    fn notes(&mut self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.text("ssh_file_transfer_method").as_deref() {
            None | Some("scp") => {}
            Some("sftp") => notes.push(
                "`ssh_file_transfer_method = \"sftp\"` changes nothing: files travel as one stream over the connection"
                    .to_owned(),
            ),
            Some(other) => {
                let message = format!("`{other}` is not a way to transfer files");
                self.problem("ssh_file_transfer_method", &message, "write \"scp\" or \"sftp\", or leave it out");
            }
        }
        if self.flag("ssh_clear_authorized_keys") {
            notes.push(
                "`ssh_clear_authorized_keys` changes nothing: a key that imgc has made goes from an image of the machine's disk in any \
                 case, of all users; keys that the template brings stay, as with Packer"
                    .to_owned(),
            );
        }
        notes
    }

    /// Options known to Packer that cannot be honoured here.
    fn refuse(&mut self) {
        if self.flag("ssh_bastion_interactive") {
            self.problem(
                "ssh_bastion_interactive",
                "`ssh_bastion_interactive` is not supported: nobody may be there to answer",
                "give `ssh_bastion_password`, `ssh_bastion_private_key_file` or `ssh_bastion_agent_auth = true`",
            );
        }
        for (option, instead) in [
            (
                "ssh_private_key",
                "write the key to a file and give `ssh_private_key_file`",
            ),
            (
                "ssh_public_key",
                "the public key follows from `ssh_private_key_file`; leave it out",
            ),
        ] {
            if self.value(option).is_some() {
                self.problem(
                    option,
                    &format!("`{option}` is not an option for templates"),
                    instead,
                );
            }
        }
    }

    fn problem(&mut self, option: &str, message: &str, help: &str) {
        self.problems
            .push(Problem::new(message).of(option).help(help));
    }

    /// The value of an option that is set and known.
    fn value(&self, option: &str) -> Option<&'a Value> {
        self.options
            .get(option)
            .filter(|value| value.is_known() && !value.is_null())
    }

    fn text(&mut self, option: &str) -> Option<String> {
        let text = self.value(option)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn texts(&mut self, option: &str) -> Vec<String> {
        let elements = self.value(option).and_then(Value::as_slice).unwrap_or(&[]);
        elements
            .iter()
            .filter_map(|element| element.as_str().map(str::to_owned))
            .collect()
    }

    fn flag(&self, option: &str) -> bool {
        self.value(option).and_then(Value::as_bool).unwrap_or(false)
    }

    fn number(&mut self, option: &str, largest: u64) -> Option<u64> {
        let number = self.value(option)?.as_number()?;
        let fits = number.to_u64().filter(|number| *number <= largest);
        if fits.is_none() {
            let message = format!("`{option}` is {number}");
            self.problem(
                option,
                &message,
                &format!("write a whole number from 0 to {largest}"),
            );
        }
        fits
    }

    fn port(&mut self, option: &str) -> Option<u16> {
        let port = self.number(option, u16::MAX.into())? as u16;
        (port != 0).then_some(port)
    }

    /// `Some(None)` for a negative one, which means "off".
    fn duration(&mut self, option: &str) -> Option<Option<Duration>> {
        let text = self.text(option)?;
        let parsed = match text.strip_prefix('-') {
            Some(size) => duration::parse(size).map(|_| None),
            None => duration::parse(&text).map(Some),
        };
        if parsed.is_none() {
            let message = format!("`{text}` is not a duration");
            self.problem(
                option,
                &message,
                "write a number with a unit, such as \"90s\", \"5m\" or \"1h30m\"",
            );
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use imgc_compiler::types::Type;

    use super::*;

    fn options(entries: &[(&str, Value)]) -> Value {
        Value::object(entries.iter().map(|(name, value)| (*name, value.clone())))
    }

    fn problems(entries: &[(&str, Value)]) -> String {
        let problems = match Settings::read(&options(entries), &Endpoint::default()) {
            Ok(_) => return "none".to_owned(),
            Err(problems) => problems,
        };
        let lines = problems.iter().map(|problem| {
            let option = problem.options.first().map_or("-", String::as_str);
            format!(
                "{option}: {} ({})",
                problem.message,
                problem.help.as_deref().unwrap_or("-")
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn options_of_the_builder_are_called_idle_only_where_it_makes_no_key_pair() {
        let entries = [
            ("ssh_keypair_name", Value::string("ops")),
            (
                "temporary_key_pair_name",
                Value::unknown(imgc_compiler::types::Type::String),
            ),
        ];
        let said = idle("null", &options(&entries));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("`ssh_keypair_name` is for builders"),
            "{said:?}"
        );
        assert_eq!(idle("amazon-ebs", &options(&entries)), [""; 0]);
    }

    #[test]
    fn defaults_are_those_of_packer() {
        let entries = [
            ("ssh_host", Value::string("h")),
            ("ssh_username", Value::string("u")),
            ("ssh_password", Value::string("p")),
        ];
        let settings = Settings::read(&options(&entries), &Endpoint::default())
            .ok()
            .unwrap();
        assert_eq!(settings.target.port, 22);
        assert_eq!(settings.timeout, Duration::from_secs(300));
        assert_eq!(settings.handshake_attempts, 10);
        assert_eq!(settings.keep_alive, Some(Duration::from_secs(5)));
        assert_eq!(settings.policy, HostKeyPolicy::Verify);
        assert!(!settings.pty && !settings.forward_agent && settings.notes.is_empty());
    }

    #[test]
    fn the_template_comes_before_the_builder() {
        let endpoint = Endpoint {
            host: Some("from-builder".to_owned()),
            port: Some(2222),
            user: Some("builder".to_owned()),
            private_key: Some("/run/key".into()),
            host_keys: vec!["ssh-ed25519 AAAA".to_owned()],
        };
        let entries = [
            ("ssh_host", Value::string("h")),
            ("ssh_timeout", Value::string("90s")),
        ];
        let settings = Settings::read(&options(&entries), &endpoint).ok().unwrap();
        assert_eq!(settings.target.host, "h");
        assert_eq!(settings.target.port, 2222);
        assert_eq!(settings.target.user, "builder");
        assert_eq!(settings.timeout, Duration::from_secs(90));
        assert_eq!(settings.vouched.len(), 1);
    }

    #[test]
    fn missing_parts_are_named() {
        insta::assert_snapshot!(problems(&[]), @r#"
        ssh_host: it is not known which machine to connect to (write `ssh_host = "…"`)
        ssh_username: it is not known as which user to log in (write `ssh_username = "…"`)
        ssh_private_key_file: there is no way to log in (give one of `ssh_private_key_file`, `ssh_password` and `ssh_agent_auth = true`)
        "#);
    }

    #[test]
    fn each_wrong_option_is_named() {
        insta::assert_snapshot!(problems(&[
            ("ssh_host", Value::string("-oProxyCommand=x")),
            ("ssh_username", Value::string("u v")),
            ("ssh_agent_auth", Value::bool(true)),
            ("ssh_port", Value::number(70_000)),
            ("ssh_timeout", Value::string("5 minutes")),
            ("host_key", Value::string("maybe")),
            ("ssh_local_tunnels", Value::strings(["8080"])),
            ("ssh_ciphers", Value::strings(["aes,none"])),
            ("ssh_file_transfer_method", Value::string("ftp")),
            ("ssh_bastion_interactive", Value::bool(true)),
            ("ssh_clear_authorized_keys", Value::bool(true)),
            ("ssh_private_key", Value::strings(["x"])),
            ("ssh_bastion_host", Value::string("b")),
            ("ssh_proxy_host", Value::string("p")),
        ]), @r#"
        ssh_bastion_interactive: `ssh_bastion_interactive` is not supported: nobody may be there to answer (give `ssh_bastion_password`, `ssh_bastion_private_key_file` or `ssh_bastion_agent_auth = true`)
        ssh_private_key: `ssh_private_key` is not an option for templates (write the key to a file and give `ssh_private_key_file`)
        ssh_port: `ssh_port` is 70000 (write a whole number from 0 to 65535)
        ssh_host: `-oProxyCommand=x` is not a host name (write the name or the address alone)
        ssh_username: `u v` is not a login name (write the name alone)
        ssh_bastion_username: it is not known as which user to log in (write `ssh_bastion_username = "…"`)
        ssh_bastion_private_key_file: there is no way to log in (give one of `ssh_bastion_private_key_file`, `ssh_bastion_password` and `ssh_bastion_agent_auth = true`)
        ssh_proxy_host: a bastion and a proxy cannot be used together (take one of `ssh_bastion_host` and `ssh_proxy_host` away)
        ssh_timeout: `5 minutes` is not a duration (write a number with a unit, such as "90s", "5m" or "1h30m")
        host_key: `maybe` is not a policy for host keys (write "verify", "strict" or "insecure")
        ssh_ciphers: `aes,none` is not the name of an algorithm (`ssh -Q cipher` and `ssh -Q kex` list the names)
        ssh_local_tunnels: `8080` is not a tunnel (write `PORT:HOST:HOSTPORT`, such as "8080:localhost:80")
        ssh_file_transfer_method: `ftp` is not a way to transfer files (write "scp" or "sftp", or leave it out)
        "#);
    }

    #[test]
    fn what_is_unknown_until_run_time_is_no_problem_before() {
        let entries = [
            ("ssh_host", Value::unknown(Type::String)),
            ("ssh_port", Value::unknown(Type::Number)),
        ];
        assert_eq!(check(&options(&entries)), Vec::new());
    }
}
