//! Printing: parse of printed is what was printed, for bodies made by rules and for every template at hand.
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "reads templates from the disk")]

#[path = "print/generate.rs"]
mod generate;
#[path = "print/shape.rs"]
mod shape;

use imgc_compiler::{FileId, Span};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::diagnostic::plain;
use imgc_compiler::hir::{Attribute, Block, Body, Name};
use imgc_compiler::lower;
use imgc_compiler::plan::{Plan, compare};
use imgc_compiler::print::{self, Comments, Document, Language};
use imgc_compiler::source::{FixedWorld, Memory, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(strategy, |value| {
        test(value);
        Ok(())
    });
    // The value itself fills screens; the reason has its text.
    match result {
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Ok(()) => {}
    }
}

fn parse_hcl(text: &str) -> Body {
    let mut problems = Vec::new();
    let body = lower::hcl::file(FileId(0), text, &mut problems);
    assert!(problems.is_empty(), "{problems:#?}\n--- {text}");
    body
}

/// A document of a text, which must have no problems.
fn document(path: &str, text: &str) -> Document {
    let mut problems = Vec::new();
    let document = Document::read(Path::new(path), FileId(0), &text.into(), &mut problems);
    assert!(problems.is_empty(), "{problems:#?}\n--- {text}");
    document
}

fn print(document: &mut Document, language: Language) -> String {
    document
        .print(language)
        .expect("a template has no values that cannot be said")
}

#[test]
fn printed_hcl_reads_as_what_was_printed() {
    run(600, &generate::body(), |body| {
        let text = print::hcl::body(&body, &mut Comments::none());
        assert_eq!(
            shape::body(&body),
            shape::body(&parse_hcl(&text)),
            "\n--- {text}"
        );
    });
}

/// Expressions of every form, as values of locals, which take all of them.
#[test]
fn expressions_come_back_from_other_languages() {
    let span = Span::new(FileId(0), 0, 0);
    run(400, &generate::expression(), |value| {
        let name = |text: &str| Name {
            text: text.into(),
            span,
        };
        let attribute = Attribute {
            name: name("x"),
            value,
            span,
        };
        let inner = Body {
            attributes: vec![attribute],
            ..Body::default()
        };
        let block = Block {
            kind: name("locals"),
            labels: Vec::new(),
            body: inner,
            header: span,
            span,
        };
        let body = Body {
            blocks: vec![block],
            ..Body::default()
        };
        for (file, text) in [
            (
                "x.imgc.toml",
                print::toml::body(&body, &mut Comments::none()),
            ),
            (
                "x.pkr.json",
                print::json::body(&body, &mut Comments::none()),
            ),
        ] {
            let back = print(&mut document(file, &text), Language::Hcl);
            assert_eq!(
                shape::body(&body),
                shape::body(&parse_hcl(&back)),
                "\n--- {text}"
            );
        }
    });
}

/// Every HCL template of the repository that has no syntax errors.
fn templates() -> Vec<(String, Arc<str>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for directory in [
        "compiler/tests/cases",
        "compiler/syntax/tests/corpus",
        "examples",
    ] {
        walk(&root.join(directory), &mut found);
    }
    assert!(found.len() > 60, "only {} templates", found.len());
    found
}

fn walk(directory: &Path, found: &mut Vec<(String, Arc<str>)>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "hcl") {
            let text = fs::read_to_string(&path).unwrap();
            let mut problems = Vec::new();
            lower::hcl::file(FileId(0), &text, &mut problems);
            if problems.is_empty() {
                found.push((path.display().to_string(), text.into()));
            }
        }
    }
}

/// A text of HCL printed again, with its comments.
fn printed(text: &Arc<str>) -> String {
    printed_as(text, print::hcl::body)
}

fn printed_as(text: &Arc<str>, print: fn(&Body, &mut Comments) -> String) -> String {
    let body = parse_hcl(text);
    print(
        &body,
        &mut Comments::place(FileId(0), text, &body, &print::scan::hcl(text)),
    )
}

#[test]
fn every_template_survives_printing() {
    for (path, text) in templates() {
        let again = printed(&text);
        assert_eq!(
            shape::body(&parse_hcl(&text)),
            shape::body(&parse_hcl(&again)),
            "{path}\n--- {again}"
        );
        // Whatever was kept is kept again.
        assert_eq!(again, printed(&again.as_str().into()), "{path}");
    }
}

#[test]
fn no_comment_of_any_template_is_lost() {
    for (path, text) in templates() {
        let words = |text: &str| {
            let comments = print::scan::hcl(text)
                .into_iter()
                .flat_map(|comment| comment.lines);
            let text = comments.collect::<Vec<_>>().join(" ");
            let mut words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        };
        assert_eq!(words(&text), words(&printed(&text)), "{path}");
    }
}

#[test]
fn layout_and_comments_stay_where_they_were() {
    let text = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/print/comments.pkr.hcl"),
    )
    .unwrap();
    let text = text.into();
    insta::assert_snapshot!("comments", printed(&text));
    insta::assert_snapshot!("comments_in_toml", printed_as(&text, print::toml::body));
    insta::assert_snapshot!("comments_in_json", printed_as(&text, print::json::body));
}

