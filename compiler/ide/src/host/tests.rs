//! Texts that change under snapshots.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use imgc_compiler::diagnostic::Severity;

use crate::fixture::{fixture, name};
use crate::{Analysis, Cancelled, Language, TemplateId};

fn problems(analysis: &Analysis, path: &Path) -> String {
    let id = analysis.template_of(path).unwrap();
    let files = analysis.diagnostics(&id).unwrap();
    let shown = files.iter().flat_map(|file| {
        file.problems
            .iter()
            .map(|problem| format!("{}: {}", name(&file.path), problem.id))
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_change_is_seen_by_new_snapshots_and_not_by_older_ones() {
    let mut f = fixture("locals { a = var.x }\n//- b.pkr.hcl\nvariable \"x\" { default = 1 }\n");
    let main = f.path.clone();
    let old = f.analysis.clone();
    assert_eq!(problems(&old, &main), "main.pkr.hcl: editor/unused");
    f.host.set_text(Path::new("/t/b.pkr.hcl"), "");
    let id = old.template_of(&main).unwrap();
    assert!(old.depends_on(&id, Path::new("/t/b.pkr.hcl")));
    assert_eq!(problems(&old, &main), "main.pkr.hcl: editor/unused");
    let new = f.host.analysis();
    assert_eq!(
        problems(&new, &main),
        "main.pkr.hcl: editor/unused, main.pkr.hcl: check/unknown-variable"
    );
    // The saved file counts again.
    f.host.close(Path::new("/t/b.pkr.hcl"));
    assert_eq!(
        problems(&f.host.analysis(), &main),
        "main.pkr.hcl: editor/unused"
    );
}

#[test]
fn a_question_can_be_taken_back() {
    let f = fixture("locals { a = 1 }\n");
    let cancel = Arc::new(AtomicBool::new(false));
    let asked = f.analysis.for_request(Arc::clone(&cancel));
    assert!(asked.folds(&f.path).is_ok());
    cancel.store(true, Ordering::Relaxed);
    assert_eq!(asked.folds(&f.path), Err(Cancelled));
    assert!(f.analysis.folds(&f.path).is_ok());
}

#[test]
fn templates_that_did_not_change_stay_compiled() {
    let mut f = fixture(
        "//- a/main.pkr.hcl\nlocals { a = 1 }\n//- b/main.pkr.hcl\nmodule \"m\" { source = \"../c\" }\n//- c/main.pkr.hcl\noutput \"o\" { value = 1 }\n",
    );
    let id = |name: &str| TemplateId {
        path: PathBuf::from(format!("/t/{name}")),
        values: None,
    };
    let before = f.host.analysis();
    let (a, b) = (before.template(&id("a")), before.template(&id("b")));
    f.host.set_text(
        Path::new("/t/c/main.pkr.hcl"),
        "output \"p\" { value = 1 }\n",
    );
    let after = f.host.analysis();
    assert!(Arc::ptr_eq(&a, &after.template(&id("a"))));
    assert!(
        !Arc::ptr_eq(&b, &after.template(&id("b"))),
        "a module of it changed"
    );
}

#[test]
fn completion_after_a_keystroke_needs_no_more_than_names() {
    let mut f = fixture(
        "locals { a = var.x$0 }\n//- b.pkr.hcl\nvariable \"xs\" { default = 1 }\nbuild { sources = [] }\n",
    );
    let labels = |analysis: &Analysis| -> Vec<String> {
        let found = analysis.completions(&f.path, f.offset).unwrap();
        found.into_iter().map(|item| item.label).collect()
    };
    for _ in 0..2 {
        assert_eq!(labels(&f.analysis), ["xs"]);
    }
    assert_eq!(f.host.counts().compilations(), 0);
    assert_eq!(f.host.counts().lists_of_names(), 1);
    // Who knows everything knows the names.
    let other = PathBuf::from("/t/b.pkr.hcl");
    f.host.set_text(&other, "variable \"xt\" { default = 1 }\n");
    let changed = f.host.analysis();
    assert!(problems(&changed, &f.path).contains("check/unknown-variable"));
    assert_eq!(labels(&changed), ["xt"]);
    assert_eq!(f.host.counts().compilations(), 1);
    assert_eq!(f.host.counts().lists_of_names(), 1);
    // And the older snapshot is still about what it was about.
    assert_eq!(labels(&f.analysis), ["xs"]);
}

#[test]
fn names_are_listed_again_where_a_module_changed_meanwhile() {
    let mut f = fixture(
        "//- a/main.pkr.hcl\nmodule \"m\" { source = \"../c\" }\nlocals { x = module.m.$0 }\n//- c/main.pkr.hcl\noutput \"o\" { value = 1 }\n",
    );
    let labels = |analysis: &Analysis| -> Vec<String> {
        let found = analysis.completions(&f.path, f.offset).unwrap();
        found.into_iter().map(|item| item.label).collect()
    };
    let id = f.analysis.template_of(&f.path).unwrap();
    let fresh = Arc::new(crate::template::Slot::new(f.analysis.shared.revision));
    crate::analysis::lock(&f.analysis.shared.slots).insert(id.clone(), fresh);
    let module = Path::new("/t/c/main.pkr.hcl");
    f.host.set_text(module, "output \"p\" { value = 1 }\n");
    assert_eq!(labels(&f.analysis), ["o"]);
    assert_eq!(labels(&f.host.analysis()), ["p"]);
    assert!(f.analysis.depends_on(&id, module));
}

#[test]
fn files_of_values_are_looked_at_one_by_one() {
    let f = fixture(
        "variable \"x\" { type = number }\nlocals { a = var.x }\noutput \"o\" { value = local.a }\n//- dev.pkrvars.hcl\nx = 1\n//- prod.pkrvars.hcl\nx = \"many\"\nz = 1\n",
    );
    assert_eq!(problems(&f.analysis, &f.path), "");
    assert_eq!(problems(&f.analysis, Path::new("/t/dev.pkrvars.hcl")), "");
    assert_eq!(
        problems(&f.analysis, Path::new("/t/prod.pkrvars.hcl")),
        "prod.pkrvars.hcl: check/invalid-variable, prod.pkrvars.hcl: check/undeclared-variable"
    );
}

#[test]
fn a_file_that_is_no_text_does_not_hide_the_others() {
    let mut disk = imgc_compiler::source::Memory::new([("/t/a.pkr.hcl", "locals { a = var.x }\n")]);
    disk.insert("/t/b.pkr.hcl", vec![0xff, 0xfe, 0x00]);
    let host = crate::AnalysisHost::new(crate::Outside {
        sources: Arc::new(disk),
        world: Arc::new(|| Arc::new(imgc_compiler::source::FixedWorld::default())),
        components: Arc::new(imgc_compiler::components::Everything),
    });
    let analysis = host.analysis();
    let files = analysis
        .diagnostics(&TemplateId {
            path: "/t".into(),
            values: None,
        })
        .unwrap();
    let ids: Vec<_> = files
        .iter()
        .map(|file| (name(&file.path), file.problems[0].id))
        .collect();
    assert_eq!(
        ids,
        [
            ("a.pkr.hcl".to_owned(), "check/unknown-variable"),
            ("b.pkr.hcl".to_owned(), "load/not-text")
        ]
    );
    assert_eq!(files[1].problems[0].severity, Severity::Error);
}

#[test]
fn files_of_other_programs_get_no_answer() {
    let f = fixture(
        "//- package.json\n{\"name\": \"x\", \"builders\": 1}\n//- job.hcl\njob \"x\" {}\n//- x.json\n{\"name\": 1}\n//- a.json\n{\"builders\": []}\n//- t.hcl\nsource \"null\" \"a\" {}\n//- Cargo.toml\n[package]\n",
    );
    let language = |name: &str| f.analysis.language(&Path::new("/t").join(name));
    assert_eq!(language("job.hcl"), None);
    assert_eq!(language("x.json"), None);
    assert_eq!(language("Cargo.toml"), None);
    assert_eq!(language("a.json"), Some(Language::Legacy));
    assert_eq!(language("t.hcl"), Some(Language::Hcl));
}

#[test]
fn a_workspace_of_many_templates_is_not_kept() {
    let disk = (0..200).map(|at| {
        let path = format!("/t/d{at}/main.pkr.hcl");
        (path, format!("variable \"v{at}\" {{}}\n"))
    });
    let mut host = crate::AnalysisHost::new(crate::Outside {
        sources: Arc::new(imgc_compiler::source::Memory::new(disk)),
        world: Arc::new(|| Arc::new(imgc_compiler::source::FixedWorld::default())),
        components: Arc::new(imgc_compiler::components::Everything),
    });
    host.set_text(Path::new("/t/d7/main.pkr.hcl"), "variable \"open\" {}\n");
    let analysis = host.analysis();
    let roots = [PathBuf::from("/t")];
    assert_eq!(analysis.workspace_symbols(&roots, "v1").unwrap().len(), 119);
    assert_eq!(analysis.workspace_symbols(&roots, "open").unwrap().len(), 1);
    assert_eq!(host.counts().compilations(), 0);
    assert_eq!(host.counts().surveys(), 200);
    // Problems are found once, and kept without the templates.
    for _ in 0..2 {
        for id in analysis.templates_below(&roots).unwrap() {
            assert!(analysis.diagnostics(&id).is_ok());
        }
    }
    assert!(crate::analysis::lock(&analysis.shared.slots).len() < 100);
    assert_eq!(host.counts().compilations(), 200);
    // What changes is looked at again, and nothing else.
    let changed = PathBuf::from("/t/d9/main.pkr.hcl");
    host.set_text(&changed, "variable \"w\" {}\n");
    let analysis = host.analysis();
    assert_eq!(analysis.workspace_symbols(&roots, "w").unwrap().len(), 1);
    for id in analysis.templates_below(&roots).unwrap() {
        assert!(analysis.diagnostics(&id).is_ok());
    }
    assert_eq!(host.counts().surveys(), 201);
    assert_eq!(host.counts().compilations(), 201);
}

#[test]
fn what_is_being_compiled_is_waited_for_and_compiled_again_where_it_read_what_changed() {
    let mut f = fixture(
        "//- a/main.pkr.hcl\nlocals { a = 1 }\n//- b/main.pkr.hcl\nmodule \"m\" { source = \"../c\" }\n//- c/main.pkr.hcl\noutput \"o\" { value = 1 }\n",
    );
    let id = |name: &str| TemplateId {
        path: PathBuf::from(format!("/t/{name}")),
        values: None,
    };
    // Two questions that came before the change, and were begun after it.
    let before = f.host.analysis();
    for name in ["a", "b"] {
        let fresh = Arc::new(crate::template::Slot::new(before.shared.revision));
        crate::analysis::lock(&before.shared.slots).insert(id(name), fresh);
    }
    f.host.set_text(
        Path::new("/t/c/main.pkr.hcl"),
        "output \"p\" { value = 1 }\n",
    );
    let after = f.host.analysis();
    let (a, b) = (before.template(&id("a")), before.template(&id("b")));
    assert!(Arc::ptr_eq(&a, &after.template(&id("a"))));
    assert!(!Arc::ptr_eq(&b, &after.template(&id("b"))));
    assert!(before.depends_on(&id("b"), Path::new("/t/c/main.pkr.hcl")));
    assert!(!before.depends_on(&id("a"), Path::new("/t/c/main.pkr.hcl")));
}
