//! What the cloud remembers beside moto: how long states last, what was said of images and snapshots, tokens of clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::answer::Answer;
use super::behaviour::{Delay, Wait};
use super::request::Request;
use super::xml::Element;

/// A state that leads to another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passing {
    /// What is said as long as it lasts: `pending`.
    pub(crate) name: &'static str,
    pub(crate) wait: Wait,
}

/// A disk of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) device: String,
    /// Empty for one that is made empty.
    pub(crate) snapshot: String,
    /// GiB.
    pub(crate) size: String,
    pub(crate) kind: String,
    pub(crate) keep: bool,
    pub(crate) encrypted: bool,
    /// Set instead of the others for what is no EBS volume, such as `ephemeral0`.
    pub(crate) virtual_name: String,
}

/// What moto does not remember of an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageFacts {
    /// As in [`Self::shown`], replaced as a whole.
    pub(crate) disks: Vec<Disk>,
    /// Elements of `DescribeImages` with other texts than moto's: `imdsSupport`, `architecture`, `deprecationTime`.
    pub(crate) shown: BTreeMap<String, String>,
    /// Whether it may not be deregistered.
    pub(crate) protected: bool,
}

/// What moto does not remember of a snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct SnapshotFacts {
    /// Elements of `DescribeSnapshots` with other texts than moto's.
    pub(crate) shown: BTreeMap<String, String>,
}

/// A request with a client token, and its answer as soon as there is one.
#[derive(Debug, Default)]
pub(crate) struct Token {
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) answer: Option<Answer>,
}

/// A launch template, or the instances of an instant fleet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub(crate) name: String,
    /// Parameters of `RunInstances`.
    pub(crate) parameters: BTreeMap<String, String>,
}

/// An instance as it was started.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    pub(crate) instance: Element,
    /// Its volumes, with their ids.
    pub(crate) volumes: Vec<(String, Disk)>,
}

/// A task that imports an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Import {
    pub(crate) parameters: BTreeMap<String, String>,
    /// What has come of it; empty as long as it lasts.
    pub(crate) image: String,
    pub(crate) snapshot: String,
    pub(crate) cancelled: bool,
}

/// All of it. Ids are unique in all accounts and regions; names are kept with both before them.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Ids in a passing state.
    pub(crate) passing: BTreeMap<String, Passing>,
    /// Ids that are not found yet.
    pub(crate) unseen: BTreeMap<String, Wait>,
    /// When the consoles and passwords of instances begin to say something.
    pub(crate) silent: BTreeMap<String, Wait>,
    pub(crate) images: BTreeMap<String, ImageFacts>,
    /// Which image has a name, with account and region before it.
    pub(crate) names: BTreeMap<String, String>,
    pub(crate) snapshots: BTreeMap<String, SnapshotFacts>,
    /// Groups that a rule of another one has ever named.
    pub(crate) named_groups: BTreeSet<String>,
    /// The stock images as moto shows them, by region and id.
    pub(crate) stock: BTreeMap<String, Element>,
    /// Elements of `DescribeInstances` with other texts than moto's, by instance.
    pub(crate) instances: BTreeMap<String, BTreeMap<String, String>>,
    /// Instances of which nothing but the state has changed since their start: moto need not be asked what they are.
    pub(crate) started: BTreeMap<String, Started>,
    /// The groups of instances that have not been told to end.
    pub(crate) members: BTreeMap<String, Vec<String>>,
    /// Instances that have been told to end.
    pub(crate) ended: BTreeSet<String>,
    /// Public keys of key pairs, as far as they are known, with account and region before their names.
    pub(crate) keys: BTreeMap<String, String>,
    /// Snapshots of moto's that no cloud would have made.
    pub(crate) hidden: BTreeSet<String>,
    pub(crate) tokens: BTreeMap<String, Arc<tokio::sync::Mutex<Token>>>,
    pub(crate) templates: BTreeMap<String, Template>,
    /// The instances of instant fleets.
    pub(crate) fleets: BTreeMap<String, Vec<String>>,
    /// Their tags, which outlive them.
    pub(crate) fleet_tags: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) imports: BTreeMap<String, Import>,
    /// Images with fast launch.
    pub(crate) fast: BTreeMap<String, String>,
    /// The accounts that assumed roles are of, by the id of their access key.
    pub(crate) assumed: BTreeMap<String, String>,
    /// What is left in the buckets of requests, and since when.
    pub(crate) buckets: BTreeMap<String, (f64, Instant)>,
    /// How often each action was called, for [`super::faults`].
    pub(crate) counts: BTreeMap<String, u64>,
    /// Calls with each credential.
    pub(crate) used: BTreeMap<String, u64>,
    /// Accounts and regions that were asked something.
    pub(crate) places: BTreeSet<(String, String)>,
    made: u64,
}

