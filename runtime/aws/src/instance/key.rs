//! The key one logs in with: the template's, or one made for this build.
//!
//! A temporary key is made here and only its public half is sent, with `ImportKeyPair`; Packer has Amazon make it, so that the
//! private half crosses the network. The file is in the run's own directory, readable by nobody else, and in the ledger.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::ResourceType;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::files;
use imgc_runtime::ledger::Resource;
use imgc_runtime::options::Options;
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::rand_core::{OsRng, RngCore as _};
use ssh_key::{Algorithm, LineEnding, PrivateKey};

use crate::random;
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, Thing};
use crate::tags::{self, Tags};

/// How one logs in, as the template has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogIn {
    /// There is no login: no communicator.
    None,
    /// By what the template brings: a key pair of the account by name, if any.
    Own(Option<String>),
    /// By a key made for this build.
    Temporary {
        /// `temporary_key_pair_name`.
        name: Option<String>,
        /// `temporary_key_pair_type`.
        kind: String,
        /// `temporary_key_pair_bits`.
        bits: Option<u32>,
    },
}

impl LogIn {
    /// As Packer decides: a temporary key where no key, password or agent is there.
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let communicator = options.string("communicator")?;
        let windows = match communicator.as_deref() {
            Some("none") => return Ok(Self::None),
            Some("winrm") => true,
            _ => false,
        };
        let own = options.string("ssh_keypair_name")?;
        let brings = ["ssh_private_key_file", "ssh_password", "ssh_agent_auth"];
        if own.is_some() || brings.iter().any(|option| options.is_given(option)) {
            return Ok(Self::Own(own));
        }
        let kind = options.string("temporary_key_pair_type")?;
        // A Windows password comes encrypted with RSA.
        let usual = if windows { "rsa" } else { "ed25519" };
        Ok(Self::Temporary {
            name: options.string("temporary_key_pair_name")?,
            kind: kind.unwrap_or_else(|| usual.to_owned()),
            bits: options
                .integer("temporary_key_pair_bits")?
                .and_then(|bits| u32::try_from(bits).ok())
                .filter(|bits| *bits > 0),
        })
    }
}

/// Bits of an RSA key unless the template says otherwise.
const RSA_BITS: u32 = 3072;

/// A key pair made for a build, or for several of one run.
#[derive(Debug)]
pub(crate) struct TemporaryKey {
    /// The account's name for it.
    pub(crate) name: String,
    /// The file with the private half.
    pub(crate) file: PathBuf,
    /// The public half: its kind, a blank, and the key in base64.
    pub(crate) public: String,
    pub(crate) made: Made,
    file_record: u64,
    /// The file that `-debug` has put into the working directory, and its record.
    shown: Option<(PathBuf, u64)>,
}

impl TemporaryKey {
    /// Makes one with the template's `run_tags`, or takes that of other builds of this run.
    pub(crate) async fn make(
        cx: &Context,
        region: &RegionClient,
        name: Option<&str>,
        kind: &str,
        bits: Option<u32>,
        tags: &Tags,
    ) -> Result<Self> {
        let (made, key) = match name {
            // Builds that ask for the same name are to hear that it is taken.
            Some(_) => bring(cx, region, name, kind, bits, tags).await?,
            None => {
                let run = cx.run_id.to_string();
                let wanted = (run, kind.to_owned(), bits, tags.clone());
                let bring = || bring(cx, region, None, kind, bits, tags);
                region.common().keys.get(cx, wanted, bring).await?
            }
        };
        let private = key
            .to_openssh(LineEnding::LF)
            .map_err(|error| bug(&error))?;
        let public = public(&key)?;
        let file = file(cx)?;
        let file_record = put(cx, &file, private.as_bytes().to_vec()).await?;
        let shown = match cx.debug {
            true => show(cx, private.as_bytes()).await,
            false => None,
        };
        Ok(Self {
            name: made.id().to_owned(),
            file,
            public,
            made,
            file_record,
            shown,
        })
    }

    /// Takes over the key of an earlier run: a copy of the file with the private half, which goes with that run.
    pub(crate) async fn adopt(cx: &Context, made: Made, kept: &Path) -> Result<Self> {
        let file = file(cx)?;
        let from = kept.to_owned();
        let private = files::blocking(move || {
            std::fs::read(&from)
                .map_err(|error| files::failure("run/local-file", "read", &from, error))
        });
        let private = private.await?;
        let public = public(&PrivateKey::from_openssh(&private).map_err(|error| bug(&error))?)?;
        let file_record = put(cx, &file, private.clone()).await?;
        let shown = match cx.debug {
            true => show(cx, &private).await,
            false => None,
        };
        Ok(Self {
            name: made.id().to_owned(),
            file,
            public,
            made,
            file_record,
            shown,
        })
    }

    /// The public half in base64, as it stands in `authorized_keys`.
    pub(crate) fn blob(&self) -> &str {
        self.public.rsplit(' ').next().unwrap_or_default()
    }

    /// Removes the files with the private half.
    pub(crate) async fn remove_file(&self, cx: &Context) {
        let shown = self.shown.iter().map(|(file, record)| (file, *record));
        for (file, record) in shown.chain([(&self.file, self.file_record)]) {
            if tokio::fs::remove_file(file).await.is_ok() {
                cx.ledger.forget(record);
            }
        }
    }
}

/// The public half as in `authorized_keys`, without a comment.
fn public(key: &PrivateKey) -> Result<String> {
    let line = key.public_key().to_openssh().map_err(|error| bug(&error))?;
    let words: Vec<&str> = line.split_whitespace().take(2).collect();
    Ok(words.join(" "))
}

