//! The builders of the family.

mod ebs;

pub use ebs::Ebs;
