//! The host keys that an instance prints on its console when it boots: the way to know them where user data cannot bring ours.

use std::time::Duration;

use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use tokio::time::Instant;

use crate::error::failed;
use crate::region::RegionClient;

/// What cloud-init and Amazon's own agents put around the keys.
const BEGIN: &str = "-----BEGIN SSH HOST KEY KEYS-----";
const END: &str = "-----END SSH HOST KEY KEYS-----";

const ACTION: &str = "GetConsoleOutput";
const ATTEMPT: &str = "read the console";
/// Between two looks: the console of an old instance type is brought in every few minutes, of others at once.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

/// Waits until the console has the keys, for at most `limit`. As in `known_hosts`, without the host.
pub(crate) async fn host_keys(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    limit: Duration,
) -> Result<Vec<String>> {
    let _waiting = cx.waiting(format!("the host keys on the console of {id}"));
    let begun = Instant::now();
    let mut pause = FIRST;
    let mut latest = true;
    loop {
        if let Some(keys) = read(region, id, &mut latest)
            .await?
            .as_deref()
            .and_then(parse)
        {
            return Ok(keys);
        }
        if begun.elapsed() + pause > limit {
            return Err(Error::new(
                Class::Remote,
                "run/aws-host-key",
                format!("the console of the instance {id} does not tell its host key"),
            )
            .help(
                "let cloud-init read the user data, so that the key comes from here; or give the address yourself with \
                 `ssh_host` and the key with a known_hosts file; or believe whoever answers: `host_key = \"insecure\"`",
            ));
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cx.cancel.cancelled() => return Err(Error::cancelled()),
        }
        pause = (pause * 3 / 2).min(LONGEST);
    }
}

/// What the console says by now. `latest` asks for what it says this very moment, which old instance types do not know.
async fn read(region: &RegionClient, id: &str, latest: &mut bool) -> Result<Option<String>> {
    loop {
        let request = region.ec2().get_console_output().instance_id(id);
        let request = request.set_latest(latest.then_some(true)).send();
        let error = match region.ask(request).await {
            Ok(answer) => {
                let bytes = answer.output.and_then(|text| STANDARD.decode(text).ok());
                return Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
            }
            Err(error) => error,
        };
        let code = error.code().unwrap_or_default().to_owned();
        match *latest {
            true if code.starts_with("Unsupported") => *latest = false,
            // An instance that was just started may not be seen yet.
            _ if code.ends_with(".NotFound") => return Ok(None),
            _ => return Err(failed(ACTION, ATTEMPT, &error)),
        }
    }
}

/// The keys of a console that has printed all of them; the last ones where it has booted more than once.
fn parse(console: &str) -> Option<Vec<String>> {
    let (_, rest) = console.rsplit_once(BEGIN)?;
    let (keys, _) = rest.split_once(END)?;
    let keys = keys.lines().filter_map(|line| {
        // A console may put words of the logger before the key.
        let mut words = line.split_whitespace();
        let kind = words.find(|word| word.starts_with("ssh-") || word.starts_with("ecdsa-"))?;
        Some(format!("{kind} {}", words.next()?))
    });
    let keys: Vec<String> = keys.collect();
    (!keys.is_empty()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_when_all_of_them_are_there() {
        let console = "[ 0.0] Linux\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n\
                       ecdsa-sha2-nistp256 AAAAE root@ip-10-0-0-7\r\nec2: ssh-ed25519 AAAAC root@ip-10-0-0-7\r\n";
        assert_eq!(parse(console), None);
        let whole = format!("{console}-----END SSH HOST KEY KEYS-----\r\nlogin: ");
        let keys = vec![
            "ecdsa-sha2-nistp256 AAAAE".to_owned(),
            "ssh-ed25519 AAAAC".to_owned(),
        ];
        assert_eq!(parse(&whole), Some(keys));
        assert_eq!(parse(""), None);
    }
}
