//! Keys in Consul's store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{Request, StatusCode};

use super::{Env, Trust, encoded, send, set, truth};

/// Where Consul is when the environment does not say.
const HERE: &str = "127.0.0.1:8500";

/// The value of a key.
///
/// Of the environment: `CONSUL_HTTP_ADDR`, `CONSUL_HTTP_TOKEN` or `CONSUL_HTTP_TOKEN_FILE`, `CONSUL_HTTP_AUTH`,
/// `CONSUL_HTTP_SSL`, `CONSUL_HTTP_SSL_VERIFY`, `CONSUL_CACERT`, `CONSUL_NAMESPACE`.
pub fn consul_key(env: Env<'_>, key: &str) -> Result<String, String> {
    let address = address(env)?;
    let server = format!("Consul at {address}");
    let verify = truth(env, "CONSUL_HTTP_SSL_VERIFY").unwrap_or(true);
    let trust = Trust::from_env(env, "CONSUL_CACERT", verify)?;
    let namespace = set(env, "CONSUL_NAMESPACE")
        .map_or_else(String::new, |name| format!("&ns={}", encoded(&name)));
    let url = format!(
        "{address}/v1/kv/{}?raw{namespace}",
        encoded(key.trim_start_matches('/'))
    );
    let mut request = Request::get(url);
    if let Some(token) = token(env)? {
        request = request.header("X-Consul-Token", token);
    }
    if let Some(login) = set(env, "CONSUL_HTTP_AUTH") {
        request = request.header("Authorization", format!("Basic {}", STANDARD.encode(login)));
    }
    let request = request
        .body(())
        .map_err(|_| "`CONSUL_HTTP_ADDR` or `CONSUL_HTTP_TOKEN` cannot stand in a request")?;
    let (status, answer) = send(&server, request, trust)?;
    match status {
        StatusCode::OK => String::from_utf8(answer)
            .map_err(|_| format!("the value of `{key}` in Consul is not text in UTF-8")),
        StatusCode::NOT_FOUND => Err(format!("{server} has no key `{key}`")),
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Err(format!(
            "{server} does not let this token read `{key}`; set `CONSUL_HTTP_TOKEN`"
        )),
        _ => Err(format!("{server} answered {status} for `{key}`")),
    }
}

/// The address with its scheme.
fn address(env: Env<'_>) -> Result<String, String> {
    let address = set(env, "CONSUL_HTTP_ADDR").unwrap_or_else(|| HERE.to_owned());
    if address.starts_with("unix:") {
        return Err(
            "Consul's socket cannot be asked; set `CONSUL_HTTP_ADDR` to `HOST:PORT`".to_owned(),
        );
    }
    let address = address.trim_end_matches('/').to_owned();
    Ok(match address.contains("://") {
        true => address,
        false if truth(env, "CONSUL_HTTP_SSL") == Some(true) => format!("https://{address}"),
        false => format!("http://{address}"),
    })
}

fn token(env: Env<'_>) -> Result<Option<String>, String> {
    const FILE: &str = "CONSUL_HTTP_TOKEN_FILE";
    match (set(env, "CONSUL_HTTP_TOKEN"), set(env, FILE)) {
        (Some(token), _) => Ok(Some(token)),
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(token) => Ok(Some(token.trim().to_owned())),
            Err(error) => Err(format!("`{FILE}`: {path}: {error}")),
        },
        (None, None) => Ok(None),
    }
}
