//! A folder is a case: `tests/cases/<name>/` holds a template (and `vars`, a line each, given as `-var`); diagnostics and
//! plan are compared with the snapshot of that name.
#![allow(clippy::unwrap_used, clippy::field_reassign_with_default)]
#![expect(clippy::disallowed_methods, reason = "tests read their own cases")]

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::diagnostic::plain;
use imgc_compiler::plan::{NeedKind, Plan, StepId};
use imgc_compiler::source::{FixedWorld, Memory, World};

#[test]
fn cases() {
    insta::glob!("cases/*/main.*", |path| {
        let directory = path.parent().unwrap();
        let name = directory
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        insta::with_settings!({ snapshot_suffix => name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("case", run(directory));
        });
    });
}

fn run(directory: &Path) -> String {
    let mut sources = Memory::default();
    let mut world = FixedWorld::default();
    world.now = 1_700_000_000;
    let mut request = Request {
        path: "".into(),
        digest_files: true,
        ..Request::default()
    };
    let mut files: Vec<_> = walk(directory);
    files.sort();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.strip_prefix(directory).unwrap().to_owned();
        match name.to_str().unwrap() {
            "vars" => request.vars = lines(&bytes),
            "only" => request.only = lines(&bytes),
            "except" => request.except = lines(&bytes),
            "env" => world.env.extend(lines(&bytes).iter().map(|line| {
                let (name, value) = line.split_once('=').unwrap();
                (name.to_owned(), value.to_owned())
            })),
            text => {
                if text == "main.json" {
                    request.path.clone_from(&name);
                }
                if text.contains(".given.") {
                    request.var_files.push(name.clone());
                }
                sources.insert(name.clone(), bytes.clone());
                world.files.insert(name, bytes);
            }
        }
    }
    let world: Arc<dyn World> = Arc::new(world);
    let compilation = compile(&request, &sources, &world, &Everything);
    let mut text = plain::render(&compilation.sources, &compilation.diagnostics);
    if let Some(unreadable) = &compilation.unreadable {
        writeln!(text, "{unreadable:?}").unwrap();
    }
    if let Some(plan) = &compilation.plan {
        show(&mut text, plan);
    }
    text
}

fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path))
        } else {
            files.push(path)
        }
    }
    files
}

/// A step's address without its build's.
fn local(plan: &Plan, id: StepId) -> &str {
    let step = plan.step(id);
    &step.address[plan.build(step.build).address.len() + 1..]
}

fn show(text: &mut String, plan: &Plan) {
    for variable in &plan.variables {
        writeln!(
            text,
            "var.{} = {} ({})",
            variable.name,
            variable.value.display(),
            variable.origin
        )
        .unwrap();
    }
    for build in &plan.builds {
        writeln!(
            text,
            "{} ({}, {})",
            build.address, build.name, build.communicator
        )
        .unwrap();
        writeln!(text, "  source {}", build.source.value().display()).unwrap();
        if !build.selected {
            writeln!(text, "  not selected").unwrap();
        }
        for step in &build.cleanup {
            writeln!(
                text,
                "  on failure {} {}",
                step.address,
                step.options.value().display()
            )
            .unwrap();
        }
    }
    for step in &plan.steps {
        write!(text, "{}", step.address).unwrap();
        let needs = step.needs.iter().map(|need| {
            let arrow = if need.kind == NeedKind::Data {
                "←"
            } else {
                "⇠"
            };
            let other = plan.step(need.step);
            let address = match other.build == step.build {
                true => local(plan, need.step),
                false => &other.address,
            };
            format!("{arrow}{address}")
        });
        write!(text, "  {}", needs.collect::<Vec<_>>().join(" ")).unwrap();
        let options = step.options.value().display();
        if options != "{}" {
            write!(text, "\n  {options}").unwrap();
        }
        writeln!(text).unwrap();
    }
    for output in &plan.outputs {
        let uses = output.uses.iter().map(|used| &*plan.build(*used).address);
        writeln!(
            text,
            "output {} = {} {:?}{}",
            output.name,
            output.value.value().display(),
            uses.collect::<Vec<_>>(),
            if output.complete { "" } else { " incomplete" }
        )
        .unwrap();
    }
    for input in &plan.inputs {
        writeln!(
            text,
            "reads {} {} {}",
            input.kind,
            input.name,
            &input.digest[..8]
        )
        .unwrap();
    }
}