impl State {
    /// Begins a passing state; nothing changes for [`Delay::None`].
    pub(crate) fn pass(&mut self, id: &str, name: &'static str, delay: Delay) {
        self.passing.remove(id);
        if let Some(wait) = Wait::begin(delay) {
            self.passing.insert(id.to_owned(), Passing { name, wait });
        }
    }

    /// Whether an image was made where the request goes, and not given.
    pub(crate) fn is_made(&self, request: &Request, image: &str) -> bool {
        let here = format!("{}/{}/", request.account, request.region);
        let mut names = self.names.iter();
        names.any(|(name, id)| id == image && name.starts_with(&here))
    }

    /// Whether an instance that has not ended is in a group.
    pub(crate) fn is_used(&mut self, group: &str) -> bool {
        let is_in = |groups: &Vec<String>| groups.iter().any(|one| one == group);
        let users = self.members.iter().filter(|(_, groups)| is_in(groups));
        let users: Vec<String> = users.map(|(id, _)| id.clone()).collect();
        // Asked about all, so that each of them comes to its end.
        let lives = users.iter().map(|id| {
            let lives = !self.ended.contains(id) || self.passing(id).is_some();
            if !lives {
                self.members.remove(id);
            }
            lives
        });
        lives.fold(false, |any, lives| any | lives)
    }

    /// The state something passes through, for somebody who asks once more, with what is done of it in percent.
    pub(crate) fn passing(&mut self, id: &str) -> Option<(&'static str, u32)> {
        let passing = self.passing.get_mut(id)?;
        if passing.wait.asked() {
            return Some((passing.name, passing.wait.percent()));
        }
        self.passing.remove(id);
        None
    }

    /// Hides what was just made.
    pub(crate) fn hide(&mut self, id: &str, delay: Delay) {
        if let Some(wait) = Wait::begin(delay) {
            self.unseen.insert(id.to_owned(), wait);
        }
    }

    /// Whether something is not found yet, for somebody who asks once more.
    pub(crate) fn is_unseen(&mut self, id: &str) -> bool {
        asked(&mut self.unseen, id)
    }

    /// Whether the console or password (`console/i-…`) says nothing yet.
    pub(crate) fn is_silent(&mut self, what: &str) -> bool {
        asked(&mut self.silent, what)
    }

    /// An id that nothing else has.
    pub(crate) fn new_id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{:017x}", 0x7e57_0000_0000_u64 + self.made)
    }

    /// The image that a snapshot belongs to.
    pub(crate) fn image_of(&self, snapshot: &str) -> Option<&str> {
        let mut images = self.images.iter();
        let of = |facts: &ImageFacts| facts.disks.iter().any(|disk| disk.snapshot == snapshot);
        images
            .find(|(_, facts)| of(facts))
            .map(|(id, _)| id.as_str())
    }
}

fn asked(waits: &mut BTreeMap<String, Wait>, id: &str) -> bool {
    let Some(wait) = waits.get_mut(id) else {
        return false;
    };
    let lasts = wait.asked();
    if !lasts {
        waits.remove(id);
    }
    lasts
}
