//! Waiting until a server lets us in.
//!
//! A machine that is starting refuses, stays silent or hangs up for a while; then one patient connection is often the
//! one that never wakes up. So as soon as an attempt is slow, fresh connections are opened at short intervals and all
//! kept; the first on which a server introduces itself tells that it is time for a fresh attempt.
//!
//! Refused logins are counted apart (`ssh_handshake_attempts`): a new machine may still be installing its keys, but a
//! wrong key does not become right by trying for five minutes. A host key that is not the known one is final.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::dial::dial;
use crate::host_keys::Mode;
use crate::master::{Master, Road, Via};
use crate::probe::{Cause, Probe, Stage};
use imgc_runtime::duration;

/// How long an attempt may stay without a banner before fresh connections are tried beside it.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long a machine that is there takes to accept a connection, and more.
const SOON: Duration = Duration::from_millis(300);
/// Between two fresh connections, at first.
const INTERVAL: Duration = Duration::from_millis(200);
/// How many of them are kept open.
const KEPT: usize = 12;

/// Limits of waiting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// When to give up.
    pub(crate) deadline: Instant,
    /// The same as a length of time, for messages.
    pub(crate) total: Duration,
    /// How many refused logins are too many.
    pub(crate) attempts: u32,
}

/// Connects; goes on trying while that can help.
pub(crate) async fn establish(road: &Road, cx: &Context, limits: Limits) -> Result<Master> {
    let mut refused = 0;
    let mut delay = INTERVAL;
    let mut last_said = None;
    let waiting = cx.waiting(format!("an answer of {}", road.shown()));
    let mut is_checked = false;
    loop {
        let probe = match attempt(road, cx, limits.deadline, &mut is_checked).await? {
            Attempt::Ready(master) => return Ok(*master),
            Attempt::Again => continue,
            Attempt::Failed(probe) => probe,
        };
        let cause = probe.cause();
        waiting.set(format!("{} ({cause})", road.shown()));
        if cause == Cause::Authentication {
            refused += 1;
            if refused >= limits.attempts {
                return Err(failure(road, cx, &probe, refused, None));
            }
            if refused == 1 {
                cx.output.warn(format!(
                    "{} refuses the login ({}); trying up to {} times in case it is still starting",
                    road.shown(),
                    probe.tried(),
                    limits.attempts
                ));
            }
        } else if !cause.is_transient() {
            return Err(failure(road, cx, &probe, refused, None));
        } else if last_said.as_ref() != Some(&cause) && Instant::now() < limits.deadline {
            cx.output
                .detail(format!("waiting for {}: {cause}", road.shown()));
            last_said = Some(cause.clone());
        }
        let greeting = async {
            match (&road.via, &cause) {
                (Via::Direct, Cause::Authentication | Cause::Closed | Cause::Other(_)) => {
                    sleep(delay).await
                }
                (Via::Direct, _) => greeted(&road.hop.host, road.hop.port).await,
                _ => sleep(delay).await,
            }
        };
        tokio::select! {
            () = greeting => {}
            () = sleep_until(limits.deadline) => {}
            () = cx.cancel.cancelled() => return Err(Error::cancelled()),
        }
        if Instant::now() >= limits.deadline {
            return Err(failure(road, cx, &probe, refused, Some(limits.total)));
        }
        delay = (delay * 2).min(Duration::from_secs(5));
    }
}

enum Attempt {
    Ready(Box<Master>),
    /// A fresh connection was answered while this one was not.
    Again,
    Failed(Box<Probe>),
}

