//! The last part of the way: the port, who answers there, the login.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Case, Link, Verdict};

/// How long a connection is waited for, and then what is said on it.
const PATIENCE: Duration = Duration::from_secs(4);
/// The longest line that a server may introduce itself with.
const BANNER: usize = 255;

/// Port, banner, login; and whether anything has answered, so that the network on the way lets it through.
pub(super) async fn links(case: &Case<'_>, reachable: bool) -> (Vec<Link>, bool) {
    let (mut links, answered) = match (case.host, case.way.direct && reachable) {
        (Some(host), true) => knock(host, case.way.port).await,
        _ => {
            let why = match case.way.direct {
                true => "there is nothing to connect to",
                false => "not asked: the way leads through another machine",
            };
            let links = ["port", "banner"].map(|what| Link::skipped(what, why));
            (links.to_vec(), false)
        }
    };
    let introduced = links.iter().all(|link| link.verdict == Verdict::Good);
    links.push(login(case, introduced));
    (links, answered)
}

async fn knock(host: &str, port: u16) -> (Vec<Link>, bool) {
    let silent = |why: &str| Link::skipped("banner", why.to_owned());
    let stream = match timeout(PATIENCE, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let help = match error.kind() {
                std::io::ErrorKind::ConnectionRefused => {
                    "no ssh server runs there, or not on this port: `ssh_port`; see what the console says"
                }
                _ => "check the address and the way there",
            };
            let answered = error.kind() == std::io::ErrorKind::ConnectionRefused;
            let port = Link::bad("port", format!("{port}: {error}"), help);
            return (vec![port, silent("no connection")], answered);
        }
        Err(_) => {
            let text = format!("{port}: no answer within {} s", PATIENCE.as_secs());
            let help = "something on the way drops what is sent: a firewall on this side, or one in the machine";
            return (
                vec![Link::bad("port", text, help), silent("no connection")],
                false,
            );
        }
    };
    let open = Link::good("port", format!("{port}: open"));
    let banner = timeout(PATIENCE, banner(stream)).await;
    match banner.ok().flatten() {
        Some(line) => (vec![open, Link::good("banner", line)], true),
        None => {
            let help = "what listens there is no ssh server, or one that is not ready";
            let bad = Link::bad("banner", "no ssh server introduces itself", help);
            (vec![open, bad], true)
        }
    }
}

/// The line with which an ssh server introduces itself.
async fn banner(mut stream: TcpStream) -> Option<String> {
    let mut seen = Vec::new();
    let mut buffer = [0; BANNER];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        let whole = text
            .split_inclusive('\n')
            .find(|line| line.starts_with("SSH-") && line.ends_with('\n'));
        if let Some(line) = whole {
            return Some(line.trim_end().to_owned());
        }
        if seen.len() > 8 * BANNER {
            return None;
        }
        let length = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|length| *length > 0)?;
        seen.extend_from_slice(&buffer[..length]);
    }
}

/// What the failure says of the login.
fn login(case: &Case<'_>, introduced: bool) -> Link {
    const WHAT: &str = "login";
    let text = case.failure.message.clone();
    match case.failure.id {
        "run/ssh-authentication" => Link::bad(
            WHAT,
            text,
            "check `ssh_username` (ubuntu, ec2-user, admin, …) and, where the template brings them, key and password",
        ),
        "run/ssh-host-key" => Link::bad(
            WHAT,
            text,
            "the machine does not show the key that was given to it: its image has no cloud-init, or somebody is in between",
        ),
        "run/ssh-negotiation" => Link::bad(WHAT, text, "the two sides have no algorithm in common"),
        _ if introduced => Link::open(WHAT, text),
        _ => Link::skipped(WHAT, "not tried"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_runtime::error::{Class, Error};
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::diagnose::Way;

    async fn verdicts(host: &str, port: u16, failure: &Error) -> Vec<Verdict> {
        let case = Case {
            instance: "i-1",
            host: Some(host),
            way: Way { port, direct: true },
            failure,
        };
        let (links, _) = links(&case, true).await;
        links.iter().map(|link| link.verdict).collect()
    }

    #[tokio::test]
    async fn a_closed_port_a_mute_one_and_a_refused_login_are_told_apart() {
        let refused = Error::new(Class::Remote, "run/ssh-authentication", "refused");
        let other = Error::new(Class::Remote, "run/ssh-closed", "closed");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-Test\r\n").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            drop(stream);
        });
        let good = verdicts("127.0.0.1", port, &refused).await;
        assert_eq!(good, [Verdict::Good, Verdict::Good, Verdict::Bad]);
        let mute = verdicts("127.0.0.1", port, &other).await;
        assert_eq!(mute, [Verdict::Good, Verdict::Bad, Verdict::Skipped]);
        serve.await.unwrap();
        let closed = verdicts("127.0.0.1", port, &other).await;
        assert_eq!(closed, [Verdict::Bad, Verdict::Skipped, Verdict::Skipped]);
    }
}
