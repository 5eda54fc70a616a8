//! The same template in HCL, JSON and TOML is the same plan.
//!
//! A folder `tests/languages/<name>/` holds `main.pkr.hcl` and the same in other languages, each compiled alone.
#![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]
#![expect(clippy::disallowed_methods, reason = "tests read their own cases")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::FileId;
use imgc_compiler::compile::{Compilation, Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::diagnostic::plain;
use imgc_compiler::lower;
use imgc_compiler::plan::{Plan, Step};
use imgc_compiler::print::{self, Comments};
use imgc_compiler::source::{FixedWorld, Memory, World};

/// Compiles a text as the file `name` of `folder`, whose other templates are left out, but for those of modules.
fn compiled_beside(name: &str, text: &str, folder: &Path) -> Compilation {
    let mut sources = Memory::default();
    let mut world = FixedWorld::default();
    world.now = 1_700_000_000;
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in std::fs::read_dir(&inner).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = path.strip_prefix(folder).unwrap().to_owned();
            let bytes = std::fs::read(&path).unwrap();
            if inner != folder {
                sources.insert(file.clone(), bytes.clone());
            }
            world.files.insert(file, bytes);
        }
    }
    sources.insert(name, text);
    let world: Arc<dyn World> = Arc::new(world);
    let request = Request {
        path: name.into(),
        ..Request::default()
    };
    compile(&request, &sources, &world, &Everything)
}

/// Everything a plan says but where it stands in a text.
fn plan_of(name: &str, text: &str, folder: &Path) -> String {
    let compilation = compiled_beside(name, text, folder);
    let problems = plain::render(&compilation.sources, &compilation.diagnostics);
    let Some(plan) = &compilation.plan else {
        panic!("{name} does not compile:\n{problems}");
    };
    assert!(problems.is_empty(), "{name}:\n{problems}");
    shown(plan)
}

fn shown(plan: &Plan) -> String {
    let step = |step: &Step| {
        format!(
            "{} {:?} {} {:?} {:?} {:?} {}",
            step.address,
            step.kind,
            step.options.value().display(),
            step.needs,
            step.limits,
            step.outputs,
            step.digest,
        )
    };
    let mut lines: Vec<String> = Vec::new();
    for variable in &plan.variables {
        lines.push(format!(
            "var.{} = {}",
            variable.name,
            variable.value.display()
        ));
    }
    for build in &plan.builds {
        lines.push(format!(
            "{} {} {} {:?} {:?} {} {}",
            build.address,
            build.name,
            build.builder,
            build.description,
            build.timeout,
            build.communicator,
            build.source.value().display()
        ));
        lines.extend(build.cleanup.iter().map(step));
    }
    lines.extend(plan.steps.iter().map(step));
    for output in &plan.outputs {
        lines.push(format!(
            "output {} {:?} = {} {:?}",
            output.name,
            output.description,
            output.value.value().display(),
            output.uses
        ));
    }
    lines.push(format!("{:?}", plan.inputs));
    lines.join("\n")
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages");
    let entries = std::fs::read_dir(root).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

#[test]
fn all_languages_give_the_same_plan() {
    let mut compared = 0;
    for folder in folders() {
        let Ok(hcl) = std::fs::read_to_string(folder.join("main.pkr.hcl")) else {
            continue;
        };
        let wanted = plan_of("main.pkr.hcl", &hcl, &folder);
        for name in ["main.pkr.json", "main.imgc.toml"] {
            let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
                continue;
            };
            compared += 1;
            let found = plan_of(name, &text, &folder);
            assert!(
                wanted == found,
                "{}: the plans differ\n--- HCL\n{wanted}\n--- {name}\n{found}",
                folder.display()
            );
        }
    }
    assert!(compared > 0);
}

/// Every case whose template is right: printed in the other languages it is the same plan.
#[test]
fn every_case_printed_in_json_and_toml_gives_the_same_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    let (mut compared, mut differ) = (0, Vec::new());
    for folder in folders {
        let Ok(text) = std::fs::read_to_string(folder.join("main.pkr.hcl")) else {
            continue;
        };
        let Some(wanted) = compiled_beside("main.pkr.hcl", &text, &folder).plan else {
            continue;
        };
        let body = lower::hcl::file(FileId(0), &text, &mut Vec::new());
        for (name, printed) in [
            (
                "main.pkr.json",
                print::json::body(&body, &mut Comments::none()),
            ),
            (
                "main.imgc.toml",
                print::toml::body(&body, &mut Comments::none()),
            ),
        ] {
            let found = compiled_beside(name, &printed, &folder);
            let problems = plain::render(&found.sources, &found.diagnostics);
            let same = found
                .plan
                .as_ref()
                .is_some_and(|plan| shown(plan) == shown(&wanted));
            if !same {
                differ.push(format!(
                    "{} {name}\n{printed}\n{problems}",
                    folder.display()
                ));
            }
            compared += 1;
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
    assert!(compared > 20, "only {compared} compared");
}

/// `docs/toml.md` shows each construct in HCL and in TOML, one after the other.
#[test]
fn the_page_about_toml_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (page, folder) = (
        root.join("../docs/toml.md"),
        root.join("tests/languages/toml-page"),
    );
    let page = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<(&str, &str)> = page
        .split("\n```")
        .skip(1)
        .step_by(2)
        .map(|block| block.split_once('\n').unwrap())
        .collect();
    assert!(blocks.len() >= 14, "only {} blocks", blocks.len());
    for pair in blocks.chunks(2) {
        let [("hcl", hcl), ("toml", toml)] = pair else {
            panic!("not a pair of HCL and TOML: {pair:?}");
        };
        let (wanted, found) = (
            plan_of("main.imgc.hcl", hcl, &folder),
            plan_of("main.imgc.toml", toml, &folder),
        );
        assert!(
            wanted == found,
            "{toml}\n--- HCL\n{wanted}\n--- TOML\n{found}"
        );
    }
}
