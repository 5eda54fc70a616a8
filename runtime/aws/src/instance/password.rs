//! The administrator's password of an instance with Windows: EC2 gives it encrypted with the key pair.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::files;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey};
use ssh_key::PrivateKey;
use tokio::time::Instant;

use crate::region::RegionClient;

/// Windows makes it after its first boot, which takes minutes.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

/// Waits until there is one, for at most `limit`, and opens it with the private key in `file`. It is masked from then on.
pub(crate) async fn password(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    file: &Path,
    limit: Duration,
) -> Result<String> {
    let _waiting = cx.waiting(format!("the password of the instance {id}"));
    let key = file.to_owned();
    let key = files::blocking(move || open(&key)).await?;
    let begun = Instant::now();
    let mut pause = FIRST;
    loop {
        let request = region.ec2().get_password_data().instance_id(id).send();
        let answer = region.call(
            "GetPasswordData",
            "ask for the password of Windows",
            request,
        );
        let data = answer.await?.password_data.unwrap_or_default();
        if !data.trim().is_empty() {
            let password = decrypted(&data, &key)?;
            cx.output.add_secret(&password);
            return Ok(password);
        }
        if begun.elapsed() + pause > limit {
            return Err(Error::new(
                Class::Timeout,
                "run/aws-timeout",
                format!(
                    "the instance {id} has no password after {}",
                    imgc_runtime::duration::words(limit)
                ),
            )
            .help(
                "images whose agent does not make one have theirs: give it as `winrm_password`; or wait longer: \
                 `windows_password_timeout`",
            ));
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cx.cancel.cancelled() => return Err(Error::cancelled()),
        }
        pause = (pause * 3 / 2).min(LONGEST);
    }
}

fn open(file: &Path) -> Result<RsaPrivateKey> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| files::failure("run/local-file", "read", file, error))?;
    let key = PrivateKey::from_openssh(&text).map_err(|error| wrong(&error))?;
    let pair = key.key_data().rsa().ok_or_else(|| {
        wrong(&"it is no RSA key").help("leave `temporary_key_pair_type` out, or set it to `rsa`")
    })?;
    RsaPrivateKey::try_from(pair).map_err(|error| wrong(&error))
}

fn decrypted(data: &str, key: &RsaPrivateKey) -> Result<String> {
    let packed: String = data.split_whitespace().collect();
    let bytes = STANDARD.decode(packed).map_err(|error| wrong(&error))?;
    let bytes = key
        .decrypt(Pkcs1v15Encrypt, &bytes)
        .map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

fn wrong(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Class::Environment,
        "run/aws-instance",
        format!("the password of Windows cannot be read: {error}"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rsa::RsaPublicKey;
    use ssh_key::rand_core::OsRng;

    use super::*;

    #[test]
    fn what_was_encrypted_with_the_key_pair_is_opened_with_it() {
        let key = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
        let public = RsaPublicKey::from(&key);
        let sealed = public
            .encrypt(&mut OsRng, Pkcs1v15Encrypt, b"Pa55-word")
            .unwrap();
        // EC2 breaks the lines.
        let data = format!("\r\n{}\r\n", STANDARD.encode(sealed));
        assert_eq!(decrypted(&data, &key).unwrap(), "Pa55-word");
        let other = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
        assert_eq!(decrypted(&data, &other).unwrap_err().id, "run/aws-instance");
    }
}
