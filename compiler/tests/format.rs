//! Formatting keeps the meaning: the plan of a formatted template is the plan of the template.
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "tests read the cases' files")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::print::{self, Comments};
use imgc_compiler::source::{FixedWorld, Memory, World};
use imgc_compiler::{FileId, layout, lower};

/// The languages whose files a test lays out, by the ends of their names.
type Ends<'a> = &'a [&'a str];

/// A file in canonical layout; as it is where it has errors.
fn laid_out(path: &Path, text: &str) -> String {
    let language = layout::language(path, text);
    layout::format(language, FileId(0), text, &mut Vec::new()).unwrap_or_else(|| text.to_owned())
}

/// What a template means, a directory or one file of it: its problems without their places, its variables, its steps with
/// their digests. Files whose names end so are laid out before; says how many of them changed.
fn meaning(directory: &Path, template: &Path, ends: Ends<'_>) -> (Vec<String>, usize) {
    let mut sources = Memory::default();
    let mut world = FixedWorld::default();
    let mut changed = 0;
    for path in files(directory) {
        let name = path.strip_prefix(directory).unwrap().to_owned();
        let mut bytes = std::fs::read(&path).unwrap();
        world.files.insert(name.clone(), bytes.clone());
        if let (true, Ok(text)) = (
            name.extension()
                .is_some_and(|end| ends.iter().any(|wanted| end == *wanted)),
            str::from_utf8(&bytes),
        ) {
            let formatted = laid_out(&path, text);
            changed += usize::from(formatted != text);
            bytes = formatted.into_bytes();
        }
        sources.insert(name, bytes);
    }
    let world: Arc<dyn World> = Arc::new(world);
    let request = Request {
        path: template.into(),
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

/// The directories of cases and examples, and templates in them that stand alone.
fn templates() -> Vec<(PathBuf, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for parent in ["tests/cases", "tests/languages", "../examples"] {
        for entry in std::fs::read_dir(root.join(parent)).unwrap() {
            let directory = entry.unwrap().path();
            if !directory.is_dir() {
                continue;
            }
            for path in files(&directory) {
                let name = path.strip_prefix(&directory).unwrap();
                if name
                    .extension()
                    .is_some_and(|end| end == "json" || end == "toml")
                {
                    found.push((directory.clone(), name.to_owned()));
                }
            }
            found.push((directory, PathBuf::new()));
        }
    }
    found
}

fn mean_the_same(ends: Ends<'_>, at_least: usize) {
    let mut compared = 0;
    for (directory, template) in templates() {
        let (written, _) = meaning(&directory, &template, &[]);
        let (formatted, changed) = meaning(&directory, &template, ends);
        assert_eq!(
            formatted,
            written,
            "{} {}",
            directory.display(),
            template.display()
        );
        compared += usize::from(changed > 0);
    }
    assert!(
        compared > at_least,
        "{compared} templates were not in canonical layout"
    );
}

#[test]
fn a_formatted_template_means_the_same() {
    mean_the_same(&["hcl"], 5);
}

#[test]
fn a_formatted_template_in_json_or_toml_means_the_same() {
    mean_the_same(&["json", "toml"], 5);
}

#[test]
fn what_is_converted_is_in_canonical_layout() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compared = 0;
    for path in files(&root.join("tests/cases")) {
        if path.extension().is_none_or(|end| end != "hcl") {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let text = Arc::from(text);
        let mut problems = Vec::new();
        let body = lower::hcl::file(FileId(0), &text, &mut problems);
        if !problems.is_empty() {
            continue;
        }
        let comments = || Comments::place(FileId(0), &text, &body, &print::scan::hcl(&text));
        for (name, printed) in [
            ("x.pkr.json", print::json::body(&body, &mut comments())),
            ("x.imgc.toml", print::toml::body(&body, &mut comments())),
        ] {
            assert_eq!(
                laid_out(Path::new(name), &printed),
                printed,
                "{}",
                path.display()
            );
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared} compared");
}
