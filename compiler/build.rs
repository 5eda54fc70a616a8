//! Puts the files under `catalogue/` into the form in which the program carries them, so that adding a component is adding
//! a file, and starting the program parses none.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads the package's own files"
)]

#[expect(unreachable_pub, reason = "the library shows some of it to others")]
#[path = "src/schema/packed.rs"]
mod packed;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

use serde_json::{Map, Value, json};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src/schema/packed.rs");
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
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let out = Path::new(&out);
    let mut plugins = BTreeSet::new();
    let mut table = String::from("[\n");
    for (kind, name, path) in rows {
        let file = read(&path)?;
        let packed = out.join(format!("{kind}.{name}"));
        let bytes = postcard::to_allocvec(&file).map_err(io::Error::other)?;
        put(&packed, bytes)?;
        writeln!(
            table,
            "    ({kind:?}, {name:?}, include_bytes!({packed:?})),"
        )
        .expect("a string takes all");
        plugins.extend(file.plugin);
    }
    table.push(']');
    put(&out.join("catalogue.rs"), table)?;
    let plugins: Vec<_> = plugins.into_iter().collect();
    put(&out.join("plugins.rs"), format!("{plugins:?}"))
}

/// Writes a file anew: one that is there may be linked from a copy of the directory, which has other contents.
fn put(path: &Path, contents: impl AsRef<[u8]>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::write(path, contents),
    }
}

/// A file of the catalogue.
fn read(path: &Path) -> io::Result<packed::File<String>> {
    let wrong = |error| io::Error::other(format!("{}: {error}", path.display()));
    let mut json = serde_json::from_str(&fs::read_to_string(path)?).map_err(wrong)?;
    flatten(&mut json);
    serde_json::from_value(json).map_err(wrong)
}

/// What is to be said of most options.
const USUAL: [&str; 3] = ["name", "type", "group"];

/// What is to be said of few.
const RARE: [&str; 16] = [
    "also",
    "required",
    "required_by",
    "newly_required",
    "required_unless",
    "required_when",
    "env",
    "deprecated",
    "sensitive",
    "values",
    "default",
    "format",
    "least",
    "most",
    "reads",
    "doc",
];

/// Values of any type become texts, and what is rare goes apart, in the options of a body and of the blocks in it.
fn flatten(body: &mut Value) {
    let members = |body: &mut Value, name| match body.get_mut(name).map(Value::take) {
        Some(Value::Array(members)) => members,
        _ => Vec::new(),
    };
    let mut attributes = members(body, "attributes");
    for attribute in &mut attributes {
        if let Some(default) = attribute.get("default").filter(|value| !value.is_null()) {
            attribute["default"] = match default {
                Value::String(text) => json!({ "Text": text }),
                other => json!({ "Json": other.to_string() }),
            };
        }
        if let Some(Value::Array(values)) = attribute.get_mut("values") {
            for value in values.iter_mut().filter(|value| !value.is_string()) {
                *value = value.to_string().into();
            }
        }
        if let Value::Object(facts) = attribute {
            let (usual, mut rare): (Map<_, _>, Map<_, _>) = std::mem::take(facts)
                .into_iter()
                .partition(|(fact, _)| USUAL.contains(&fact.as_str()));
            rare.retain(|fact, _| RARE.contains(&fact.as_str()));
            *facts = usual;
            if !rare.is_empty() {
                facts.insert("more".to_owned(), rare.into());
            }
        }
    }
    body["attributes"] = attributes.into();
    let mut blocks = members(body, "blocks");
    blocks.iter_mut().for_each(flatten);
    body["blocks"] = blocks.into();
}
