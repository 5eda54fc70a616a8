//! The builders of the family: which rooms of this crate in which order.
//!
//! Those that work on a temporary instance are one builder, [`OnInstance`], with a recipe each.

pub(crate) mod artifact;
mod bundle;
mod check;
pub(crate) mod checkpoint;
mod chroot;
mod ebs;
mod ebssurrogate;
mod ebsvolume;
mod family;
mod instance;
mod launch;
mod on_instance;
mod render;

pub(crate) use chroot::AmazonChroot;
pub(crate) use chroot::volume::{RootVolume, root_of};
pub(crate) use family::{Facts, Family, no_bucket};
pub(crate) use launch::{Trust, attached, user_data};
pub(crate) use on_instance::{Disk, OnInstance};
pub(crate) use render::Render;
