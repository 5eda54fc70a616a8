//! The whole program, run as its users run it: few cases, in a world of their own.
#![allow(clippy::unwrap_used)]

mod git_modules;
mod harness;

mod archive;
mod artifacts;
mod bad_input;
mod console;
mod convert;
mod data;
mod disks;
mod editors;
mod faults;
mod fmt;
mod held;
mod help;
mod history;
mod hosts;
mod images;
mod inputs;
mod inspect;
mod killed;
mod language;
mod legacy;
mod lock_file;
mod lsp;
mod machines;
mod modules;
mod namespaces;
mod output;
mod packers;
mod plan_files;
mod plans;
mod reuse;
mod runs;
mod sarif;
mod schema;
mod secret_roads;
mod secrets;
mod services;
mod signals;
mod slips;
mod state;
mod stopping;
mod users;
mod validate;
