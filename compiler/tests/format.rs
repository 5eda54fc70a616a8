//! Formatting keeps the meaning: the plan of a formatted template is the plan of the template.
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "tests read the cases' files")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::source::{FixedWorld, Memory, World};
use imgc_syntax::hcl;

/// What a directory means: its problems without their places, its variables, its steps with their digests.
fn meaning(directory: &Path, layout: impl Fn(&str) -> String) -> (Vec<String>, usize) {
    let mut sources = Memory::default();
    let mut world = FixedWorld::default();
    let mut changed = 0;
    for path in files(directory) {
        let name = path.strip_prefix(directory).unwrap().to_owned();
        let mut bytes = std::fs::read(&path).unwrap();
        world.files.insert(name.clone(), bytes.clone());
        if let (true, Ok(text)) = (
            name.extension().is_some_and(|end| end == "hcl"),
            str::from_utf8(&bytes),
        ) {
            let formatted = layout(text);
            changed += usize::from(formatted != text);
            bytes = formatted.into_bytes();
        }
        sources.insert(name, bytes);
    }
    let world: Arc<dyn World> = Arc::new(world);
    let request = Request {
        path: "".into(),
        digest_files: true,
        ..Request::default()
    };
    let compilation = compile(&request, &sources, &world, &Everything);
    let mut meaning: Vec<String> = compilation
        .diagnostics
        .iter()
        .map(|problem| format!("{} {}", problem.id, problem.message))
        .collect();
    if let Some(plan) = &compilation.plan {
        let variables = plan.variables.iter();
        meaning.extend(variables.map(|v| format!("{} = {}", v.name, v.value.display())));
        let steps = plan.steps.iter();
        meaning.extend(steps.map(|step| format!("{} {}", step.address, step.digest)));
    }
    (meaning, changed)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

#[test]
fn a_formatted_template_means_the_same() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = Vec::new();
    for parent in ["tests/cases", "../examples"] {
        for entry in std::fs::read_dir(root.join(parent)).unwrap() {
            directories.extend(Some(entry.unwrap().path()).filter(|path| path.is_dir()));
        }
    }
    let mut compared = 0;
    for directory in directories {
        let (written, _) = meaning(&directory, str::to_owned);
        let (formatted, changed) = meaning(&directory, hcl::format);
        assert_eq!(formatted, written, "{}", directory.display());
        compared += usize::from(changed > 0);
    }
    assert!(
        compared > 5,
        "{compared} templates were not in canonical layout"
    );
}