/// `is_checked`: whether `ssh` is known to take what it is told.
async fn attempt(
    road: &Road,
    cx: &Context,
    deadline: Instant,
    is_checked: &mut bool,
) -> Result<Attempt> {
    let left = deadline.saturating_duration_since(Instant::now());
    let connect_timeout = left.clamp(Duration::from_secs(1), Duration::from_secs(30));
    let probe = Arc::new(Mutex::new(Probe::new(road.shown())));
    let known = || probe.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let fresh = async {
        sleep(PATIENCE).await;
        if !matches!(road.via, Via::Direct) {
            std::future::pending::<()>().await;
        }
        greeted(&road.hop.host, road.hop.port).await;
        // The first connection may have been answered at the same moment.
        sleep(INTERVAL).await;
        if known().stage() >= Stage::Greeted {
            std::future::pending::<()>().await;
        }
    };
    tokio::pin!(fresh);
    let dialling = async {
        match &road.via {
            Via::Direct => {
                let to = (road.hop.host.as_str(), road.hop.port);
                dial(to, connect_timeout, &probe).await.map(Some)
            }
            Via::Bastion(_) | Via::Relay(_) => Ok(None),
        }
    };
    tokio::pin!(dialling);
    let soon = timeout(SOON, &mut dialling).await.ok();
    if !matches!(soon, Some(Ok(_))) && !std::mem::replace(is_checked, true) {
        road.check(cx, &probe).await?;
        if matches!(known().cause(), Cause::Options(_)) {
            return Ok(Attempt::Failed(Box::new(known())));
        }
    }
    let later = async {
        match soon {
            Some(dialled) => dialled,
            None => dialling.await,
        }
    };
    let dialled = tokio::select! {
        dialled = later => dialled,
        () = &mut fresh => return Ok(Attempt::Again),
        () = sleep_until(deadline) => Err(known().cause()),
        () = cx.cancel.cancelled() => return Err(Error::cancelled()),
    };
    let stream = match dialled {
        Ok(stream) => stream,
        Err(cause) => {
            let mut probe = known();
            probe.failed(cause);
            return Ok(Attempt::Failed(Box::new(probe)));
        }
    };
    let master = Master::start(road, cx, connect_timeout, (stream, Arc::clone(&probe))).await?;
    let ready = tokio::select! {
        ready = master.reached(Stage::Ready) => ready,
        () = fresh => {
            master.stop().await;
            return Ok(Attempt::Again);
        }
        () = sleep_until(deadline) => false,
        () = cx.cancel.cancelled() => {
            master.stop().await;
            return Err(Error::cancelled());
        }
    };
    if ready {
        return Ok(Attempt::Ready(Box::new(master)));
    }
    let probe = known();
    master.stop().await;
    Ok(Attempt::Failed(Box::new(probe)))
}

/// Waits until an ssh server introduces itself on a fresh connection.
async fn greeted(host: &str, port: u16) {
    let mut connections = JoinSet::new();
    let mut interval = INTERVAL;
    loop {
        if connections.len() < KEPT {
            let address = (host.to_owned(), port);
            connections.spawn(async move { banner(address).await });
        }
        tokio::select! {
            Some(Ok(true)) = connections.join_next() => return,
            () = sleep(interval) => {}
        }
        interval = (interval + INTERVAL / 10).min(Duration::from_secs(1));
    }
}

async fn banner(address: (String, u16)) -> bool {
    let read = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let mut seen = Vec::new();
        let mut buffer = [0; 256];
        while seen.len() < 4096 {
            let length = stream
                .read(&mut buffer)
                .await
                .ok()
                .filter(|length| *length > 0)?;
            seen.extend_from_slice(&buffer[..length]);
            if seen.starts_with(b"SSH-") || seen.windows(5).any(|window| window == b"\nSSH-") {
                return Some(());
            }
        }
        None
    };
    timeout(Duration::from_secs(20), read)
        .await
        .ok()
        .flatten()
        .is_some()
}

