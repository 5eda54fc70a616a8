//! Things at Amazon, made through the ledger, found again, removed.
//!
//! In: what is to be made, and the request that makes it. Out: its id, recorded; or, the other way round: a record of a run that
//! is no more, and the thing is gone.

use imgc_runtime::context::Context;
use imgc_runtime::error::{Error, Result};
use imgc_runtime::ledger::{CloudResource, Resource};

use crate::error::TAKEN;
use crate::region::RegionClient;
use crate::tags::{self, Tags};

mod bundle;
mod find;
mod group;
mod iam;
mod patience;
mod remove;
mod renew;
mod sweep;

pub(crate) use find::by_name;
pub(crate) use iam::{PATH, POLICY, tag};
pub(crate) use patience::Patience;
pub use remove::AwsRemover;
pub(crate) use remove::{remove, snapshots_of};
pub(crate) use renew::{finish, settle};

/// The provider's name in records.
pub(crate) const PROVIDER: &str = "aws";

/// What can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A disk in S3.
    Bundle,
    Fleet,
    Image,
    Instance,
    InstanceProfile,
    KeyPair,
    LaunchTemplate,
    Role,
    SecurityGroup,
    Snapshot,
    Volume,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Bundle,
        Self::Fleet,
        Self::InstanceProfile,
        Self::LaunchTemplate,
        Self::Role,
        Self::Image,
        Self::Instance,
        Self::KeyPair,
        Self::SecurityGroup,
        Self::Snapshot,
        Self::Volume,
    ];

    /// The kinds that EC2 lists by their tags.
    pub(crate) const LISTED: [Self; 7] = [
        Self::LaunchTemplate,
        Self::Image,
        Self::Instance,
        Self::KeyPair,
        Self::SecurityGroup,
        Self::Snapshot,
        Self::Volume,
    ];

    /// The word in records, as EC2 calls the kind in tag specifications.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Fleet => "fleet",
            Self::Image => "image",
            Self::Instance => "instance",
            Self::InstanceProfile => "instance-profile",
            Self::KeyPair => "key-pair",
            Self::LaunchTemplate => "launch-template",
            Self::Role => "role",
            Self::SecurityGroup => "security-group",
            Self::Snapshot => "snapshot",
            Self::Volume => "volume",
        }
    }

    /// The kind of a record; `None` where a newer version has written it.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Several of them, for people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Bundle => "bundles",
            Self::Fleet => "fleets",
            Self::InstanceProfile => "instance profiles",
            Self::LaunchTemplate => "launch templates",
            Self::Role => "roles",
            Self::Image => "images",
            Self::Instance => "instances",
            Self::KeyPair => "key pairs",
            Self::SecurityGroup => "security groups",
            Self::Snapshot => "snapshots",
            Self::Volume => "volumes",
        }
    }

    /// The filter that finds it by its id; `None` where EC2 has none.
    pub(crate) fn named_by(self) -> Option<&'static str> {
        Some(match self {
            Self::Image => "image-id",
            Self::Instance => "instance-id",
            Self::KeyPair => "key-name",
            Self::LaunchTemplate => "launch-template-name",
            Self::SecurityGroup => "group-id",
            Self::Snapshot => "snapshot-id",
            Self::Volume => "volume-id",
            Self::Bundle | Self::Fleet | Self::InstanceProfile | Self::Role => return None,
        })
    }

    /// When it is removed: what has a smaller number goes first, since it uses what has a greater one.
    pub(crate) fn turn(self) -> u8 {
        match self {
            Self::Instance | Self::Fleet => 0,
            Self::Image => 1,
            Self::Bundle | Self::Snapshot | Self::Volume => 2,
            Self::SecurityGroup => 3,
            Self::KeyPair | Self::LaunchTemplate | Self::InstanceProfile => 4,
            Self::Role => 5,
        }
    }
}

/// Something that is about to be made.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) kind: Kind,
    /// Unique in all runs; client tokens are made from it.
    pub(crate) name: String,
}

impl Thing {
    /// With a fresh name: `imgc-` and 32 hexadecimal digits, which is short enough for every kind and token.
    pub(crate) fn new(kind: Kind) -> Result<Self> {
        Ok(Self {
            kind,
            name: format!("imgc-{}", crate::random::hex()?),
        })
    }

    /// The tags it carries: the run's beside `own`.
    pub(crate) fn tags(&self, cx: &Context, own: &Tags) -> Tags {
        let mut all = own.clone();
        all.extend(own_tags(cx));
        all.insert(tags::NAME.to_owned(), self.name.clone());
        all
    }

    /// The same for something whose id is known before: what is about to happen to it makes it ours.
    pub(crate) async fn make_known(
        &self,
        cx: &Context,
        region: &RegionClient,
        id: &str,
        make: impl Future<Output = Result<String>>,
    ) -> Result<Made> {
        let record = self.made(region, id);
        let intent = Resource::Cloud(record.clone());
        let (number, _) = cx.ledger.create(&cx.address, intent, make).await?;
        Ok(Made { number, record })
    }

    fn record(&self, region: &RegionClient, id: Option<String>) -> CloudResource {
        CloudResource {
            provider: PROVIDER.to_owned(),
            kind: self.kind.word().to_owned(),
            place: region.name().to_owned(),
            name: self.name.clone(),
            id,
            reach: region.reach(),
            asked: Some(patience::now()),
        }
    }

    /// The record of it when it is made.
    pub(crate) fn made(&self, region: &RegionClient, id: &str) -> CloudResource {
        self.record(region, Some(id.to_owned()))
    }

    /// Makes it: the intent is recorded before `make` asks for it, its id after. Gives the record's number and the id.
    pub(crate) async fn make(
        &self,
        cx: &Context,
        region: &RegionClient,
        make: impl Future<Output = Result<String>>,
    ) -> Result<Made> {
        region.attend(cx);
        let make = async {
            let id = match make.await {
                Err(error) if error.id == TAKEN => self.made_before(region, error).await?,
                Err(error) => {
                    if !error.is_transient() {
                        patience::refused(&self.name);
                    }
                    return Err(error);
                }
                Ok(id) => id,
            };
            let record = self.made(region, &id);
            Ok((Resource::Cloud(record.clone()), record))
        };
        let intent = Resource::Cloud(self.record(region, None));
        let (number, record) = cx.ledger.create_as(&cx.address, intent, make).await?;
        Ok(Made { number, record })
    }
}

impl Thing {
    /// The id of it where its name is taken by itself: the answer to an earlier request has not arrived.
    async fn made_before(&self, region: &RegionClient, taken: Error) -> Result<String> {
        let found = find::by_name(region, self.kind, &self.name, Patience::short()).await?;
        found.into_iter().next().ok_or(taken)
    }
}

/// Whose a thing is, and when anyone may remove it.
pub(crate) fn own_tags(cx: &Context) -> Tags {
    let mut all = Tags::new();
    let mut put = |key: &str, value: &str| all.insert(key.to_owned(), value.to_owned());
    put(tags::RUN, &cx.run_id);
    put(tags::BUILD, &cx.address);
    if let Some(expires) = &cx.expires {
        put(tags::EXPIRES, &crate::clock::written(expires.moment()));
    }
    all
}

/// Something that is made.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Of its record in the ledger.
    pub(crate) number: u64,
    pub(crate) record: CloudResource,
}

impl Made {
    /// The provider's id.
    pub(crate) fn id(&self) -> &str {
        self.record.id.as_deref().unwrap_or_default()
    }
}
