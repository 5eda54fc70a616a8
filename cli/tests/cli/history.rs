//! What is remembered of runs, and when it is forgotten; where outputs are kept.

use crate::harness::{Printed, Test};

const NOTE: &str = r#"
variable "target" {
  default = "note.txt"
}
source "file" "note" {
  content = "hello\n"
  target  = var.target
}
build {
  sources = ["source.file.note"]
}
output "note" {
  value = build.file.note.artifact.files[0]
}
"#;

/// A build at a moment of its own, in days.
fn build(test: &Test, day: u64, arguments: &[&str]) -> Printed {
    let mut command = test.command(&["build"]);
    command.args(arguments).arg(".");
    let clock = format!("{},test", 1_700_000_000 + day * 86_400);
    command.env("IMGC_INTERNAL_CLOCK", clock);
    let printed = test.finish(command.spawn().unwrap());
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(printed.stderr, "");
    printed
}

/// How many runs are remembered, and how many have log files.
fn remembered(test: &Test) -> (usize, usize) {
    let printed = test.run(&["history", "-n", "0", "-json"]);
    let runs: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    let logs = std::fs::read_dir(test.path(".imgc/logs")).unwrap().count();
    (runs.as_array().unwrap().len(), logs)
}

#[test]
fn old_runs_are_forgotten_with_their_logs_on_request() {
    let test = Test::new(NOTE);
    for day in 0..4 {
        build(&test, day, &[]);
    }
    build(&test, 4, &["-var", "target=other.txt"]);
    build(&test, 5, &[]);
    assert_eq!(remembered(&test), (6, 6));
    let dry = test.run(&["history", "prune", "-keep", "1", "-dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.text());
    assert_eq!(dry.stdout.lines().count(), 5, "{}", dry.text());
    assert!(
        dry.stdout.starts_with("would forget run "),
        "{}",
        dry.text()
    );
    assert!(
        dry.stdout
            .ends_with("2 runs remembered, 1 of them since something of them is still there\n"),
        "{}",
        dry.text()
    );
    assert_eq!(remembered(&test), (6, 6));
    // The run of `other.txt` stays, since that file is there.
    let pruned = test.run(&["history", "prune", "-keep", "1", "-json"]);
    let object: serde_json::Value = serde_json::from_str(&pruned.stdout).unwrap();
    assert_eq!(object["forgotten"].as_array().unwrap().len(), 4);
    assert_eq!((&object["kept"], &object["needed"]), (&2.into(), &1.into()));
    assert_eq!(remembered(&test), (2, 2));
    let up_to_date = test.run(&["plan", "-detailed-exitcode"]);
    assert_eq!(up_to_date.code, 0, "{}", up_to_date.text());
    std::fs::remove_file(test.path("other.txt")).unwrap();
    assert_eq!(test.run(&["history", "prune", "-all"]).code, 0);
    assert_eq!(remembered(&test), (1, 1));
    let refused = test.run(&["history", "-keep", "1"]);
    assert_eq!(refused.code, 2, "{}", refused.text());
}

#[test]
fn runs_beyond_the_limit_are_forgotten_after_a_run() {
    let test = Test::new(NOTE).env("IMGC_HISTORY", "2");
    for day in 0..10 {
        build(&test, day, &[]);
    }
    // Those of the last week stay in any case.
    assert_eq!(remembered(&test), (8, 8));
    build(&test, 30, &[]);
    assert_eq!(remembered(&test), (2, 2));
    let test = Test::new(NOTE).env("IMGC_HISTORY", "all");
    build(&test, 0, &[]);
    build(&test, 30, &[]);
    assert_eq!(remembered(&test), (2, 2));
}

#[test]
fn outputs_are_beside_the_state_wherever_that_is() {
    let test = Test::new(&format!("{NOTE}//- other/main.pkr.hcl\n{NOTE}"));
    let shared = ["-state", "shared"];
    build(&test, 0, &shared);
    assert!(!test.path(".imgc").exists());
    let printed = test.run(&["output", "-raw", "note", "-state", "shared"]);
    assert_eq!(printed.stdout, "note.txt", "{}", printed.text());
    assert_eq!(test.run(&["output"]).code, 4);
    // Another directory's template in the same state.
    let other = test.run(&["output", "-template", "other", "-state", "shared"]);
    assert_eq!(other.code, 4, "{}", other.text());
    let mut command = test.command(&["build", "-var", "target=two.txt", "other"]);
    let built = test.finish(command.env("IMGC_STATE", "shared").spawn().unwrap());
    assert_eq!(built.code, 0, "{}", built.text());
    let mut command = test.command(&["output", "-raw", "note", "-template=other"]);
    let printed = test.finish(command.env("IMGC_STATE", "shared").spawn().unwrap());
    assert_eq!(printed.stdout, "two.txt", "{}", printed.text());
    let first = test.run(&["output", "-raw", "note", "-state", "shared"]);
    assert_eq!(first.stdout, "note.txt");
}
