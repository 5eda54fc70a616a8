//! User data: the template's, and ours beside it.
//!
//! In: what the template gives, the host key the machine is to have, when it is to shut down by itself. Out: one text in base64.
//! Several parts become one MIME message, which cloud-init takes apart again (also where the template's part is such a message
//! itself). Formats that cloud-init does not read stay as they are: the machine then keeps its own host key, and runs on.

use std::io::Write as _;
use std::time::Duration;

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

/// What a dead man's switch is at least: scripts that take hours are no accident.
const LEAST: Duration = Duration::from_secs(6 * 3600);
/// What it is where nobody has set a limit, and nothing says when the run's things may be removed.
const USUAL: Duration = Duration::from_secs(24 * 3600);

/// When a machine that nobody lets go shuts itself down: after the build's time limit, at least six hours; where the build has
/// none, after a day, when anyone may remove it.
pub(crate) fn switch(limit: Option<Duration>) -> Duration {
    limit.unwrap_or(USUAL).max(LEAST)
}

/// A script that does it. It runs once, at the first boot, when services are up: before that nothing can be scheduled.
fn shutdown(after: Duration) -> String {
    let minutes = after.as_secs().div_ceil(60).max(1);
    format!(
        "#!/bin/sh\n# imgc: a machine that no build lets go does not run for ever\ntouch {SWITCH}\nshutdown -P +{minutes}\n"
    )
}

/// Says that there is a switch. Gone with the next boot, as the switch itself.
const SWITCH: &str = "/run/imgc-switch";

/// A command that sets the switch of a machine anew, where it has one.
pub(crate) fn put_off(after: Duration) -> String {
    let minutes = after.as_secs().div_ceil(60).max(1);
    format!(
        "test -e {SWITCH} || exit 0; if test \"$(id -u)\" = 0; then shutdown -P +{minutes}; else sudo -n shutdown -P \
         +{minutes}; fi"
    )
}

/// What user data of a template leaves room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Parts of ours beside it.
    pub(crate) for_parts: bool,
    /// A host key of ours.
    pub(crate) for_key: bool,
}

impl Room {
    pub(crate) fn of(own: Option<&[u8]>) -> Self {
        let for_parts = own.is_none_or(takes_parts);
        Self {
            for_parts,
            for_key: for_parts && !own.is_some_and(names_keys),
        }
    }
}

/// What an instance is given, and the host key it then has; `None` where it keeps its own.
pub(crate) struct UserData {
    /// In base64; `None` for none at all.
    pub(crate) text: Option<String>,
    pub(crate) host_key: Option<String>,
}

impl UserData {
    /// Joins the template's user data with a host key, and with a shutdown after a time.
    pub(crate) fn join(
        own: Option<Vec<u8>>,
        key: Option<&HostKey>,
        switch: Option<Duration>,
    ) -> Result<Self> {
        let room = Room::of(own.as_deref());
        if !room.for_parts {
            return Ok(Self {
                text: own.map(encoded).transpose()?,
                host_key: None,
            });
        }
        let key = key.filter(|_| room.for_key);
        let config = key.map(HostKey::cloud_config).transpose()?;
        let ours = config.into_iter().chain(switch.map(shutdown));
        // The template's part comes last, so that what it says holds.
        let mut parts: Vec<Vec<u8>> = ours.map(String::into_bytes).collect();
        parts.extend(own);
        let text = match parts.len() {
            0 => None,
            1 => parts.pop().map(encoded).transpose()?,
            _ => Some(encoded(message(&parts))?),
        };
        Ok(Self {
            text,
            host_key: key.map(HostKey::public).transpose()?,
        })
    }
}

/// Whether EC2 takes user data of a template, packed where it may be: what alone is too much is so with our parts as well.
pub(crate) fn check_user_data(own: Vec<u8>) -> Result<()> {
    encoded(own).map(drop)
}

/// Whether cloud-init reads it as one part among others.
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
    known.iter().any(|known| start.starts_with(known))
}

/// Whether it says itself which host keys the machine has.
fn names_keys(own: &[u8]) -> bool {
    let text = String::from_utf8_lossy(own);
    text.lines().any(|line| line.starts_with("ssh_keys:"))
}

