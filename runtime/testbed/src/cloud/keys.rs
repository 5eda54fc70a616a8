//! Key pairs: moto's, with their public halves remembered, since moto tells them slowly.
//!
//! In: what makes and removes key pairs. Out: the public half of one, and, for an sshd that stands for every machine, a file with
//! those of all ([`Keys`]).

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::NamedTempFile;

use super::answer::Answer;
use super::ec2::{Outcome, ask, key_pair};
use super::request::{Request, decoded};
use super::server::{Shared, locked};

/// The public halves of all key pairs there are, as a file, once somebody has asked for it.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<Option<NamedTempFile>>);

impl Keys {
    /// Begins to keep the file.
    pub(crate) fn begin(&self) -> io::Result<PathBuf> {
        let mut file = locked(&self.0);
        if file.is_none() {
            *file = Some(NamedTempFile::with_prefix("imgc-keys-")?);
        }
        Ok(file
            .as_ref()
            .map_or_else(PathBuf::new, |file| file.path().to_owned()))
    }

    fn is_kept(&self) -> bool {
        locked(&self.0).is_some()
    }

    /// Writes the file anew: whoever reads it sees the old one or the new one.
    fn write(&self, keys: &str) -> io::Result<()> {
        let file = locked(&self.0);
        let Some(path) = file.as_ref().map(NamedTempFile::path) else {
            return Ok(());
        };
        let mut new = NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))?;
        new.write_all(keys.as_bytes())?;
        new.persist(path)?;
        Ok(())
    }
}

/// `CreateKeyPair`, `ImportKeyPair`, `DeleteKeyPair`.
pub(crate) async fn change(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let answer = shared.send(request).await;
    if !answer.is_ok() {
        return Ok(answer);
    }
    let name = request.parameter("KeyName");
    let key = key_pair(request, name);
    match request.action.as_str() {
        "ImportKeyPair" => {
            let public = decoded(request.parameter("PublicKeyMaterial"));
            let public = String::from_utf8_lossy(&public).trim().to_owned();
            shared.state().keys.insert(key, public);
        }
        "CreateKeyPair" if shared.keys.is_kept() => {
            public(shared, request, name).await?;
        }
        // Of one that is removed by its id the name is not said.
        "DeleteKeyPair" if name.is_empty() => shared.state().keys.clear(),
        _ => {
            shared.state().keys.remove(&key);
        }
    }
    if shared.keys.is_kept() {
        let keys: Vec<String> = shared.state().keys.values().cloned().collect();
        let written = shared.keys.write(&(keys.join("\n") + "\n"));
        if let Err(error) = written {
            let message = format!("the file of keys cannot be written: {error}");
            return Err(Answer::error(request, 502, "TestbedBroken", &message));
        }
    }
    Ok(answer)
}

/// The public half of a key pair, as in `authorized_keys`.
pub(crate) async fn public(shared: &Shared, request: &Request, name: &str) -> Outcome<String> {
    let key = key_pair(request, name);
    let known = shared.state().keys.get(&key).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    let asked = [("KeyName.1", name), ("IncludePublicKey", "true")];
    let found = ask(shared, request, "DescribeKeyPairs", &asked).await?;
    let found = found.texts("publicKey").into_iter().next();
    let public = found.unwrap_or_default().trim().to_owned();
    shared.state().keys.insert(key, public.clone());
    Ok(public)
}
