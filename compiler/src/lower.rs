//! From syntax trees to HIR: one module for each language.

pub mod hcl;
pub mod json;

pub mod legacy;
pub mod structure;
#[cfg(test)]
mod testing;
pub mod toml;
pub mod tree;
