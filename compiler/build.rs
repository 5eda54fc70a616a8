//! Lists the files under `catalogue/` as a table of embedded texts, so that adding a component is adding a file.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads the package's own files"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("catalogue");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut rows = Vec::new();
    for directory in fs::read_dir(&root)? {
        let directory = directory?;
        for file in fs::read_dir(directory.path())? {
            let path = file?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let kind = directory.file_name().to_string_lossy().into_owned();
                let name = path
                    .file_stem()
                    .expect("it has an extension")
                    .to_string_lossy()
                    .into_owned();
                rows.push((kind, name, path));
            }
        }
        println!("cargo::rerun-if-changed={}", directory.path().display());
    }
    rows.sort();
    let mut plugins = BTreeSet::new();
    for (_, _, path) in &rows {
        let text = fs::read_to_string(path)?;
        if let Some((_, rest)) = text.split_once("\"plugin\": \"")
            && let Some((plugin, _)) = rest.split_once('"')
        {
            plugins.insert(plugin.to_owned());
        }
    }
    let mut table = String::from("[\n");
    for (kind, name, path) in rows {
        writeln!(table, "    ({kind:?}, {name:?}, include_str!({path:?})),")
            .expect("a string takes all");
    }
    table.push(']');
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("catalogue.rs"), table)?;
    let plugins: Vec<_> = plugins.into_iter().collect();
    fs::write(Path::new(&out).join("plugins.rs"), format!("{plugins:?}"))
}
