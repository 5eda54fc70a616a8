//! The ledger: the one way to make something that would outlive a crash.
//!
//! [`Ledger::create`] records the intent (what, where, how to remove it) before anything is made, then makes it, then
//! records its identity. Undo, Ctrl-C and crash recovery work from the same records: the process's own are in memory, and
//! each is in the run's [`State`] before anything is made.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::{RwLock, oneshot};

use crate::error::{Class, Error, Result};
use crate::state::{ChangeRecord, Memory, Moment, NewRun, State};

/// A kind of thing and where to find it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Resource {
    /// A file of this machine.
    File {
        /// Its path, absolute.
        path: PathBuf,
    },
    /// A directory of this machine with all it holds.
    Directory {
        /// Its path, absolute.
        path: PathBuf,
    },
    /// A file or directory that is being put into its place: what is there is this resource only if it has this inode number,
    /// so that what it replaces is never taken for it.
    #[serde(alias = "placed_directory")]
    Placed {
        /// Where it will be, absolute.
        path: PathBuf,
        /// Its inode number, which moving does not change.
        inode: u64,
        /// Where what stands at `path` goes when this takes its place: removing this puts it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        aside: Option<PathBuf>,
    },
    /// A directory whose files belong to mapped users and must be removed inside a user namespace.
    MappedDirectory {
        /// Its path, absolute.
        path: PathBuf,
    },
    /// What is mounted on this machine at a directory and below it, with what runs inside; and the directory, when it is
    /// empty then.
    Mounts {
        /// The directory, absolute.
        path: PathBuf,
        /// The command that takes it away, for a shell; never a secret.
        command: String,
    },
    /// A process of this machine.
    Process {
        /// Its number.
        pid: u32,
        /// Start time in clock ticks since boot (`/proc/PID/stat` field 22), so that a reused number is not killed.
        started: u64,
        /// What it is.
        what: String,
        /// The entry that all it starts has in its environment, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<String>,
    },
    /// Every process of this machine whose environment has this entry: what a run starts inherits it, so the intent can
    /// be recorded before the first one is there.
    Processes {
        /// `IMGC_RUN=` and the run's id.
        marker: String,
    },
    /// A file on the machine that is being provisioned.
    RemoteFile {
        /// Which machine, for people: `user@host:port`.
        machine: String,
        /// Its path there.
        path: String,
        /// How whoever cleans up later gets there; `None` where that takes a secret, or more than is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access: Option<Box<Access>>,
    },
    /// Something at a provider of machines.
    Cloud(CloudResource),
}

/// Something at a provider: what it is, and how it is found, before it has an identity and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudResource {
    /// Such as `aws`.
    pub provider: String,
    /// What it is, in the provider's words: `instance`, `key-pair`, `image`.
    #[serde(rename = "what")]
    pub kind: String,
    /// Where: a region.
    pub place: String,
    /// A name no other thing has, which it carries from its creation on: what it is found by as long as there is no id.
    pub name: String,
    /// The provider's id, once it is made.
    pub id: Option<String>,
    /// What leads to the account again, in another process: a profile, a role, an endpoint. No secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reach: BTreeMap<String, String>,
    /// When it was asked for, where that is known: for a while nobody may see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Moment>,
}

/// Of [`CloudResource::reach`]: what the provider calls the account that the thing is in.
pub const ACCOUNT: &str = "account";

impl CloudResource {
    /// The account it is in, as its provider calls it, where that is known.
    pub fn account(&self) -> Option<&str> {
        self.reach.get(ACCOUNT).map(String::as_str)
    }

    /// Whether both are the same thing. Names such as those of parameters are another thing in each account.
    pub fn is(&self, other: &Self) -> bool {
        if let (Some(own), Some(others)) = (self.account(), other.account())
            && own != others
        {
            return false;
        }
        let key = |thing: &Self| {
            (
                thing.provider.clone(),
                thing.kind.clone(),
                thing.place.clone(),
            )
        };
        key(self) == key(other)
            && match (&self.id, &other.id) {
                (Some(own), Some(others)) => own == others,
                _ => self.name == other.name,
            }
    }

