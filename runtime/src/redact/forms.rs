//! The shapes one secret can take in a log as a whole. Where each of its characters is escaped in its own way,
//! [`super::escapes`] knows it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Shorter pieces of base64 say too little, and match too much.
const SHORTEST_BASE64: usize = 6;
/// Shorter secrets have no hexadecimal form: digits such as these stand everywhere.
const SHORTEST_HEX: usize = 4;

/// What RFC 3986 leaves as it is.
const UNRESERVED: &str = "-._~";
/// What JavaScript's `encodeURIComponent` leaves besides letters and digits.
const COMPONENT: &str = "-_.!~*'()";
/// What `encodeURI` leaves.
const WHOLE: &str = "-_.!~*'();/?:@&=+$,#";
/// What Python's `quote` leaves.
const PATH: &str = "-._~/";

/// The secret itself and its encoded and quoted forms.
pub(super) fn of(secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    forms.extend(quoted(secret));
    for left in [UNRESERVED, COMPONENT, WHOLE, PATH] {
        for blank in ["%20", "+"] {
            forms.push(url(secret, left, blank, true));
            forms.push(url(secret, left, blank, false));
        }
    }
    forms.extend(base64(secret.as_bytes()));
    // What `echo` hands to an encoder.
    forms.extend(whole_base64(format!("{secret}\n").as_bytes()));
    forms.extend(hex(secret.as_bytes()));
    forms
}

/// The forms whose parts are recognised, too: those that programs break into lines.
pub(super) fn whole(secret: &str) -> Vec<String> {
    let mut forms = base64(secret.as_bytes());
    forms.extend(whole_base64(format!("{secret}\n").as_bytes()));
    forms.extend(hex(secret.as_bytes()));
    forms.push(secret.to_owned());
    forms.sort();
    forms.dedup();
    forms
}

/// As it stands in texts of other languages.
fn quoted(secret: &str) -> Vec<String> {
    let json = json(secret);
    // Programs print JSON that has JSON in it: documents of rights, user data.
    let twice = self::json(&json);
    let mut forms = vec![
        ascii(&twice),
        self::json(&ascii(&json)),
        twice,
        bytes(secret, |text, byte| write!(text, "\\x{byte:02x}")),
        bytes(secret, |text, byte| write!(text, "\\{byte:03o}")),
        json.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026"),
        ascii(&json),
        json.replace('/', "\\/"),
        json,
        secret.replace('\'', r"'\''"),
        secret.replace('\'', r#"'"'"'"#),
        // YAML and SQL.
        secret.replace('\'', "''"),
        secret.replace('"', "\"\""),
        backslashed(secret, |c| c == '\''),
        backslashed(secret, |c| matches!(c, '"' | '\\' | '$' | '`')),
        backslashed(secret, |c| {
            !(c.is_alphanumeric()
                || !c.is_ascii()
                || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '+' | '@' | '%' | '='))
        }),
    ];
    forms.sort();
    forms.dedup();
    forms
}

/// With escapes for the bytes of all that is not ASCII, as Python and shells show them.
fn bytes(secret: &str, escape: impl Fn(&mut String, u8) -> std::fmt::Result) -> String {
    let mut text = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        match byte.is_ascii() {
            true => text.push(char::from(byte)),
            false => escape(&mut text, byte).expect("writing to a string does not fail"),
        }
    }
    text
}

/// Base64 of a longer text holds the secret's bytes at one of three alignments; the characters at both ends may also
/// carry bits of the neighbours and are left out, unless nothing else was encoded.
fn base64(secret: &[u8]) -> Vec<String> {
    let mut forms = whole_base64(secret);
    for before in 0..3usize {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(secret);
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

fn whole_base64(bytes: &[u8]) -> Vec<String> {
    let all = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
    let forms = all.into_iter().map(|engine| engine.encode(bytes));
    forms.filter(|form| form.len() >= SHORTEST_BASE64).collect()
}

/// In digits: one after the other, and byte by byte as `od` and `hexdump` write them.
fn hex(secret: &[u8]) -> Vec<String> {
    if secret.len() < SHORTEST_HEX {
        return Vec::new();
    }
    let bytes: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let plain = bytes.concat();
    vec![
        plain.to_uppercase(),
        plain,
        bytes.join(" "),
        bytes.join(":"),
    ]
}

/// As inside a JSON string, without the quotation marks.
fn json(secret: &str) -> String {
    let quoted = serde_json::Value::from(secret).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The same with escapes for all that is not ASCII.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(text, "\\u{unit:04x}").expect("writing to a string does not fail");
        }
    }
    text
}

/// Percent-encoded: everything but letters, digits and `left`.
fn url(secret: &str, left: &str, blank: &str, upper: bool) -> String {
    let mut text = String::new();
    for byte in secret.bytes() {
        let result = match byte {
            b' ' => text.write_str(blank),
            _ if byte.is_ascii_alphanumeric() || left.as_bytes().contains(&byte) => {
                text.write_char(char::from(byte))
            }
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
