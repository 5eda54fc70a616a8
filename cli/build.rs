//! Embeds the pages about problems, `docs/diagnostics/<family>/<name>.md`, as a sorted table for `imgc explain`; and says
//! how the program is linked.
#![allow(
    clippy::print_stdout,
    reason = "that is how a build script speaks to cargo"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
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
    // One text, which lies apart from what each command reads.
    let mut all = String::new();
    let mut table =
        String::from("/// The id of each page, sorted, and where it ends in the text of all.\n");
    writeln!(table, "static PAGES: [(&str, u32); {}] = [", found.len()).expect(TAKES);
    for (id, text) in found {
        all.push_str(&text);
        writeln!(table, "    ({id:?}, {}),", all.len()).expect(TAKES);
    }
    writeln!(
        table,
        "];\n/// One page behind the other.\nstatic TEXT: [u8; {}] =",
        all.len()
    )
    .expect(TAKES);
    table.push_str("    *include_bytes!(concat!(env!(\"OUT_DIR\"), \"/pages.txt\"));\n");
    fs::write(out.with_extension("txt"), all)?;
    fs::write(out, table)?;
    println!("cargo::rerun-if-changed=build.rs");
    // The directory that exists: cargo runs the script again when something in it changes.
    let watched = if pages.is_dir() {
        "../docs/diagnostics"
    } else {
        "../docs"
    };
    println!("cargo::rerun-if-changed={watched}");
    println!("cargo::rerun-if-env-changed={PORTABLE}");
    println!("cargo::rerun-if-changed={LAYOUT}");
    if lays_out() {
        let script = fs::canonicalize(LAYOUT)?;
        println!("cargo::rustc-link-arg-bin=imgc=-Wl,-T,{}", script.display());
    }
    if packs_relocations() {
        println!("cargo::rustc-link-arg-bin=imgc=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

const TAKES: &str = "a string takes every text";

/// Set to link plainly: a program that older C libraries can load as well, and whose functions profilers know by name.
const PORTABLE: &str = "IMGC_PORTABLE";

/// The program has 86,000 places that hold an address. Packed (`DT_RELR`) they take 20 KB in place of 2 MB, all of which is
/// read at each start. The GNU C library loads such programs from 2.36 on; what is built here is taken to run here.
fn packs_relocations() -> bool {
    let target = is_tried();
    let native = env::var("HOST").ok() == env::var("TARGET").ok();
    if !target || !native || env::var_os(PORTABLE).is_some() {
        return false;
    }
    let library = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let library = library.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = library.unwrap_or_default();
    let mut numbers = version
        .trim()
        .trim_start_matches("glibc ")
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (major, minor) >= (2, 36)
}

/// What common commands execute; `cargo xtask layout` writes it.
const LAYOUT: &str = "layout.ld";

/// A program that many people start has the code together that runs. LLD, which Rust brings, and GNU's linker take such a
/// script beside their own; whoever names another linker goes without.
fn lays_out() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let other = ["fuse-ld", "linker="]
        .iter()
        .any(|word| flags.contains(word));
    let optimised = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    optimised && is_tried() && !other && env::var_os(PORTABLE).is_none()
}

/// Whether the target is the one that these options of the linker were tried for.
fn is_tried() -> bool {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
}

fn entries(directory: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect()
}
