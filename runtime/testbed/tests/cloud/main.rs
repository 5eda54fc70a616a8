//! The cloud behaves as AWS does: one test for each way, by plain requests, and one whole build by Packer.
#![allow(clippy::unwrap_used)]

mod client;
mod record;
