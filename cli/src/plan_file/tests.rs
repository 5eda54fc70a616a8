#![allow(clippy::unwrap_used)]

use imgc_compiler::plan::Options;
use imgc_compiler::source::SourceMap;
use imgc_compiler::value::Value;

use super::*;
use crate::sample;

fn compilation(text: &str) -> Compilation {
    let mut sources = SourceMap::default();
    sources.add("main.pkr.hcl", text);
    sources.add("-var", "name=web\npassword=hunter2-correct-horse");
    Compilation {
        sources,
        plan: Some(sample::plan()),
        ..Compilation::default()
    }
}

fn request() -> Request {
    Request {
        path: "main.pkr.hcl".into(),
        vars: vec![
            "name=web".to_owned(),
            format!("password={}", sample::SECRET),
        ],
        ..Request::default()
    }
}

fn file() -> PlanFile {
    let world = RealWorld::at((1_700_000_000, 5), [3; 32]);
    make(&request(), &compilation("text"), &world).unwrap()
}

/// The reasons for refusing the sample's file after a change of its plan.
fn after(change: impl FnOnce(&mut Plan)) -> String {
    let mut fresh = compilation("text");
    let mut plan = fresh.plan.take().unwrap();
    change(&mut plan);
    match file().verify(&fresh, &plan) {
        Ok(()) => "accepted".to_owned(),
        Err(failure) => failure.details.join("\n"),
    }
}

#[test]
fn what_is_written_is_read_and_agrees_and_has_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.plan");
    write(&path, &file()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(sample::SECRET), "{text}");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    let read = read(&path).unwrap().unwrap();
    assert_eq!(read.world().unwrap().clock(), (1_700_000_000, 5));
    assert_eq!(read.world().unwrap().seed(), [3; 32]);
    let secret = format!("password={}", sample::SECRET);
    let again = read.request(std::slice::from_ref(&secret)).unwrap();
    assert_eq!(again.vars, ["name=web".to_owned(), secret]);
    read.verify(&compilation("text"), &sample::plan()).unwrap();
}

#[test]
fn secrets_must_be_given_again_and_nothing_else_may() {
    let missing = file().request(&[]).unwrap_err();
    insta::assert_snapshot!(missing.text(), @"
    error: this plan was made with secret values, which a plan file does not hold
      help: give them again: -var 'password=...'
    ");
    let more = file().request(&["name=other".to_owned()]).unwrap_err();
    insta::assert_snapshot!(more.text(), @"
    error: `-var name=…` cannot change what a plan file says
      help: make a new plan with `imgc plan -out FILE`
    ");
}

#[test]
fn every_change_is_named() {
    assert_eq!(after(|_| {}), "accepted");
    insta::assert_snapshot!(after(|plan| {
        plan.steps[3].options = Options::known(Value::object([("inline", Value::strings(["x"]))]));
        plan.steps[3].digest = "ff".repeat(32);
    }), @"step `build.web.null.base.provisioner[0]` has changed: option `environment_vars`, option `inline`");
    insta::assert_snapshot!(after(|plan| plan.variables[0].value = Value::string("db")), @r#"variable `name` was "web", is "db""#);
    insta::assert_snapshot!(after(|plan| plan.inputs[0].digest = "aa".repeat(32)), @"input `file setup.sh` has changed (was f0f0f0f0f0f0, is aaaaaaaaaaaa)");
    insta::assert_snapshot!(after(|plan| { plan.steps.pop(); }), @"step `build.note.file.readme.post-processor[1][0]` is gone");
    insta::assert_snapshot!(after(|plan| plan.steps[7].digest = "aa".repeat(32)), @"step `build.note.file.readme.capture` has changed (was 070707070707, is aaaaaaaaaaaa)");
    let secret = after(|plan| {
        plan.variables[1].value = Value::string("hunter3").mark(true);
    });
    assert!(
        secret.starts_with("secret variable `password` has changed"),
        "{secret}"
    );
    let used = after(|plan| plan.steps[3].digest = "aa".repeat(32));
    assert_eq!(used, "a secret that a step uses has another value");
}

#[test]
fn another_text_is_another_plan_even_if_nothing_follows_from_it() {
    let failure = file()
        .verify(&compilation("text # comment"), &sample::plan())
        .unwrap_err();
    assert_eq!(failure.exit, Exit::Stale);
    assert!(
        failure.details[0].starts_with("file `main.pkr.hcl` has changed (was "),
        "{}",
        failure.text()
    );
}

#[test]
fn other_files_are_left_to_the_compiler_and_damaged_ones_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.plan");
    assert!(read(directory.path()).unwrap().is_none());
    std::fs::write(&path, "{\"builders\": []}").unwrap();
    assert!(read(&path).unwrap().is_none());
    std::fs::write(&path, "{\"format\": \"imgc-plan-file\", \"version\": 9}").unwrap();
    assert!(read(&path).unwrap_err().text().contains("is of version 9"));
    std::fs::write(&path, "{\"format\": \"imgc-plan-file\", ").unwrap();
    assert!(read(&path).unwrap_err().text().contains("is damaged"));
}
