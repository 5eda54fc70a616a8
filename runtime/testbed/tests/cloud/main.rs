//! The cloud behaves as AWS does: a test for each way, by plain requests, and a whole build by Packer.
#![allow(clippy::unwrap_used)]

mod client;
mod faults;
mod images;
mod machines;
mod packer;
mod record;
mod rules;
mod states;
