//! The shapes one secret can take in a log.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter pieces of base64 say too little, and match too much.
const SHORTEST_BASE64: usize = 6;

/// The secret itself and its encoded and quoted forms.
pub(super) fn of(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        json(secret),
        json(secret)
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026"),
        url(secret, "%20", true),
        url(secret, "+", true),
        url(secret, "%20", false),
        url(secret, "+", false),
        secret.replace('\'', r"'\''"),
        secret.replace('\'', r#"'"'"'"#),
        backslashed(secret, |c| matches!(c, '"' | '\\' | '$' | '`')),
        backslashed(secret, |c| {
            !(c.is_alphanumeric()
                || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '+' | '@' | '%' | '='))
        }),
    ];
    // Base64 of a longer text holds the secret's bytes at one of three alignments; the characters at both ends may
    // also carry bits of the neighbours and are left out.
    for before in 0..3usize {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret.as_bytes());
        let start = [0, 2, 3][before];
        let bits = bytes.len() * 8;
        let end = bits / 6;
        if end <= start || end - start < SHORTEST_BASE64 {
            continue;
        }
        forms.push(STANDARD_NO_PAD.encode(&bytes)[start..end].to_owned());
        forms.push(URL_SAFE_NO_PAD.encode(&bytes)[start..end].to_owned());
    }
    forms
}

/// As inside a JSON string, without the quotation marks.
fn json(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Percent-encoded as by RFC 3986, everything but unreserved characters.
fn url(secret: &str, blank: &str, upper: bool) -> String {
    let mut text = String::new();
    for byte in secret.bytes() {
        let result = match byte {
            b' ' => text.write_str(blank),
            b'-' | b'.' | b'_' | b'~' => text.write_char(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.write_char(char::from(byte)),
            _ if upper => write!(text, "%{byte:02X}"),
            _ => write!(text, "%{byte:02x}"),
        };
        result.expect("writing to a string does not fail");
    }
    text
}

fn backslashed(secret: &str, special: impl Fn(char) -> bool) -> String {
    let mut text = String::with_capacity(secret.len() + 4);
    for c in secret.chars() {
        if special(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
