//! User data: the template's, and ours beside it.
//!
//! In: what the template gives, the host key the machine is to have. Out: one text in base64. Two parts become one MIME message,
//! which cloud-init takes apart again (also where the template's part is such a message itself). Formats that cloud-init does not
//! read stay as they are, and the machine keeps its own host key.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgc_runtime::error::{Class, Error, Result};
use ssh_key::{LineEnding, PrivateKey};

use crate::instance::key;

/// EC2 takes no more, before base64.
const MOST: usize = 16 * 1024;

/// The identity an instance is given.
pub(crate) struct HostKey(PrivateKey);

impl HostKey {
    /// A fresh one, ed25519.
    pub(crate) fn make() -> Result<Self> {
        key::host_key().map(Self)
    }

    /// As in `known_hosts`, without the host.
    pub(crate) fn public(&self) -> Result<String> {
        self.0
            .public_key()
            .to_openssh()
            .map_err(|error| bug(&error))
    }

    /// The part of user data that gives it to a machine. By cloud-init's module `ssh`.
    fn cloud_config(&self) -> Result<String> {
        let private = self
            .0
            .to_openssh(LineEnding::LF)
            .map_err(|error| bug(&error))?;
        let mut text = String::from("#cloud-config\nssh_keys:\n  ed25519_private: |\n");
        for line in private.lines() {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("  ed25519_public: ");
        text.push_str(&self.public()?);
        text.push('\n');
        Ok(text)
    }
}

fn bug(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Class::Bug,
        "run/aws-option",
        format!("a host key cannot be written: {error}"),
    )
}

/// What an instance is given, and the host key it then has; `None` where it keeps its own.
pub(crate) struct UserData {
    /// In base64; `None` for none at all.
    pub(crate) text: Option<String>,
    pub(crate) host_key: Option<String>,
}

impl UserData {
    /// Joins the template's user data with a host key.
    pub(crate) fn join(own: Option<Vec<u8>>, key: Option<&HostKey>) -> Result<Self> {
        let key = key.filter(|_| own.as_deref().is_none_or(takes_parts));
        let Some(key) = key else {
            return Ok(Self {
                text: own.map(encoded).transpose()?,
                host_key: None,
            });
        };
        let config = key.cloud_config()?;
        let all = match own {
            None => config.into_bytes(),
            Some(own) => parts(&config, &own),
        };
        Ok(Self {
            text: Some(encoded(all)?),
            host_key: Some(key.public()?),
        })
    }
}

/// Whether cloud-init reads it as one part among others, and it says nothing of host keys itself.
fn takes_parts(own: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(own) else {
        return false;
    };
    let start = text.trim_start().to_ascii_lowercase();
    let known = [
        "#!",
        "#cloud-boothook",
        "#cloud-config",
        "#include",
        "#part-handler",
        "content-type:",
        "mime-version:",
        "## template:",
    ];
    let names_keys = text.lines().any(|line| line.starts_with("ssh_keys:"));
    known.iter().any(|known| start.starts_with(known)) && !names_keys
}

/// One MIME message of both. The template's part comes last, so that what it says holds.
fn parts(config: &str, own: &[u8]) -> Vec<u8> {
    let own_text = String::from_utf8_lossy(own);
    let start = own_text.trim_start().to_ascii_lowercase();
    let boundary = boundary(config, &own_text);
    let mut all = Vec::new();
    let mut line = |text: &str| {
        all.extend_from_slice(text.as_bytes());
        all.push(b'\n');
    };
    line("MIME-Version: 1.0");
    line(&format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\""
    ));
    line("");
    line(&format!("--{boundary}"));
    line("Content-Type: text/cloud-config; charset=\"utf-8\"");
    line("");
    line(config);
    line(&format!("--{boundary}"));
    match start.starts_with("content-type:") || start.starts_with("mime-version:") {
        // It has headers of its own.
        true => line(own_text.trim_start()),
        false => {
            line(&format!(
                "Content-Type: {}; charset=\"utf-8\"",
                content_type(&start)
            ));
            line("");
            line(&own_text);
        }
    }
    line(&format!("--{boundary}--"));
    all
}

