//! One client with limits: nothing that is looked up may keep a command waiting for ever, or fill the memory.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(20);

/// How long a whole exchange may take, redirections included.
const WHOLE: Duration = Duration::from_secs(120);

/// The most bytes of an answer that are read.
pub(crate) const MAX_ANSWER: u64 = 64 << 20;

/// A client that trusts whom the system trusts; `redirections` is how many are followed.
pub(crate) fn agent(redirections: u32) -> Agent {
    agent_that_trusts(RootCerts::PlatformVerifier, true, redirections)
}

/// A client that trusts the given certificates. `verify` is false where the user has asked not to check any.
pub(crate) fn agent_that_trusts(roots: RootCerts, verify: bool, redirections: u32) -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(roots)
        .disable_verification(!verify)
        .build();
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(redirections)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(WHOLE))
        .user_agent(concat!("imgc/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .build()
        .into()
}

/// What went wrong before there was an answer, with the way out.
pub(crate) fn explain(error: &ureq::Error) -> (String, &'static str) {
    match error {
        ureq::Error::HostNotFound => (
            "the host's name has no address".to_owned(),
            "check the address, and that this machine can look up names",
        ),
        ureq::Error::Timeout(what) => (
            format!("no answer in time ({what})"),
            "try again, or look at what is between this machine and the server",
        ),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => (
            format!("this is not an address: {error}"),
            "write one such as `https://example.com/path`",
        ),
        ureq::Error::BodyExceedsLimit(_) => (
            format!("the answer is larger than {} MiB", MAX_ANSWER >> 20),
            "data sources are for small texts; let a provisioner download large files",
        ),
        _ => (
            format!("the request failed: {error}"),
            "check the address, and that this machine may reach it",
        ),
    }
}
