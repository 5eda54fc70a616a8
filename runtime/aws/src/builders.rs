//! The builders of the family: which rooms of this crate in which order.

mod artifact;
mod bundle;
mod chroot;
mod ebs;
mod ebssurrogate;
mod ebsvolume;
mod family;
mod instance;
mod launch;
mod render;

pub use chroot::AmazonChroot;
pub use ebs::Ebs;
pub use ebssurrogate::EbsSurrogate;
pub use ebsvolume::Volumes;
pub(crate) use family::{Facts, Family};
pub use instance::InstanceStore;
