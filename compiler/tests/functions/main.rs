//! The functions of the language, from outside: every function has rows in `cases/`, every argument of every function is
//! tried with null, unknown, sensitive and wrong values, and the answers are those of Packer.

#![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]

mod disk;
mod matrix;
mod packer;
mod properties;
mod reference;
mod rows;
mod table;
mod world;