    /// For people: `aws instance i-0123 (eu-west-1)`.
    pub fn describe(&self) -> String {
        let Self {
            provider,
            kind,
            place,
            ..
        } = self;
        match &self.id {
            Some(id) => format!("{provider} {kind} {id} ({place})"),
            None => format!("{provider} {kind} named {} ({place})", self.name),
        }
    }
}

/// How a machine is reached over ssh without a secret that somebody would have to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Login name.
    pub user: String,
    /// The file with the private key, absolute.
    pub private_key: Option<PathBuf>,
    /// The file with its certificate, absolute.
    pub certificate: Option<PathBuf>,
    /// Whether the user's agent has the key.
    pub agent: bool,
    /// The host keys that were believed, as lines of a `known_hosts` file; where there are none the user's own files
    /// decide.
    pub host_keys: Vec<String>,
    /// Whether whoever answers is believed.
    pub insecure: bool,
    /// How the marks begin of the commands that were at work there while the file was; they end with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<String>,
}

/// A record of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, counted from 1.
    pub id: u64,
    /// The address of the build or step that owns it.
    pub owner: String,
    /// What it is.
    pub resource: Resource,
    /// Whether making it has ended (else it may or may not exist).
    pub made: bool,
}

/// Records of what a run has made and not yet removed. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    records: Arc<Mutex<Vec<Record>>>,
    state: Arc<dyn State>,
    run: Arc<str>,
    /// Held by whoever writes an intent down.
    writing: Arc<RwLock<()>>,
}

impl Default for Ledger {
    /// One whose state is in memory.
    fn default() -> Self {
        Self::new(Arc::new(Memory::new()), "".into())
    }
}

impl Ledger {
    /// The ledger of a run, whose records are in `state` as well.
    pub fn new(state: Arc<dyn State>, run: Arc<str>) -> Self {
        Self {
            records: Arc::default(),
            state,
            run,
            writing: Arc::default(),
        }
    }

    /// Records `resource` for `owner`, makes it with `make`, records that it is made. When `make` fails the record
    /// stays until it is removed, since a part of it may exist. Nothing is made where the record cannot be written.
    pub async fn create<T>(
        &self,
        owner: &str,
        resource: Resource,
        make: impl Future<Output = Result<T>>,
    ) -> Result<(u64, T)> {
        let identity = resource.clone();
        let make = async { Ok((identity, make.await?)) };
        self.create_as(owner, resource, make).await
    }

    /// The same for a resource whose identity is known only when it is made: `make` gives it.
    pub async fn create_as<T>(
        &self,
        owner: &str,
        intent: Resource,
        make: impl Future<Output = Result<(Resource, T)>>,
    ) -> Result<(u64, T)> {
        fault("ledger.before-intent")?;
        let id = self.intend(owner, intent).await?;
        let (identity, value) = make.await?;
        self.identify(id, identity).await?;
        Ok((id, value))
    }

    /// Writes an intent down. The step may be stopped while that goes on, and what has been handed to the state is written all
    /// the same: then nothing is made of it, and it is struck off again. Without that only `gc` would know of the record.
    async fn intend(&self, owner: &str, resource: Resource) -> Result<u64> {
        let writing = self.writing.clone().read_owned().await;
        let (answer, answered) = oneshot::channel();
        let (ledger, owner) = (self.clone(), owner.to_owned());
        tokio::spawn(async move {
            let written = ledger.state.intend(&ledger.run, &owner, &resource).await;
            let intended = written.map(|id| {
                ledger.lock().push(Record {
                    id,
                    owner,
                    resource,
                    made: false,
                });
                Intended {
                    ledger: Some(ledger),
                    id,
                }
            });
            // Where nobody waits for it any more it is dropped, and with it the record.
            let _ = answer.send(intended);
            drop(writing);
        });
        let mut intended = answered.await.unwrap_or_else(|_| Err(unwritten()))?;
        fault("ledger.intended")?;
        intended.ledger = None;
        Ok(intended.id)
    }

    /// Waits until every intent that is being written is a record, or is struck off.
    pub(crate) async fn written(&self) {
        drop(self.writing.write().await);
    }