fn content_type(start: &str) -> &'static str {
    let types = [
        ("#!", "text/x-shellscript"),
        ("#cloud-boothook", "text/cloud-boothook"),
        ("#cloud-config", "text/cloud-config"),
        ("#include", "text/x-include-url"),
        ("#part-handler", "text/part-handler"),
        ("## template:", "text/jinja2"),
    ];
    let found = types.iter().find(|(begin, _)| start.starts_with(begin));
    found.map_or("text/plain", |(_, kind)| kind)
}

/// A line that neither part has.
fn boundary(one: &str, other: &str) -> String {
    let mut number = 0;
    loop {
        let boundary = format!("==imgc-part-{number}==");
        if !one.contains(&boundary) && !other.contains(&boundary) {
            return boundary;
        }
        number += 1;
    }
}

fn encoded(bytes: Vec<u8>) -> Result<String> {
    let fits = |bytes: &[u8]| bytes.len() <= MOST;
    if fits(&bytes) {
        return Ok(STANDARD.encode(bytes));
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let done = packed.write_all(&bytes).and_then(|()| packed.finish());
    match done {
        Ok(packed) if fits(&packed) && takes_parts(&bytes) => Ok(STANDARD.encode(packed)),
        _ => Err(Error::new(
            Class::Template,
            "run/aws-option",
            format!("the user data has {} bytes", bytes.len()),
        )
        .help("EC2 takes 16384; load the rest from the instance, or upload it with a `file` provisioner")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plain(data: &UserData) -> String {
        let bytes = STANDARD.decode(data.text.as_ref().unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_host_key_alone_is_a_cloud_config() {
        let key = HostKey::make().unwrap();
        let data = UserData::join(None, Some(&key)).unwrap();
        let text = plain(&data);
        assert!(text.starts_with("#cloud-config\nssh_keys:\n  ed25519_private: |\n    -----BEGIN"));
        assert!(text.contains(&format!("ed25519_public: {}", key.public().unwrap())));
        assert_eq!(data.host_key, Some(key.public().unwrap()));
    }

    #[test]
    fn a_script_of_the_template_comes_after_ours() {
        let key = HostKey::make().unwrap();
        let own = b"#!/bin/sh\ntouch /ready\n".to_vec();
        let text = plain(&UserData::join(Some(own), Some(&key)).unwrap());
        let ours = text.find("#cloud-config").unwrap();
        let theirs = text.find("Content-Type: text/x-shellscript").unwrap();
        assert!(ours < theirs && text.contains("touch /ready"), "{text}");
    }

    #[test]
    fn what_cloud_init_does_not_read_stays_as_it_is() {
        let key = HostKey::make().unwrap();
        for own in [
            "<powershell>Enable-PSRemoting</powershell>",
            "{\"ignition\": {}}",
            "#cloud-config\nssh_keys:\n  rsa_private: x\n",
        ] {
            let data = UserData::join(Some(own.into()), Some(&key)).unwrap();
            assert_eq!(plain(&data), own);
            assert_eq!(data.host_key, None);
        }
    }

    #[test]
    fn too_much_is_packed_and_far_too_much_refused() {
        let long = format!("#!/bin/sh\n{}", "true\n".repeat(10_000));
        let data = UserData::join(Some(long.into_bytes()), None).unwrap();
        assert_eq!(
            STANDARD.decode(data.text.unwrap()).unwrap()[..2],
            [0x1f, 0x8b]
        );
        let noise = vec![b'x'; 20_000];
        let error = UserData::join(Some(noise), None).err().unwrap();
        assert_eq!(error.id, "run/aws-option");
    }
}
