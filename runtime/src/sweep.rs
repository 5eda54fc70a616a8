//! What runs have left at a provider, found without any state: by the marks that everything carries from its creation on.
//!
//! In: where to look. Out: what carries the marks of a run and is not finished, in the order in which it has to go, and what
//! could not be looked at. Whoever asks decides what of it may go: only they know which runs live.

use crate::ledger::CloudResource;
use crate::state::Moment;

/// Where to look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Area {
    /// The regions; empty for all that the account can use.
    pub regions: Vec<String>,
}

/// Something that carries the marks of a run and is not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// What it is, with its id: a remover takes it as it is.
    pub thing: CloudResource,
    /// The run's id.
    pub run: String,
    /// The address of the step that made it.
    pub owner: Option<String>,
    /// After this moment anyone may remove it.
    pub expires: Moment,
    /// What has a smaller number goes first: it uses what has a greater one.
    pub turn: u8,
}

/// What could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// What, and where: `snapshots in eu-west-1`.
    pub what: String,
    /// Why, with what would help.
    pub why: String,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// The things, by `turn`.
    pub things: Vec<Marked>,
    /// Where nobody could look.
    pub unseen: Vec<Unseen>,
}
