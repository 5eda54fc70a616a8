//! What is there already: read-only questions, for `prepare` and for the plan.

mod bucket;
mod network;
mod source;

pub(crate) use bucket::{bucket_of, has_bucket};
pub(crate) use network::{Place, check_groups, find_groups, find_place};
pub(crate) use source::{find_source, taken};
