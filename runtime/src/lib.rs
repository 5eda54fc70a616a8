//! Runs a plan.
//!
//! In: a [`Plan`](imgc_compiler::plan::Plan) and a [`Registry`](registry::Registry) of components. Out: a stream of
//! [`Event`](event::Event)s and a result ([`run::run`]). Clouds, ssh and namespaces are known here only as traits; leaf
//! crates bring the implementations. What a component asks of its surroundings is in [`context`]; how events become
//! text is in [`report`].

pub mod artifact;
pub mod builder;
pub mod builders;
pub mod cache;
pub mod cancel;
pub mod checkpoint;
pub mod communicator;
pub mod context;
pub mod data_source;
pub mod data_sources;
pub mod duration;
pub mod error;
pub mod event;
pub mod expiry;
pub mod fault;
pub mod files;
pub mod fingerprint;
pub mod history;
pub mod hold;
pub mod identity;
pub mod ledger;
pub mod machine;
pub mod mark;
pub mod mounts;
pub mod options;
pub mod pins;
mod place;
pub mod post_processor;
pub mod post_processors;
pub mod preview;
pub mod process;
pub mod provisioner;
pub mod provisioners;
pub mod redact;
pub mod registry;
pub mod remove;
pub mod report;
pub mod reuse;
pub mod run;
pub mod settings;
pub mod state;
mod sums;
pub mod sweep;
pub mod template;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod watch;

pub use error::{Class, Error, Result};
