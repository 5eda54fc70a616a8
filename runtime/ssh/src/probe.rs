//! What is known about one attempt to connect, in the order in which it happens.
//!
//! In: what became of the TCP connection, and the lines that `ssh` writes at log level `DEBUG1`. Out: how far it came
//! ([`Stage`]), why it went no further ([`Cause`]), and a text for people. The messages are OpenSSH's; they have been stable
//! for many years, and a line that is not known only makes the answer less exact.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing is known yet.
    Started,
    /// The name has an address.
    Resolved,
    /// There is a TCP connection.
    Connected,
    /// The other side has introduced itself as an ssh server.
    Greeted,
    /// Its host key is known (accepted or not).
    Identified,
    /// It has accepted the user.
    Authenticated,
    /// Commands can be run.
    Ready,
}

/// Why an attempt went no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The name has no address.
    Name,
    /// Nothing listens there.
    Refused,
    /// There is no way to the address.
    Unreachable,
    /// No answer to the attempt to connect.
    NoAnswer,
    /// Connected, but no ssh server introduces itself.
    NoBanner,
    /// The other side hung up before the login.
    Closed,
    /// No algorithm in common.
    Negotiation(String),
    /// The host key is not the one that is known.
    HostKeyChanged,
    /// The host key is not known, and it has to be.
    HostKeyUnknown,
    /// The host key has been revoked.
    HostKeyRevoked,
    /// The user is not accepted.
    Authentication,
    /// `ssh` does not accept an option.
    Options(String),
    /// A tunnel cannot be made.
    Tunnel(String),
    /// Something else, in the words of `ssh`.
    Other(String),
}

/// How a connection ended that was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The other side did not answer any more.
    Silent,
    /// The other side hung up.
    Closed,
}

impl Cause {
    /// Whether trying again can help although nothing is changed: the machine may still be starting.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Name
                | Self::Refused
                | Self::Unreachable
                | Self::NoAnswer
                | Self::NoBanner
                | Self::Closed
                | Self::Other(_)
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name cannot be resolved",
            Self::Refused => "connection refused: nothing listens on the port",
            Self::Unreachable => "there is no route to the address",
            Self::NoAnswer => "no answer",
            Self::NoBanner => "the port is open, but no ssh server answers on it",
            Self::Closed => "the connection was closed before the login",
            Self::HostKeyChanged => "the host key is not the one that is known",
            Self::HostKeyUnknown => "the host key is not known",
            Self::HostKeyRevoked => "the host key has been revoked",
            Self::Authentication => "the login was refused",
            Self::Negotiation(text)
            | Self::Options(text)
            | Self::Tunnel(text)
            | Self::Other(text) => text,
        })
    }
}

/// The report of one attempt; its `Display` is a list with one line per stage.
#[derive(Clone, Debug)]
pub struct Probe {
    target: String,
    stage: Stage,
    address: Option<String>,
    banner: Option<String>,
    host_key: Option<String>,
    offered: Vec<String>,
    tried: Vec<String>,
    accepted_methods: Option<String>,
    key_problems: Vec<String>,
    cause: Option<Cause>,
    changed: bool,
    unclear: Option<String>,
    end: Option<End>,
    asked: Option<Instant>,
    round_trip: Option<Duration>,
}

/// What `ssh` says when the other side ends a connection.
const HUNG_UP: [&str; 4] = [
    "closed by remote host",
    "Connection reset",
    "Broken pipe",
    "Received disconnect",
];

