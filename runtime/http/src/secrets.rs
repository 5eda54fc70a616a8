//! What HashiCorp's Vault and Consul keep, for the functions `vault` and `consul_key`.
//!
//! In: what is asked for, and the environment, which says where the server is and who asks. Out: the value in clear, whose
//! keeping secret is the caller's part, or why there is none; no error holds a token or any part of a value.

mod consul;
mod vault;

pub use consul::consul_key;
pub use vault::vault;

use ureq::http::{Request, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::client;

/// The environment: the value of a variable, if it is set.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The most bytes of an answer that are read: neither server keeps values larger than a few MiB.
const MAX_ANSWER: u64 = 16 << 20;

/// A variable that is set to something.
fn set(env: Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

/// A variable that is set to something true, as Go reads it.
fn truth(env: Env<'_>, name: &str) -> Option<bool> {
    match set(env, name)?.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

/// Which certificates are trusted.
struct Trust {
    roots: RootCerts,
    verify: bool,
}

impl Trust {
    /// The system's, or those of the PEM file that the variable `file` names.
    fn from_env(env: Env<'_>, file: &str, verify: bool) -> Result<Self, String> {
        let roots = match set(env, file) {
            None => RootCerts::PlatformVerifier,
            Some(path) => RootCerts::from(
                certificates(&path).map_err(|reason| format!("`{file}`: {path}: {reason}"))?,
            ),
        };
        Ok(Self { roots, verify })
    }
}

fn certificates(path: &str) -> Result<Vec<Certificate<'static>>, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| "this is not PEM".to_owned())? {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err("there is no certificate in it".to_owned()),
        false => Ok(found),
    }
}

/// Sends a request with secret headers; they go to this server and no other, so redirections are not followed.
fn send(server: &str, request: Request<()>, trust: Trust) -> Result<(StatusCode, Vec<u8>), String> {
    let failed = |error: ureq::Error| {
        let (reason, _) = client::explain(&error);
        format!("{server} cannot be asked: {reason}")
    };
    let agent = client::agent_that_trusts(trust.roots, trust.verify, 0);
    let mut answer = agent.run(request).map_err(failed)?;
    let status = answer.status();
    if status.is_redirection() {
        let place = answer.headers().get("location");
        let place = place.and_then(|place| place.to_str().ok());
        return Err(format!(
            "{server} says to ask elsewhere: {}",
            place.unwrap_or("without saying where")
        ));
    }
    let body = answer.body_mut().with_config().limit(MAX_ANSWER);
    Ok((status, body.read_to_vec().map_err(failed)?))
}

/// A path in a URL, its parts encoded, its slashes kept.
fn encoded(path: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'/')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(path, KEPT).to_string()
}