/// Whether the template of a path has no problems: only of options that the catalogue knows is known what is a block.
fn is_right(path: &str) -> bool {
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    match path.split_once("/tests/cases/") {
        Some((_, inner)) => {
            let case = inner.split('/').next().unwrap();
            let known = fs::read_to_string(snapshots.join(format!("case@{case}.snap")));
            known.is_ok_and(|known| !known.contains("error[") && !known.contains("warning["))
        }
        None => path.contains("/examples/"),
    }
}

/// The shape of a text, its top-level blocks sorted: JSON keeps those of a kind together, and their order says nothing.
fn unordered(text: &str) -> String {
    let mut body = parse_hcl(text);
    body.blocks.sort_by_cached_key(|block| {
        let labels = block.labels.iter().map(|label| label.text.clone());
        (block.kind.text.clone(), labels.collect::<Vec<_>>())
    });
    shape::body(&body)
}

#[test]
fn every_template_survives_other_languages() {
    for (path, text) in templates().into_iter().filter(|(path, _)| is_right(path)) {
        // A reference in quotes means the same, and comes back without them.
        let text = text.replace("= \"source.qemu.middle\"", "= source.qemu.middle");
        let shape = unordered(&text);
        for (language, name) in [
            (Language::Toml, "x.imgc.toml"),
            (Language::Json, "x.pkr.json"),
        ] {
            let there = print(&mut document("x.pkr.hcl", &text), language);
            let back = print(&mut document(name, &there), Language::Hcl);
            assert_eq!(shape, unordered(&back), "{path}\n--- {there}");
        }
    }
}

#[test]
fn comments_survive_toml() {
    let text = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/print/comments.pkr.hcl"),
    )
    .unwrap();
    let there = print(&mut document("x.pkr.hcl", &text), Language::Toml);
    let back = print(&mut document("x.imgc.toml", &there), Language::Hcl);
    insta::assert_snapshot!("comments_back_from_toml", back);
}

/// The plan of a text, or its problems; files beside it are those of `folder`.
fn compiled(name: &str, text: &str, folder: &Path) -> Result<Plan, String> {
    let mut world = FixedWorld::default();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            let name = path.file_name().unwrap();
            world.files.insert(name, bytes.clone());
            world.files.insert(Path::new("/project").join(name), bytes);
        }
    }
    let world: Arc<dyn World> = Arc::new(world);
    let request = Request {
        path: name.into(),
        vars: vec!["password=secret".to_owned()],
        check_only: true,
        ..Request::default()
    };
    let mut request = request;
    if !text.contains("password") {
        request.vars.clear();
    }
    let sources = Memory::new([(name, text)]);
    let mut compilation = compile(&request, &sources, &world, &Everything);
    let problems = plain::render(&compilation.sources, &compilation.diagnostics);
    compilation.plan.take().ok_or(problems)
}

/// Templates of Packer's old JSON, upgraded to HCL and from there to the other languages: one plan.
#[test]
fn legacy_templates_keep_their_plans() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut paths = Vec::new();
    for directory in ["cases", "print/legacy"] {
        legacy(&tests.join(directory), &mut paths);
    }
    let mut compared = 0;
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap();
        let is_ours = path.starts_with(tests.join("print"));
        let mut before = match compiled(name, &text, folder) {
            Ok(plan) => plan,
            Err(problems) if is_ours => panic!("{}\n{problems}", path.display()),
            // A case about mistakes.
            Err(_) => continue,
        };
        let mut problems = Vec::new();
        let mut document = Document::read(
            Path::new(name),
            FileId(0),
            &text.as_str().into(),
            &mut problems,
        );
        let hcl = print(&mut document, Language::Hcl);
        let gone: Vec<_> = document
            .notes
            .iter()
            .filter_map(|note| note.variable.clone())
            .collect();
        before
            .variables
            .retain(|variable| !gone.iter().any(|name| variable.name == name));
        if is_ours {
            insta::assert_snapshot!(format!("legacy_{}", name.replace('.', "_")), hcl);
        }
        for (name, language) in [
            ("x.pkr.hcl", Language::Hcl),
            ("x.imgc.toml", Language::Toml),
            ("x.pkr.json", Language::Json),
        ] {
            let text = match language {
                Language::Hcl => hcl.clone(),
                _ => print(&mut self::document("x.pkr.hcl", &hcl), language),
            };
            let mut after = compiled(name, &text, folder)
                .unwrap_or_else(|problems| panic!("{}\n{problems}\n--- {text}", path.display()));
            after.variables.retain(|variable| {
                before
                    .variables
                    .iter()
                    .any(|known| known.name == variable.name)
            });
            let differences = compare::differences(&before, &after);
            assert!(
                differences.is_empty(),
                "{}\n{differences:#?}\n--- {text}",
                path.display()
            );
        }
        compared += 1;
    }
    assert!(compared >= 5, "only {compared} templates compared");
}

fn legacy(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            legacy(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
            && !path.to_string_lossy().ends_with(".pkr.json")
            && fs::read_to_string(&path).unwrap().contains("\"builders\"")
        {
            found.push(path);
        }
    }
}