/// The error for the last attempt; its stages go to the log.
fn failure(
    road: &Road,
    cx: &Context,
    probe: &Probe,
    refused: u32,
    waited: Option<Duration>,
) -> Error {
    cx.output.detail(probe.to_string());
    let shown = road.shown();
    let name = road.name;
    let port_option = if name == "bastion" {
        "ssh_bastion_port"
    } else {
        "ssh_port"
    };
    let cause = probe.cause();
    let (class, id, help) = match &cause {
        Cause::Name => (
            Class::Remote,
            "run/ssh-name",
            "check the host's name; `getent hosts NAME` shows what this machine knows about it".to_owned(),
        ),
        Cause::Refused => (
            Class::Remote,
            "run/ssh-refused",
            format!("check that an ssh server runs on the {name}, and `{port_option}`"),
        ),
        Cause::Unreachable => (
            Class::Remote,
            "run/ssh-unreachable",
            "check the address, the network and the firewall between here and there".to_owned(),
        ),
        Cause::NoAnswer => (
            Class::Timeout,
            "run/ssh-timeout",
            "check the address and that a firewall lets the port through; `ssh_timeout` sets how long to wait".to_owned(),
        ),
        Cause::NoBanner => (
            Class::Timeout,
            "run/ssh-no-banner",
            format!("check that `{port_option}` is the port of an ssh server; `ssh_timeout` sets how long to wait"),
        ),
        Cause::Negotiation(_) => (
            Class::Template,
            "run/ssh-negotiation",
            "`ssh_ciphers` and `ssh_key_exchange_algorithms` choose what is offered".to_owned(),
        ),
        Cause::HostKeyChanged if road.trust().is_vouched() => (
            Class::Remote,
            "run/ssh-host-key",
            format!(
                "the {name} does not have the key that the builder knows of it: somebody may be in between; or give its address \
                 with `ssh_host` and its key in a known_hosts file; or believe whoever answers: `host_key = \"insecure\"`"
            ),
        ),
        Cause::HostKeyChanged => (
            Class::Remote,
            "run/ssh-host-key",
            format!(
                "if the {name} was made anew, remove the old key: `ssh-keygen -R '{}'`; else somebody may be in between",
                crate::host_keys::known_name(&road.hop.host, road.hop.port)
            ),
        ),
        Cause::HostKeyUnknown if road.trust().mode() == Mode::Enforce => (
            Class::Remote,
            "run/ssh-host-key",
            "add the key to `~/.ssh/known_hosts` after checking its fingerprint, or write `host_key = \"verify\"` to pin the first one seen"
                .to_owned(),
        ),
        Cause::HostKeyUnknown | Cause::HostKeyRevoked => {
            (Class::Remote, "run/ssh-host-key", "take another key into use on the machine".to_owned())
        }
        Cause::Authentication => (
            Class::Remote,
            "run/ssh-authentication",
            format!(
                "check the user name and that the {name} knows the key or password{}",
                probe
                    .accepted_methods()
                    .map(|methods| format!("; it accepts: {methods}"))
                    .unwrap_or_default()
            ),
        ),
        Cause::Options(_) => (
            Class::Template,
            "run/ssh-option",
            "`ssh -Q cipher` and `ssh -Q kex` list what this machine's ssh knows".to_owned(),
        ),
        Cause::Tunnel(_) => (
            Class::Remote,
            "run/ssh-tunnel",
            "check that the port of the tunnel is free and the server allows forwarding".to_owned(),
        ),
        Cause::Closed | Cause::Other(_) => (
            Class::Remote,
            "run/ssh-closed",
            format!("the log of the ssh server on the {name} says more"),
        ),
    };
    let target = if name == "bastion" {
        format!("the bastion {shown}")
    } else {
        shown
    };
    let mut message = match &cause {
        Cause::Authentication => format!(
            "{target} refuses the login after {refused} {} (tried: {})",
            if refused == 1 { "attempt" } else { "attempts" },
            probe.tried()
        ),
        Cause::HostKeyChanged | Cause::HostKeyUnknown | Cause::HostKeyRevoked => {
            let key = probe.host_key().unwrap_or("unknown key");
            format!("cannot trust {target}: {cause} (it shows {key})")
        }
        _ => format!("cannot connect to {target}: {cause}"),
    };
    if let Some(total) = waited {
        message.push_str(&format!(" (gave up after {})", duration::short(total)));
    }
    // It has been waited for as long as the options say.
    Error::new(class, id, message).help(help).permanent()
}
