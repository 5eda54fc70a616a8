//! Any bytes as a template in HCL.
//!
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run compile` in `compiler/`.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| common::compile_as("main.pkr.hcl", data));
