//! The TCP connection under a control master, made here: `ssh` takes it as its input and output (`ProxyCommand=-`).
//!
//! In: a host and a port. Out: the connection, or the [`Cause`] why there is none; how far it came is in the [`Probe`].
//!
//! OpenSSH lets the kernel hold back short segments (Nagle, RFC 896) until the login, and whoever gets them acknowledges late
//! (RFC 1122, 4.2.3.2; Linux takes 40 ms). Where one waits for the other, each turn of the greeting costs these 40 ms. So a connection of
//! ours holds nothing back ([`TcpSocket::set_nodelay`]), and over the loopback interface, whose segments are so long that Linux soon
//! stops acknowledging at once, it is made to ([`hurry`]) until the first command runs; from then on the server holds nothing back.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use tokio::net::{TcpSocket, lookup_host};
use tokio::time::timeout;

use crate::probe::{Cause, Probe};

/// How long a connection is hurried at most, and how often. One that has no command by then is slow for other reasons.
const HURRY: Duration = Duration::from_millis(250);
const STEP: Duration = Duration::from_millis(3);

/// Connects to the first address of a host that answers within `patience`.
pub(crate) async fn dial(
    (host, port): (&str, u16),
    patience: Duration,
    probe: &Mutex<Probe>,
) -> Result<TcpStream, Cause> {
    let found = timeout(patience, lookup_host((host, port))).await;
    let found = found.ok().and_then(Result::ok).into_iter().flatten();
    dial_any(found, patience, probe).await
}

async fn dial_any(
    addresses: impl Iterator<Item = SocketAddr>,
    patience: Duration,
    probe: &Mutex<Probe>,
) -> Result<TcpStream, Cause> {
    let note = |what: &dyn Fn(&mut Probe)| {
        what(&mut probe.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let mut failed: Option<(SocketAddr, Cause)> = None;
    for address in addresses {
        note(&|probe| probe.resolved(address.ip()));
        let cause = match timeout(patience, connect(address)).await {
            Ok(Ok(stream)) => {
                note(&Probe::connected);
                return Ok(stream);
            }
            Ok(Err(error)) => cause_of(address, &error),
            Err(_) => Cause::NoAnswer,
        };
        // The first one is what most people mean by the name, unless this machine cannot use it at all.
        if matches!(failed, None | Some((_, Cause::Other(_)))) {
            failed = Some((address, cause));
        }
    }
    let Some((address, cause)) = failed else {
        return Err(Cause::Name);
    };
    note(&|probe| probe.resolved(address.ip()));
    Err(cause)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As OpenSSH does it (`TCPKeepAlive`).
    socket.set_keepalive(true)?;
    socket.set_nodelay(true)?;
    let stream = socket.connect(address).await?.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn cause_of(address: SocketAddr, error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Cause::Unreachable,
        io::ErrorKind::TimedOut => Cause::NoAnswer,
        _ if error.raw_os_error() == Some(Errno::EHOSTDOWN as i32) => Cause::Unreachable,
        _ => Cause::Other(format!("connect to {address}: {error}")),
    }
}

/// Has the kernel acknowledge at once, for a while. The connection is closed here when this ends.
#[cfg(target_os = "linux")]
pub(crate) async fn hurry(stream: TcpStream) {
    use std::os::linux::net::TcpStreamExt as _;

    let hurrying = async {
        // It is forgotten with the next answer.
        while stream.set_quickack(true).is_ok() {
            tokio::time::sleep(STEP).await;
        }
    };
    let _ = timeout(HURRY, hurrying).await;
}

/// Other systems have no word for it.
#[cfg(not(target_os = "linux"))]
pub(crate) async fn hurry(_: TcpStream) {
    let _ = (HURRY, STEP);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::probe::Stage;

    async fn dialled(host: &str, port: u16) -> (Result<TcpStream, Cause>, Probe) {
        let probe = Mutex::new(Probe::new("root@web:22"));
        let patience = Duration::from_secs(10);
        let stream = dial((host, port), patience, &probe).await;
        (stream, probe.into_inner().unwrap())
    }

    #[tokio::test]
    async fn how_far_it_came_is_known() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stream, probe) = dialled("127.0.0.1", port).await;
        assert!(stream.unwrap().nodelay().unwrap());
        assert_eq!(probe.stage(), Stage::Connected);
        drop(listener);
        let (stream, probe) = dialled("127.0.0.1", port).await;
        assert_eq!(stream.unwrap_err(), Cause::Refused);
        assert_eq!(probe.stage(), Stage::Resolved);
        let (stream, probe) = dialled("no.such.host.invalid", port).await;
        assert_eq!(stream.unwrap_err(), Cause::Name);
        assert_eq!(probe.stage(), Stage::Started);
    }

    #[tokio::test]
    async fn another_address_of_the_name_is_tried() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        // On Linux all of 127.0.0.0/8 is this machine's.
        let refuses = SocketAddr::from(([127, 0, 0, 2], there.port()));
        let probe = Mutex::new(Probe::new("root@web:22"));
        let patience = Duration::from_secs(10);
        let stream = dial_any([refuses, there].into_iter(), patience, &probe).await;
        assert_eq!(stream.unwrap().peer_addr().unwrap(), there);

        let free = SocketAddr::from(([127, 0, 0, 3], there.port()));
        let failed = dial_any([refuses, free].into_iter(), patience, &probe).await;
        assert_eq!(failed.unwrap_err(), Cause::Refused);
        let said = Probe::clone(&probe.lock().unwrap()).to_string();
        assert!(said.contains("name: 127.0.0.2"), "{said}");
    }
}
