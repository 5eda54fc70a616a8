//! Embeds the pages about problems, `docs/diagnostics/<family>/<name>.md`, as a sorted table for `imgc explain`.
#![allow(
    clippy::print_stdout,
    reason = "that is how a build script speaks to cargo"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let pages = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../docs/diagnostics");
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("pages.rs");
    let mut found = Vec::new();
    for family in entries(&pages)? {
        for page in entries(&family)? {
            if page.extension().is_some_and(|extension| extension == "md") {
                let name = |path: &Path| {
                    let stem = path.file_stem().expect("a listed entry has a name");
                    stem.to_string_lossy().into_owned()
                };
                let text = fs::read_to_string(&page)?;
                found.push((format!("{}/{}", name(&family), name(&page)), text));
            }
        }
    }
    found.sort();
    let mut table = String::from("/// Pages by id, sorted.\nconst PAGES: &[(&str, &str)] = &[\n");
    for (id, text) in found {
        writeln!(table, "    ({id:?}, {text:?}),").expect("a string takes every text");
    }
    table.push_str("];\n");
    fs::write(out, table)?;
    println!("cargo::rerun-if-changed=build.rs");
    // The directory that exists: cargo runs the script again when something in it changes.
    let watched = if pages.is_dir() {
        "../docs/diagnostics"
    } else {
        "../docs"
    };
    println!("cargo::rerun-if-changed={watched}");
    Ok(())
}

fn entries(directory: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect()
}