/// Writes a private half down; gives the number of the file's record.
async fn put(cx: &Context, file: &Path, private: Vec<u8>) -> Result<u64> {
    let path = file.to_owned();
    let resource = Resource::File { path: path.clone() };
    let write = files::blocking(move || {
        write(&path, &private)
            .map_err(|error| files::failure("run/local-file", "write", &path, error))
    });
    let (record, ()) = cx.ledger.create(&cx.address, resource, write).await?;
    Ok(record)
}

/// With `-debug`: the private half where Packer puts it, for whoever wants to look at the machine while the build pauses.
async fn show(cx: &Context, private: &[u8]) -> Option<(PathBuf, u64)> {
    let name = format!("ec2_{}.pem", cx.source_name.replace('/', "_"));
    let file = cx.world.working_directory().join(&name);
    if file.exists() {
        cx.output.warn(format!(
            "{name} is there already and is left as it is: the key is not saved for debug purposes"
        ));
        return None;
    }
    match put(cx, &file, private.to_vec()).await {
        Ok(record) => {
            cx.output
                .say(format!("Saving key for debug purposes: {name}"));
            Some((file, record))
        }
        Err(error) => {
            cx.output.warn(error.chain());
            None
        }
    }
}

/// Brings the public half of a new key, under `name` or one that nothing else has.
async fn bring(
    cx: &Context,
    region: &RegionClient,
    name: Option<&str>,
    kind: &str,
    bits: Option<u32>,
    tags: &Tags,
) -> Result<(Made, Arc<PrivateKey>)> {
    let thing = Thing::new(Kind::KeyPair)?;
    let name = name.unwrap_or(&thing.name).to_owned();
    let wanted = kind.to_owned();
    let key = files::blocking(move || generate(&wanted, bits)).await?;
    let public = public(&key)?;
    let tags = tags::specification(ResourceType::KeyPair, &thing.tags(cx, tags));
    let request = region
        .ec2()
        .import_key_pair()
        .key_name(&name)
        .public_key_material(Blob::new(public))
        .tag_specifications(tags);
    let make = async {
        let answer = region.call("ImportKeyPair", "bring a key pair", request.send());
        // Its name is what it is deleted by.
        let name = answer.await?.key_name;
        name.ok_or_else(|| incomplete("ImportKeyPair", "name"))
    };
    let made = thing.make(cx, region, make).await?;
    Ok((made, Arc::new(key)))
}

/// Where a private half goes: a file for each build, also where they have the pair in common.
fn file(cx: &Context) -> Result<PathBuf> {
    Ok(cx.scratch.join(format!("imgc-{}.key", random::hex()?)))
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)
}

fn generate(kind: &str, bits: Option<u32>) -> Result<PrivateKey> {
    match kind {
        "ed25519" => {
            PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(|error| bug(&error))
        }
        "rsa" => {
            let bits = bits.unwrap_or(RSA_BITS).max(2048) as usize;
            let pair = RsaKeypair::random(&mut OsRng, bits).map_err(|error| bug(&error))?;
            PrivateKey::new(KeypairData::from(pair), "").map_err(|error| bug(&error))
        }
        other => Err(Error::new(
            Class::Template,
            "run/aws-option",
            format!("`temporary_key_pair_type` is `{other}`"),
        )
        .help("EC2 takes `ed25519` and `rsa`")),
    }
}

/// A key for the instance's own identity.
pub(crate) fn host_key() -> Result<PrivateKey> {
    let mut random = OsRng;
    // Asked once, so that a machine without random numbers is an error here.
    let mut probe = [0; 1];
    random
        .try_fill_bytes(&mut probe)
        .map_err(|error| bug(&error))?;
    PrivateKey::random(&mut random, Algorithm::Ed25519).map_err(|error| bug(&error))
}

fn bug(error: &dyn std::fmt::Display) -> Error {
    Error::new(
        Class::Environment,
        "run/local-file",
        format!("a key cannot be made: {error}"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::value::Value;
    use imgc_runtime::testing::object;

    use super::*;

    fn of<const N: usize>(entries: [(&'static str, Value); N]) -> LogIn {
        let value = object(entries);
        LogIn::read(&Options::new("source", &value)).unwrap()
    }

    #[test]
    fn a_temporary_key_is_made_where_the_template_brings_nothing() {
        let temporary = |kind: &str| LogIn::Temporary {
            name: None,
            kind: kind.to_owned(),
            bits: None,
        };
        assert_eq!(of([]), temporary("ed25519"));
        assert_eq!(
            of([("communicator", Value::string("winrm"))]),
            temporary("rsa")
        );
        assert_eq!(of([("communicator", Value::string("none"))]), LogIn::None);
        assert_eq!(of([("ssh_password", Value::string("x"))]), LogIn::Own(None));
        assert_eq!(
            of([("ssh_keypair_name", Value::string("ops"))]),
            LogIn::Own(Some("ops".to_owned()))
        );
    }

    #[test]
    fn keys_are_of_the_kind_asked_for() {
        let key = generate("ed25519", None).unwrap();
        assert!(
            key.public_key()
                .to_openssh()
                .unwrap()
                .starts_with("ssh-ed25519 ")
        );
        let key = generate("rsa", Some(2048)).unwrap();
        assert!(
            key.public_key()
                .to_openssh()
                .unwrap()
                .starts_with("ssh-rsa ")
        );
        assert_eq!(generate("dsa", None).unwrap_err().id, "run/aws-option");
    }
}