impl Probe {
    /// Nothing is known yet about `target` (`user@host:port`).
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            stage: Stage::Started,
            address: None,
            banner: None,
            host_key: None,
            offered: Vec::new(),
            tried: Vec::new(),
            accepted_methods: None,
            key_problems: Vec::new(),
            cause: None,
            changed: false,
            unclear: None,
            end: None,
            asked: None,
            round_trip: None,
        }
    }

    /// How far it came.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Why it ended; a guess from the stage where `ssh` did not say.
    pub fn cause(&self) -> Cause {
        if let Some(cause) = &self.cause {
            return cause.clone();
        }
        match self.stage {
            Stage::Started => match &self.unclear {
                Some(text) => Cause::Other(text.clone()),
                None => Cause::NoAnswer,
            },
            Stage::Resolved => Cause::NoAnswer,
            // Also where `ssh` itself cannot run.
            Stage::Connected => match &self.unclear {
                Some(text) => Cause::Other(text.clone()),
                None => Cause::NoBanner,
            },
            _ => match &self.unclear {
                Some(text) => Cause::Other(text.clone()),
                None => Cause::Closed,
            },
        }
    }

    /// How the connection ended, where `ssh` has said so.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// The host key as `ssh` names it: type and fingerprint.
    pub fn host_key(&self) -> Option<&str> {
        self.host_key.as_deref()
    }

    /// Time from question to answer, the shortest seen while connecting. The TCP connection itself does not count: a
    /// proxy or a virtual network may accept it from nearby.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// What was offered to the server to log in, for a message: keys, then other methods.
    pub fn tried(&self) -> String {
        let keys = self.offered.iter().map(|key| format!("key {key}"));
        let methods = self.tried.iter().filter(|method| *method != "publickey");
        let all: Vec<_> = keys
            .chain(methods.cloned())
            .chain(self.key_problems.iter().cloned())
            .collect();
        if all.is_empty() {
            "nothing that the server accepts".to_owned()
        } else {
            all.join(", ")
        }
    }

    /// Methods that the server would accept.
    pub fn accepted_methods(&self) -> Option<&str> {
        self.accepted_methods.as_deref()
    }

    /// Takes one line of the log into account.
    pub(crate) fn learn(&mut self, line: &str) {
        let line = line.trim_end();
        match line.strip_prefix("debug1: ") {
            Some(line) => self.learn_debug(line),
            None if line.starts_with("debug") => {}
            None => self.learn_message(line),
        }
    }

    /// The name has this address, which is tried now.
    pub(crate) fn resolved(&mut self, address: IpAddr) {
        self.reach(Stage::Resolved);
        self.address = Some(address.to_string());
    }

    /// There is a connection to it.
    pub(crate) fn connected(&mut self) {
        self.reach(Stage::Connected);
    }

    /// There is none, to no address.
    pub(crate) fn failed(&mut self, cause: Cause) {
        self.cause.get_or_insert(cause);
    }

    fn learn_debug(&mut self, line: &str) {
        if line.starts_with("Connecting to ") {
            self.reach(Stage::Resolved);
            self.address = between(line, " [", "] ").map(str::to_owned);
        } else if line.starts_with("Connection established") {
            self.reach(Stage::Connected);
        } else if let Some(version) = line.strip_prefix("Remote protocol version ") {
            self.reach(Stage::Greeted);
            self.banner = version
                .split_once("software version ")
                .map(|(_, name)| name.to_owned());
        } else if line.starts_with("expecting SSH2_MSG_KEX") {
            self.asked = Some(Instant::now());
        } else if line.starts_with("SSH2_MSG_KEX_") || line.starts_with("Server accepts key") {
            self.answered();
        } else if let Some(key) = line.strip_prefix("Server host key: ") {
            self.reach(Stage::Identified);
            self.host_key = Some(key.to_owned());
        } else if let Some(key) = line.strip_prefix("Offering public key: ") {
            let words: Vec<_> = key.split(' ').collect();
            self.asked = Some(Instant::now());
            self.offered
                .push(words.iter().take(3).copied().collect::<Vec<_>>().join(" "));
        } else if let Some(method) = line.strip_prefix("Next authentication method: ") {
            self.tried.push(method.to_owned());
        } else if let Some(methods) = line.strip_prefix("Authentications that can continue: ") {
            self.accepted_methods = Some(methods.to_owned());
        } else if line.starts_with("Authentication succeeded") {
            self.reach(Stage::Authenticated);
        } else if line.starts_with("Entering interactive session") {
            self.reach(Stage::Ready);
        }
    }

    fn learn_message(&mut self, line: &str) {
        if self.stage >= Stage::Ready {
            self.end = self.end.or(match line {
                line if line.starts_with("Timeout, server ") => Some(End::Silent),
                line if HUNG_UP.iter().any(|words| line.contains(words)) => Some(End::Closed),
                _ => None,
            });
        }
        let cause = if line.starts_with("Authenticated to ") {
            return self.reach(Stage::Authenticated);
        } else if line.contains("Could not resolve hostname") {
            Cause::Name
        } else if line.contains("connect to host") || line.contains("connect to address") {
            match line.rsplit(": ").next().unwrap_or_default() {
                "Connection refused" => Cause::Refused,
                "No route to host" | "Network is unreachable" | "Host is down" => {
                    Cause::Unreachable
                }
                "Connection timed out" | "Operation timed out" => Cause::NoAnswer,
                _ => Cause::Other(line.to_owned()),
            }
        } else if line.contains("during banner exchange")
            || line.contains("Timeout before authentication")
        {
            if self.stage >= Stage::Greeted {
                Cause::Closed
            } else {
                Cause::NoBanner
            }
        } else if line.starts_with("Unable to negotiate") {
            Cause::Negotiation(line.to_owned())
        } else if line.contains("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            self.changed = true;
            return;
        } else if line.contains("REVOKED HOST KEY") {
            Cause::HostKeyRevoked
        } else if line.contains("host key is known for") && line.starts_with("No ") {
            Cause::HostKeyUnknown
        } else if line.starts_with("Host key verification failed")
            || line.starts_with("Host key for ")
        {
            if self.changed {
                Cause::HostKeyChanged
            } else {
                Cause::HostKeyUnknown
            }
        } else if line.contains("Permission denied (")
            || line.contains("Too many authentication failures")
        {
            Cause::Authentication
        } else if line.starts_with("Load key ") || line.contains("UNPROTECTED PRIVATE KEY") {
            self.key_problems.push(line.to_owned());
            return;
        } else if line.starts_with("command-line") || line.starts_with("Bad SSH2") {
            Cause::Options(line.to_owned())
        } else if line.contains("forwarding failed")
            || line.starts_with("Could not request local forwarding")
        {
            Cause::Tunnel(line.to_owned())
        } else if line.starts_with("kex_exchange_identification")
            || line.starts_with("banner exchange")
        {
            Cause::Closed
        } else {
            if line.starts_with("ssh: ")
                || line.contains("onnection")
                || line.contains("isconnect")
                || line.starts_with("Timeout")
            {
                self.unclear = Some(line.to_owned());
            }
            return;
        };
        self.cause.get_or_insert(cause);
    }

    fn reach(&mut self, stage: Stage) {
        self.stage = self.stage.max(stage);
        if self.stage >= Stage::Connected {
            // What an earlier address of the same name answered no longer matters.
            self.cause = None;
        }
    }

    fn answered(&mut self) {
        if let Some(since) = self.asked.take() {
            let time = since.elapsed();
            self.round_trip = Some(self.round_trip.map_or(time, |known| known.min(time)));
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = [
            (
                Stage::Resolved,
                "name",
                self.address.as_deref().unwrap_or("resolved"),
            ),
            (Stage::Connected, "connection", "established"),
            (
                Stage::Greeted,
                "ssh server",
                self.banner.as_deref().unwrap_or("answers"),
            ),
            (
                Stage::Identified,
                "host key",
                self.host_key.as_deref().unwrap_or("received"),
            ),
            (Stage::Authenticated, "login", "accepted"),
            (Stage::Ready, "session", "open"),
        ];
        write!(f, "{}", self.target)?;
        let cause = self.cause();
        let failed_at = match cause {
            Cause::HostKeyChanged | Cause::HostKeyUnknown | Cause::HostKeyRevoked => {
                Stage::Identified
            }
            _ => stages
                .iter()
                .map(|(stage, _, _)| *stage)
                .find(|stage| *stage > self.stage)
                .unwrap_or(Stage::Ready),
        };
        for (stage, name, text) in stages {
            if stage < failed_at {
                write!(f, "\n  {name}: {text}")?;
            } else if stage == failed_at && self.stage < Stage::Ready {
                write!(f, "\n  {name}: {cause}")?;
                if stage == Stage::Identified
                    && let Some(key) = &self.host_key
                {
                    write!(f, " ({key})")?;
                }
                if stage == Stage::Authenticated {
                    write!(f, "; tried: {}", self.tried())?;
                    if let Some(methods) = &self.accepted_methods {
                        write!(f, "; the server accepts: {methods}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl std::error::Error for Probe {}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(log: &str) -> Probe {
        let mut probe = Probe::new("root@web:22");
        log.lines().for_each(|line| probe.learn(line));
        probe
    }

    #[test]
    fn the_end_of_a_connection_is_that_of_one_that_was_there() {
        let ready = "debug1: Entering interactive session.\n";
        let end = |line: &str| probe(&format!("{ready}{line}")).end();
        assert_eq!(
            end("Timeout, server web not responding.\r"),
            Some(End::Silent)
        );
        assert_eq!(
            end("Connection to web closed by remote host.\r"),
            Some(End::Closed)
        );
        assert_eq!(end("debug1: Timeout, server of somebody"), None);
        assert_eq!(
            probe("Connection reset by 192.0.2.7 port 22").end(),
            None,
            "it was never there"
        );
    }

    #[test]
    fn a_refused_login_lists_what_was_tried() {
        let probe = probe(
            "debug1: Connecting to web [192.0.2.7] port 22.\n\
             debug1: Connection established.\n\
             debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1\n\
             debug1: Server host key: ssh-ed25519 SHA256:abc\n\
             debug1: Authentications that can continue: publickey,password\n\
             debug1: Next authentication method: publickey\n\
             debug1: Offering public key: /k ED25519 SHA256:def explicit\n\
             debug1: Next authentication method: password\n\
             root@web: Permission denied (publickey,password).",
        );
        assert_eq!(probe.cause(), Cause::Authentication);
        insta::assert_snapshot!(probe, @r"
        root@web:22
          name: 192.0.2.7
          connection: established
          ssh server: OpenSSH_9.2p1
          host key: ssh-ed25519 SHA256:abc
          login: the login was refused; tried: key /k ED25519 SHA256:def, password; the server accepts: publickey,password
        ");
    }

    #[test]
    fn a_closed_port_and_a_silent_one_differ() {
        let refused = probe(
            "debug1: Connecting to web [192.0.2.7] port 22.\n\
             debug1: connect to address 192.0.2.7 port 22: Connection refused\n\
             ssh: connect to host web port 22: Connection refused",
        );
        insta::assert_snapshot!(refused, @r"
        root@web:22
          name: 192.0.2.7
          connection: connection refused: nothing listens on the port
        ");
        let silent = probe(
            "debug1: Connecting to web [192.0.2.7] port 22.\n\
             debug1: Connection established.\n\
             Connection timed out during banner exchange",
        );
        assert_eq!(silent.cause(), Cause::NoBanner);
        insta::assert_snapshot!(silent, @r"
        root@web:22
          name: 192.0.2.7
          connection: established
          ssh server: the port is open, but no ssh server answers on it
        ");
    }

    #[test]
    fn the_second_address_of_a_name_counts_when_the_first_refuses() {
        let probe = probe(
            "debug1: Connecting to localhost [::1] port 22.\n\
             debug1: connect to address ::1 port 22: Connection refused\n\
             debug1: Connecting to localhost [127.0.0.1] port 22.\n\
             debug1: Connection established.",
        );
        assert_eq!(probe.cause(), Cause::NoBanner);
    }

    #[test]
    fn a_changed_host_key_and_an_unknown_one_differ() {
        let greeting = "debug1: Connecting to web [192.0.2.7] port 22.\n\
             debug1: Connection established.\n\
             debug1: Remote protocol version 2.0, remote software version X\n\
             debug1: Server host key: ssh-ed25519 SHA256:abc\n";
        let changed = probe(&format!(
            "{greeting}@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
             Host key for [web]:22 has changed and you have requested strict checking.\n\
             Host key verification failed."
        ));
        assert_eq!(changed.cause(), Cause::HostKeyChanged);
        insta::assert_snapshot!(changed, @r"
        root@web:22
          name: 192.0.2.7
          connection: established
          ssh server: X
          host key: the host key is not the one that is known (ssh-ed25519 SHA256:abc)
        ");
        let unknown = probe(&format!(
            "{greeting}No ED25519 host key is known for web and you have requested strict checking.\n\
             Host key verification failed."
        ));
        assert_eq!(unknown.cause(), Cause::HostKeyUnknown);
    }

    #[test]
    fn other_ends_are_told_apart() {
        assert_eq!(
            probe("ssh: Could not resolve hostname web: Name or service not known").cause(),
            Cause::Name
        );
        assert_eq!(
            probe("ssh: connect to host web port 22: No route to host").cause(),
            Cause::Unreachable
        );
        assert_eq!(
            probe("debug1: Connecting to web [192.0.2.7] port 22.\nssh: connect to host web port 22: Connection timed out")
                .cause(),
            Cause::NoAnswer
        );
        assert!(matches!(
            probe("Unable to negotiate with 192.0.2.7 port 22: no matching cipher found.").cause(),
            Cause::Negotiation(_)
        ));
        assert!(matches!(
            probe("Bad SSH2 cipher spec 'x'.").cause(),
            Cause::Options(_)
        ));
    }
}
