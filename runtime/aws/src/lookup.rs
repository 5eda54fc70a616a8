//! What is there already: read-only questions, for `prepare` and for the plan.

mod network;
mod source;

pub(crate) use network::{Place, find_groups, find_place};
pub(crate) use source::{find_source, taken};
