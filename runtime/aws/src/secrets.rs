//! Secrets in AWS Secrets Manager, for the functions `aws_secretsmanager` and `aws_secretsmanager_raw`.
//!
//! In: a secret's name or ARN, and a key in it. Out: the value in clear, whose keeping secret is the caller's part, or why
//! there is none; no error holds any part of a secret.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata as _, SdkError};
use serde_json::Value as Json;

use crate::client;
use crate::clock::Clock;
use crate::error::reasons;

/// The text of a secret, whole: its current version.
pub fn raw_secret(name: &str) -> Result<String, String> {
    client::wait(read(name))?
}

/// A value of a secret that is a JSON object; without a key the only one it has. A secret that is no JSON object is the
/// value itself.
pub fn secret(name: &str, key: Option<&str>) -> Result<String, String> {
    pick(name, key, raw_secret(name)?)
}

async fn read(name: &str) -> Result<String, String> {
    let config = client::config().await;
    if config.region().is_none() {
        return Err("no AWS region is set; set `AWS_REGION` or a profile's `region`".to_owned());
    }
    let config = aws_sdk_secretsmanager::config::Builder::from(&config).retry_classifier(Clock);
    let answer = Client::from_conf(config.build())
        .get_secret_value()
        .secret_id(name)
        .version_stage("AWSCURRENT")
        .send()
        .await;
    let answer = answer.map_err(|error| match &error {
        SdkError::ServiceError(_) => {
            let code = error.code().unwrap_or("an error");
            let message = error.message().unwrap_or("without a reason");
            format!("AWS Secrets Manager answered {code} for the secret `{name}`: {message}")
        }
        _ => format!("AWS Secrets Manager cannot be asked: {}", reasons(&error)),
    })?;
    answer
        .secret_string
        .ok_or_else(|| format!("the secret `{name}` holds bytes and no text"))
}

/// The value of `key` in a secret; without one the only one it has, or all of it.
pub(crate) fn pick(name: &str, key: Option<&str>, text: String) -> Result<String, String> {
    let Ok(Json::Object(entries)) = serde_json::from_str(&text) else {
        return Ok(text);
    };
    let (key, value) = match key {
        Some(key) => match entries.get(key) {
            Some(value) => (key, value),
            None => return Err(format!("the secret `{name}` has no key `{key}`")),
        },
        None => match (entries.iter().next(), entries.len()) {
            (Some((key, value)), 1) => (key.as_str(), value),
            (None, _) => return Err(format!("the secret `{name}` has no keys")),
            (_, count) => {
                return Err(format!(
                    "the secret `{name}` has {count} keys; say which one is meant"
                ));
            }
        },
    };
    match value {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(value) => Ok(value.to_string()),
        _ => Err(format!(
            "the key `{key}` of the secret `{name}` is neither a text, a number nor a bool"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(key: Option<&str>, text: &str) -> Result<String, String> {
        pick("web", key, text.to_owned())
    }

    #[test]
    fn keys_are_found() {
        let two = r#"{"user": "root", "port": 22, "on": true, "list": [1]}"#;
        assert_eq!(picked(Some("user"), two), Ok("root".to_owned()));
        assert_eq!(picked(Some("port"), two), Ok("22".to_owned()));
        assert_eq!(picked(Some("on"), two), Ok("true".to_owned()));
        assert_eq!(picked(None, r#"{"only": "x"}"#), Ok("x".to_owned()));
        for (key, text, wrong) in [
            (Some("no"), two, "the secret `web` has no key `no`"),
            (
                None,
                two,
                "the secret `web` has 4 keys; say which one is meant",
            ),
            (None, "{}", "the secret `web` has no keys"),
            (
                Some("list"),
                two,
                "the key `list` of the secret `web` is neither a text, a number nor a bool",
            ),
        ] {
            assert_eq!(picked(key, text), Err(wrong.to_owned()));
        }
    }

    #[test]
    fn plain_text_is_the_value() {
        for text in ["hunter2", "{broken", "12", "[1]", ""] {
            assert_eq!(picked(None, text), Ok(text.to_owned()));
            assert_eq!(picked(Some("key"), text), Ok(text.to_owned()));
        }
    }
}
