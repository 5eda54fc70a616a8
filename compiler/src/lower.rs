//! From syntax trees to HIR: one module for each language.

pub mod hcl;
pub mod json;

pub mod legacy;
pub mod structure;
pub mod toml;
pub mod tree;
