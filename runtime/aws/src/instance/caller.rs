//! The address this machine has for the instance: who may come in.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use imgc_runtime::error::{Class, Error, Result};

use crate::account::Account;

/// Amazon's service that tells callers their address.
const SERVICE: &str = "https://checkip.amazonaws.com/";
const LIMIT: Duration = Duration::from_secs(10);

/// The caller's own address as a range. Where EC2 is asked at another place than Amazon's (a private cloud, a test), it is
/// the address this machine has on the way there.
pub(crate) async fn address(account: &Account) -> Result<String> {
    let found = match account.endpoint() {
        Some(endpoint) => on_the_way(endpoint).await,
        None => asked().await,
    };
    match found {
        Ok(address) => Ok(range(address)),
        Err(why) => Err(Error::new(
            Class::Environment,
            "run/aws-network",
            format!("this machine's public address cannot be found: {why}"),
        )
        .help(
            "say who may reach the instance: temporary_security_group_source_cidrs = [\"203.0.113.7/32\"]",
        )),
    }
}

fn range(address: IpAddr) -> String {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    format!("{address}/{bits}")
}

/// The address of this machine on the way to an endpoint. No packet is sent.
async fn on_the_way(endpoint: &str) -> Result<IpAddr, String> {
    let authority = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let said = |error: std::io::Error| error.to_string();
    let mut there = tokio::net::lookup_host((host, 443)).await.map_err(said)?;
    let there: SocketAddr = there.next().ok_or("its name has no address")?;
    let any: SocketAddr = match there.is_ipv4() {
        true => ([0, 0, 0, 0], 0).into(),
        false => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = tokio::net::UdpSocket::bind(any).await.map_err(said)?;
    socket.connect(there).await.map_err(said)?;
    Ok(socket.local_addr().map_err(said)?.ip())
}

async fn asked() -> Result<IpAddr, String> {
    let asked = tokio::task::spawn_blocking(|| {
        let agent = ureq::Agent::config_builder().timeout_global(Some(LIMIT));
        let agent = agent.build().new_agent();
        let answer = agent.get(SERVICE).call();
        let mut answer = answer.map_err(|error| format!("{SERVICE} cannot be asked: {error}"))?;
        let text = answer.body_mut().read_to_string();
        text.map_err(|error| format!("{SERVICE} cannot be asked: {error}"))
    });
    let text = asked.await.map_err(|error| error.to_string())??;
    text.trim()
        .parse()
        .map_err(|_| format!("{SERVICE} answers something else than an address"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn on_the_way_to_loopback_the_address_is_loopback() {
        for endpoint in [
            "http://127.0.0.1:4566",
            "http://127.0.0.1:4566/x",
            "127.0.0.1",
        ] {
            let address = on_the_way(endpoint).await.unwrap();
            assert_eq!(range(address), "127.0.0.1/32");
        }
        let address = on_the_way("http://[::1]:4566").await.unwrap();
        assert_eq!(range(address), "::1/128");
    }
}