/// One MIME message of several parts, in their order.
fn message(parts: &[Vec<u8>]) -> Vec<u8> {
    let texts: Vec<_> = parts
        .iter()
        .map(|part| String::from_utf8_lossy(part))
        .collect();
    let boundary = boundary(&texts);
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
    for text in &texts {
        let start = text.trim_start().to_ascii_lowercase();
        line(&format!("--{boundary}"));
        match start.starts_with("content-type:") || start.starts_with("mime-version:") {
            // It has headers of its own.
            true => line(text.trim_start()),
            false => {
                let kind = content_type(&start);
                line(&format!("Content-Type: {kind}; charset=\"utf-8\""));
                line("");
                line(text);
            }
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

/// A line that no part has.
fn boundary(texts: &[impl AsRef<str>]) -> String {
    let mut number = 0;
    loop {
        let boundary = format!("==imgc-part-{number}==");
        if !texts.iter().any(|text| text.as_ref().contains(&boundary)) {
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
        let data = UserData::join(None, Some(&key), None).unwrap();
        let text = plain(&data);
        assert!(text.starts_with("#cloud-config\nssh_keys:\n  ed25519_private: |\n    -----BEGIN"));
        assert!(text.contains(&format!("ed25519_public: {}", key.public().unwrap())));
        assert_eq!(data.host_key, Some(key.public().unwrap()));
    }

    #[test]
    fn a_script_of_the_template_comes_after_ours() {
        let key = HostKey::make().unwrap();
        let own = b"#!/bin/sh\ntouch /ready\n".to_vec();
        let text = plain(&UserData::join(Some(own), Some(&key), None).unwrap());
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
        ] {
            let data = UserData::join(Some(own.into()), Some(&key), Some(LEAST)).unwrap();
            assert_eq!(plain(&data), own);
            assert_eq!(data.host_key, None);
        }
    }

    #[test]
    fn a_template_that_brings_host_keys_keeps_them() {
        let key = HostKey::make().unwrap();
        let own = "#cloud-config\nssh_keys:\n  rsa_private: x\n";
        let data = UserData::join(Some(own.into()), Some(&key), None).unwrap();
        assert_eq!(plain(&data), own);
        assert_eq!(data.host_key, None);
    }

    #[test]
    fn the_switch_is_a_script_of_its_own_before_that_of_the_template() {
        let key = HostKey::make().unwrap();
        let own = b"#!/bin/sh\ntouch /ready\n".to_vec();
        let data = UserData::join(Some(own), Some(&key), Some(LEAST)).unwrap();
        let text = plain(&data);
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
        assert!(at("ssh_keys:") < at("shutdown -P +360\n"), "{text}");
        assert!(at("shutdown -P +360\n") < at("touch /ready"), "{text}");
        assert_eq!(text.matches("Content-Type: text/x-shellscript").count(), 2);
        let alone = UserData::join(None, None, Some(Duration::from_secs(90))).unwrap();
        assert!(plain(&alone).starts_with("#!/bin/sh\n"));
        assert!(plain(&alone).ends_with("\nshutdown -P +2\n"));
    }

    #[test]
    fn the_switch_waits_for_the_build_and_six_hours_at_least() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        assert_eq!(switch(Some(hours(1))), hours(6));
        assert_eq!(switch(Some(hours(9))), hours(9));
        assert_eq!(switch(None), hours(24));
    }

    #[test]
    fn too_much_is_packed_and_far_too_much_refused() {
        let long = format!("#!/bin/sh\n{}", "true\n".repeat(10_000));
        let data = UserData::join(Some(long.into_bytes()), None, None).unwrap();
        assert_eq!(
            STANDARD.decode(data.text.unwrap()).unwrap()[..2],
            [0x1f, 0x8b]
        );
        let noise = vec![b'x'; 20_000];
        let error = UserData::join(Some(noise.clone()), None, None);
        assert_eq!(error.err().unwrap().id, "run/aws-option");
        let error = check_user_data(noise).unwrap_err();
        assert_eq!(error.message, "the user data has 20000 bytes");
        check_user_data(vec![b'x'; 16_384]).unwrap();
    }
}
