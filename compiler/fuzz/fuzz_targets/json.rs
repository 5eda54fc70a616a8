//! Any bytes as a template in HCL's JSON form, and as a legacy one.
//!
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run json` in `compiler/`.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    common::compile_as("main.pkr.json", data);
    common::compile_as("main.json", data);
});
