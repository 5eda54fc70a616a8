//! A legacy template means the same after our conversion and after Packer's: both results are compiled, and their plans
//! compared but for the digests, which tell of places in the text.
//!
//! Needs Packer 1.6.6 (`xtask/setup.sh` installs it). What is known to be otherwise stands in `differences.txt` with its
//! reason: a paragraph that begins with `#` lines, the differences below as `TEMPLATE: DIFFERENCE`. The list is exact: what
//! is not found any more has to go. Corrected beforehand in Packer's result is what has the same reason in every template:
//! names of sources, and of those in `only`, `except` and `override`; blanks inside of `{{ }}` in both.
#![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]
#![expect(
    clippy::disallowed_methods,
    reason = "the other program is what is compared with"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use imgc_compiler::FileId;
use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::plan::{Plan, compare};
use imgc_compiler::print::{Document, Language};
use imgc_compiler::source::{FixedWorld, Memory, World};
use regex::Regex;

#[test]
fn templates_mean_what_they_mean_to_packer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade");
    let mut paths: Vec<_> = fs::read_dir(folder.join("templates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 12, "only {} templates", paths.len());
    let found: BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = paths
            .chunks(paths.len().div_ceil(4))
            .map(|paths| {
                scope.spawn(|| {
                    let each = paths.iter().flat_map(|path| differences(path));
                    each.collect::<Vec<_>>()
                })
            })
            .collect();
        let parts = threads.into_iter().map(|thread| thread.join().unwrap());
        parts.flatten().collect()
    });
    let known = known(&fs::read_to_string(folder.join("differences.txt")).unwrap());
    let new: Vec<_> = found.difference(&known).cloned().collect();
    let gone: Vec<_> = known.difference(&found).cloned().collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "not in differences.txt:\n{}\n\nin differences.txt and not found:\n{}",
        new.join("\n"),
        gone.join("\n")
    );
}

/// The differences of the list; a paragraph without a reason is a mistake.
fn known(text: &str) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for paragraph in text.split("\n\n") {
        let (reason, lines): (Vec<&str>, Vec<&str>) =
            paragraph.lines().partition(|line| line.starts_with('#'));
        assert!(!reason.is_empty(), "no reason: {paragraph}");
        known.extend(lines.into_iter().map(str::to_owned));
    }
    known
}

/// What differs, as `TEMPLATE: DIFFERENCE`; from Packer's plan to ours.
fn differences(path: &Path) -> Vec<String> {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let legacy = fs::read_to_string(path).unwrap();
    let builders = builders(&legacy);
    let theirs = corrected(&upgraded(path), &builders);
    let ours = without_blanks(&converted(&legacy));
    let ours = plan(&ours).unwrap_or_else(|problems| {
        panic!("{name}: ours does not compile: {problems:?}\n{ours}");
    });
    let differences = match plan(&theirs) {
        Ok(theirs) => compare::differences(&theirs, &ours),
        Err(problems) => problems
            .into_iter()
            .map(|problem| format!("Packer's does not compile: {problem}"))
            .collect(),
    };
    let differences = differences
        .into_iter()
        .filter(|line| !line.ends_with(": its digest"));
    differences.map(|line| format!("{name}: {line}")).collect()
}

/// Our conversion.
fn converted(legacy: &str) -> String {
    let mut problems = Vec::new();
    let path = Path::new("t.json");
    let mut document = Document::read(path, FileId(0), &legacy.into(), &mut problems);
    assert!(problems.is_empty(), "{problems:#?}");
    let text = document.print(Language::Hcl);
    text.expect("a template has no values that cannot be said")
}

/// Packer's conversion.
fn upgraded(path: &Path) -> String {
    let directory = tempfile::tempdir().unwrap();
    let result = directory.path().join("t.pkr.hcl");
    let output = Command::new("packer")
        .arg("hcl2_upgrade")
        .arg(format!("-output-file={}", result.display()))
        .arg(path)
        .current_dir(directory.path())
        .env("CHECKPOINT_DISABLE", "1")
        .env("HOME", directory.path())
        .output()
        .expect("packer is installed; xtask/setup.sh does that");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", path.display());
    fs::read_to_string(&result).unwrap()
}

/// Type and name of every builder.
fn builders(legacy: &str) -> Vec<(String, String)> {
    let template: serde_json::Value = serde_json::from_str(legacy).unwrap();
    let builders = template["builders"].as_array().unwrap();
    let text = |builder: &serde_json::Value, key| builder[key].as_str().map(str::to_owned);
    let named = builders.iter().map(|builder| {
        let ty = text(builder, "type").unwrap();
        let name = text(builder, "name").unwrap_or_else(|| ty.clone());
        (ty, name)
    });
    named.collect()
}

/// Packer's result with the names that HCL's builds have.
fn corrected(text: &str, builders: &[(String, String)]) -> String {
    let own = Regex::new(r#"source "([^"]+)" "(autogenerated_\d+)""#).unwrap();
    let mut corrected = text.to_owned();
    for found in own.captures_iter(text) {
        corrected = corrected.replace(&found[2], &found[1]);
    }
    let list = Regex::new(r"(?m)^\s*(?:only|except)\s*=.*$").unwrap();
    let corrected = list.replace_all(&corrected, |line: &regex::Captures<'_>| {
        let mut line = line[0].to_owned();
        for (ty, name) in builders {
            line = line.replace(&format!("\"{name}\""), &format!("\"{ty}.{name}\""));
        }
        line
    });
    without_blanks(&corrected)
}

/// `{{.Vars}}` for `{{ .Vars }}`.
fn without_blanks(text: &str) -> String {
    let action = Regex::new(r"\{\{\s*(.*?)\s*\}\}").unwrap();
    action.replace_all(text, "{{$1}}").into_owned()
}

/// The plan of a template in HCL, or the ids of the errors.
fn plan(text: &str) -> Result<Plan, BTreeSet<String>> {
    let sources = Memory::new([("t.pkr.hcl", text)]);
    let mut world = FixedWorld::default();
    world.now = 1_700_000_000;
    world.env.insert("HOME".into(), "/h".into());
    let world: Arc<dyn World> = Arc::new(world);
    let request = Request {
        path: "t.pkr.hcl".into(),
        vars: match text.contains("variable \"token\"") {
            true => vec!["token=given".into()],
            false => Vec::new(),
        },
        ..Request::default()
    };
    let compilation = compile(&request, &sources, &world, &Everything);
    compilation.plan.ok_or_else(|| {
        let errors = compilation.diagnostics.iter().filter(|one| one.is_error());
        errors
            .map(|problem| format!("{}: {}", problem.id, problem.message))
            .collect()
    })
}