    /// Begins a run with what `owner` will make in it, all in one write; gives the records' numbers. What is made of it is
    /// [`made`](Self::made).
    pub async fn begin(
        &self,
        run: &NewRun,
        owner: &str,
        intents: Vec<Resource>,
    ) -> Result<Vec<u64>> {
        fault("ledger.before-intent")?;
        let numbers = self.state.begin_with(run, owner, &intents).await?;
        fault("ledger.intended")?;
        let records = numbers.iter().zip(intents).map(|(id, resource)| Record {
            id: *id,
            owner: owner.to_owned(),
            resource,
            made: false,
        });
        self.lock().extend(records);
        Ok(numbers)
    }

    /// What was intended is made.
    pub async fn made(&self, id: u64) -> Result<()> {
        let intended = self.lock().iter().find(|record| record.id == id).cloned();
        match intended {
            Some(record) => self.identify(id, record.resource).await,
            None => Ok(()),
        }
    }

    async fn identify(&self, id: u64, identity: Resource) -> Result<()> {
        fault("ledger.before-identity")?;
        self.state.made(id, &identity).await?;
        fault("ledger.made")?;
        if let Some(record) = self.lock().iter_mut().find(|record| record.id == id) {
            record.made = true;
            record.resource = identity;
        }
        Ok(())
    }

    /// Records that something which others made is about to be changed in this run, or has been: what is needed to change it
    /// back, or that it was removed. Gives the record's number; the run is filled in. Nothing is changed where the record cannot be written.
    pub async fn change(&self, change: &ChangeRecord) -> Result<u64> {
        fault("ledger.before-intent")?;
        let change = ChangeRecord {
            run: self.run.to_string(),
            ..change.clone()
        };
        self.state.change(&change).await
    }

    /// Forgets a record: the resource is removed, or has become part of an artifact.
    pub fn forget(&self, id: u64) {
        self.lock().retain(|record| record.id != id);
        self.state.forget(id);
    }

    /// What is recorded for the owner `prefix` and for the owners below it (`prefix.step`, `prefix[0]`), newest first:
    /// the order of undoing. An empty prefix means all.
    pub fn outstanding(&self, prefix: &str) -> Vec<Record> {
        self.lock()
            .iter()
            .rev()
            .filter(|record| owns(prefix, &record.owner))
            .cloned()
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Record>> {
        self.records
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// An intent that is written down; dropped, it is struck off: nothing has been made of it.
struct Intended {
    /// `None` once it is taken over.
    ledger: Option<Ledger>,
    id: u64,
}

impl Drop for Intended {
    fn drop(&mut self) {
        if let Some(ledger) = self.ledger.take() {
            ledger.forget(self.id);
        }
    }
}

/// Whoever writes intents down has gone: the process is about to end.
fn unwritten() -> Error {
    Error::new(
        Class::Environment,
        "run/state",
        "cannot record what is about to be made: the run is ending",
    )
}

/// A place where tests let the process die.
fn fault(point: &str) -> Result<()> {
    crate::fault::point(point).map_err(|error| {
        Error::new(
            Class::Environment,
            "run/state",
            "cannot record what is about to be made",
        )
        .because(error)
    })
}

/// Whether `owner` is `prefix` or stands below it.
pub(crate) fn owns(prefix: &str, owner: &str) -> bool {
    match owner.strip_prefix(prefix) {
        Some(rest) => prefix.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
        None => false,
    }
}

impl Resource {
    /// For people: `directory /path`.
    pub fn describe(&self) -> String {
        match self {
            Self::File { path } => format!("file {}", path.display()),
            Self::Directory { path } | Self::MappedDirectory { path } => {
                format!("directory {}", path.display())
            }
            Self::Placed { path, .. } => format!("output {}", path.display()),
            Self::Mounts { path, .. } => format!("mounts at {}", path.display()),
            Self::Process { pid, what, .. } => format!("process {pid} ({what})"),
            Self::Processes { marker } => format!("processes with {marker}"),
            Self::RemoteFile { machine, path, .. } => format!("file {path} on {machine}"),
            Self::Cloud(thing) => thing.describe(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_not_confused_with_one_whose_name_begins_alike() {
        assert!(owns("build.null.a", "build.null.a"));
        assert!(owns("build.null.a", "build.null.a.provisioner[0]"));
        assert!(owns("build.null.a", "build.null.a[\"x\"].launch"));
        assert!(owns("", "run"));
        assert!(!owns("build.null.a", "build.null.ab.launch"));
    }
}
