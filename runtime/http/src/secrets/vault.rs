//! Secrets in Vault: version 1 and 2 of its key/value engine, and every other whose answer has the key.

use serde_json::Value as Json;
use ureq::http::{Request, StatusCode};

use super::{Env, Trust, encoded, send, set, truth};

/// Where Vault is when the environment does not say.
const HERE: &str = "https://127.0.0.1:8200";

/// The value of a key of the secret at a path of Vault's API, such as `secret/data/web`.
///
/// Of the environment: `VAULT_ADDR`, `VAULT_TOKEN`, `VAULT_NAMESPACE`, `VAULT_CACERT`, `VAULT_SKIP_VERIFY`.
pub fn vault(env: Env<'_>, path: &str, key: &str) -> Result<String, String> {
    let token = set(env, "VAULT_TOKEN")
        .ok_or("Vault cannot be asked without a token; set `VAULT_TOKEN`, and `VAULT_ADDR`")?;
    let address = set(env, "VAULT_ADDR").unwrap_or_else(|| HERE.to_owned());
    let server = format!("Vault at {address}");
    let verify = !truth(env, "VAULT_SKIP_VERIFY").unwrap_or(false);
    let trust = Trust::from_env(env, "VAULT_CACERT", verify)?;
    let url = format!(
        "{}/v1/{}",
        address.trim_end_matches('/'),
        encoded(path.trim_start_matches('/'))
    );
    let mut request = Request::get(url)
        .header("X-Vault-Token", token)
        .header("X-Vault-Request", "true");
    if let Some(namespace) = set(env, "VAULT_NAMESPACE") {
        request = request.header("X-Vault-Namespace", namespace);
    }
    let request = request.body(()).map_err(
        |_| "`VAULT_ADDR`, `VAULT_TOKEN` or `VAULT_NAMESPACE` cannot stand in a request",
    )?;
    let (status, answer) = send(&server, request, trust)?;
    let answer: Json = serde_json::from_slice(&answer).unwrap_or(Json::Null);
    match status {
        StatusCode::OK => pick(&answer, path, key),
        StatusCode::NOT_FOUND => Err(format!("{server} has no secret at `{path}`")),
        _ => Err(format!(
            "{server} answered {status} for `{path}`{}",
            reasons(&answer)
        )),
    }
}

/// What Vault says about a refusal.
fn reasons(answer: &Json) -> String {
    let reasons = answer["errors"].as_array().into_iter().flatten();
    let reasons: Vec<&str> = reasons.filter_map(Json::as_str).map(str::trim).collect();
    match reasons.is_empty() {
        true => String::new(),
        false => format!(": {}", reasons.join("; ")),
    }
}

/// Version 2 has the secret's keys below another `data`, version 1 does not.
fn pick(answer: &Json, path: &str, key: &str) -> Result<String, String> {
    let data = &answer["data"];
    let keys = match &data["data"] {
        inner @ Json::Object(_) => inner,
        _ => data,
    };
    match &keys[key] {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Null => Err(format!(
            "the secret at `{path}` in Vault has no key `{key}`"
        )),
        _ => Err(format!(
            "the key `{key}` of the secret at `{path}` in Vault is neither a text, a number nor a bool"
        )),
    }
}
