//! From sources to a typed plan and diagnostics, without touching the outside.
//!
//! In: [`Sources`](source::Sources) (files) and [`World`](source::World) (clock, environment, random numbers).
//! Out: a [`Plan`](plan::Plan) and a list of [`Diagnostic`](diagnostic::Diagnostic)s. Every pass returns
//! `(value, diagnostics)`, so that the command line and an editor take the same road.

mod artifacts;
pub mod compile;
pub mod components;
pub mod configure;
pub mod convert;
pub mod diagnostic;
pub mod duration;
pub mod eval;
pub mod functions;
mod go_template;
pub mod hir;
mod late;
pub mod layout;
pub mod load;
pub mod lower;
pub mod module;
pub mod modules;
pub mod names;
pub mod plan;
pub mod print;
pub mod redact;
pub mod schema;
pub mod scope;
pub mod source;
pub mod types;
pub mod value;
pub mod variables;
pub mod version;

pub use imgc_syntax::{FileId, Span};
