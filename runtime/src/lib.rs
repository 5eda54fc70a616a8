//! Runs a plan.
//!
//! In: a [`Plan`](imgc_compiler::plan::Plan) and a [`Registry`](registry::Registry) of components. Out: a stream of
//! [`Event`](event::Event)s and a result. Clouds, ssh and namespaces are known here only as traits; leaf crates bring
//! the implementations.

pub mod artifact;
pub mod builder;
pub mod communicator;
pub mod context;
pub mod error;
pub mod event;
pub mod ledger;
pub mod machine;
pub mod post_processor;
pub mod provisioner;
pub mod registry;

pub use error::{Class, Error, Result};
