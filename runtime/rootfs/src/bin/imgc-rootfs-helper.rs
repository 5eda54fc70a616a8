//! Hosts the helper for this crate's tests, which have no `imgc` to start. Not part of a release.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(word) if word == imgc_rootfs::HELPER_WORD => imgc_rootfs::helper_main(args),
        _ => ExitCode::from(2),
    }
}
