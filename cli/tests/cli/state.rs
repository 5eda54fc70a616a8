//! What is remembered from run to run, and what is left when a run has died.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::Test;

const SLOW: &str = r#"
source "null" "base" {
  communicator = "none"
}
source "file" "note" {
  content = "made\n"
  target  = "note.txt"
}
build {
  sources = ["source.null.base", "source.file.note"]
  provisioner "shell-local" {
    only   = ["null.base"]
    inline = ["echo at work", "sleep 30 & sleep 30"]
  }
}
"#;

const QUICK: &str = r#"
source "file" "note" {
  content = "made\n"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
}
"#;

/// Starts a run and waits until its script is at work.
fn at_work(test: &Test, arguments: &[&str]) -> Child {
    let mut child = test.spawn(arguments);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("null.base: at work") {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    child
}

fn shoot(mut child: Child) {
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

fn scratches(test: &Test) -> Vec<String> {
    let entries = std::fs::read_dir(test.path(".")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("imgc-"))
        .collect()
}

/// Processes that belong to runs of this test, by the marks in their environment.
fn processes(test: &Test) -> Vec<u32> {
    let home = format!("HOME={}", test.path("").display());
    let home = home.trim_end_matches('/');
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
            continue;
        };
        let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
        let marked = variables.iter().any(|one| one.starts_with(b"IMGC_RUN="));
        if marked && variables.contains(&home.as_bytes()) {
            found.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(|pid| pid.parse::<u32>().ok()),
            );
        }
    }
    found
}

/// `gc` finds nothing of this test's. Other tests run beside it, so what it lists and leaves alone does not count.
pub(crate) fn nothing_more(test: &Test, after: &str) {
    let printed = test.run(&["gc", "--json"]);
    assert_eq!(printed.code, 0, "{after}: {}", printed.text());
    let said: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    let found = said["removed"]
        .as_array()
        .into_iter()
        .chain(said["failed"].as_array());
    let own: Vec<&serde_json::Value> = found
        .flatten()
        .filter(|one| {
            one["what"]
                .as_str()
                .is_some_and(|what| what.contains("$TEST"))
        })
        .collect();
    assert!(own.is_empty(), "{after}: {own:?}");
}

#[test]
fn gc_removes_what_a_killed_run_has_left_and_the_next_run_says_so_once() {
    let test = Test::new(SLOW);
    shoot(at_work(&test, &["build", "."]));
    assert_eq!(scratches(&test).len(), 1);
    assert!(!processes(&test).is_empty());
    let listed = test.run(&["gc", "--dry-run"]);
    assert_eq!(listed.code, 0, "{}", listed.text());
    assert!(
        listed.stdout.contains("would remove directory $TEST/imgc-"),
        "{}",
        listed.text()
    );
    assert_eq!(scratches(&test).len(), 1);

    let quick = ["build", "-only=file.note", "-force", "."];
    let printed = test.run(&quick);
    assert!(
        printed.stderr.contains(" died and has left ") && printed.stderr.contains("`imgc gc`"),
        "{}",
        printed.text()
    );
    assert!(!test.run(&quick).stderr.contains("died"));

    let printed = test.run(&["gc"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(scratches(&test), Vec::<String>::new());
    assert_eq!(processes(&test), Vec::<u32>::new());
    nothing_more(&test, "");
    let history = test.run(&["history"]).stdout;
    assert!(
        history.lines().last().unwrap().contains("  died  "),
        "{history}"
    );
}

#[test]
fn gc_finds_what_carries_the_marks_of_a_dead_run_without_its_state() {
    let test = Test::new(SLOW);
    shoot(at_work(&test, &["build", "."]));
    std::fs::remove_dir_all(test.path(".imgc")).unwrap();
    let printed = test.run(&["gc"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(scratches(&test), Vec::<String>::new());
    assert_eq!(processes(&test), Vec::<u32>::new());
}

#[test]
fn gc_leaves_a_run_that_lives_alone_with_and_without_its_state() {
    let test = Test::new(SLOW);
    let child = at_work(&test, &["build", "."]);
    for arguments in [&["gc"][..], &["gc", "--state", "other"]] {
        let printed = test.run(arguments);
        assert_eq!(printed.code, 0, "{}", printed.text());
        assert_eq!(scratches(&test).len(), 1, "{}", printed.text());
        assert!(!processes(&test).is_empty());
    }
    shoot(child);
    assert_eq!(test.run(&["gc"]).code, 0);
}

#[test]
fn a_second_run_of_a_build_is_told_who_has_it_and_others_run_beside_it() {
    let test = Test::new(SLOW);
    let child = at_work(&test, &["build", "-only=null.base", "."]);
    let printed = test.run(&["build", "-only=null.base", "-lock-timeout=0", "."]);
    assert_eq!(printed.code, 9, "{}", printed.text());
    assert!(
        printed
            .stderr
            .contains("error[run/locked]: `build.null.base` is being made by run ")
            && printed.stderr.contains(&format!("process {}", child.id())),
        "{}",
        printed.text()
    );
    let printed = test.run(&["build", "-only=file.note", "-lock-timeout=0", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    // The kernel drops a dead holder's lock.
    let mut waiting = test.spawn(&["build", "-only=null.base", "."]);
    let mut words = BufReader::new(waiting.stderr.take().unwrap());
    let mut said = String::new();
    words.read_line(&mut said).unwrap();
    assert!(said.starts_with("note: waiting for run "), "{said}");
    shoot(child);
    let mut out = BufReader::new(waiting.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("at work") {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    shoot(waiting);
    assert_eq!(test.run(&["gc"]).code, 0);
}

#[test]
fn a_run_can_be_looked_at_afterwards() {
    let test = Test::new(QUICK);
    assert_eq!(test.run(&["build", "-trace=trace.json", "."]).code, 0);
    let shown = test.run(&["show"]);
    assert_eq!(shown.code, 0, "{}", shown.text());
    assert!(
        shown.stdout.contains("status    succeeded\n"),
        "{}",
        shown.text()
    );
    assert!(
        shown.stdout.contains("build.file.note.capture"),
        "{}",
        shown.text()
    );
    let json: serde_json::Value =
        serde_json::from_str(&test.run(&["show", "--json"]).stdout).unwrap();
    let id = json["run"]["id"].as_str().unwrap();
    assert_eq!(test.run(&["show", &id[..6]]).stdout, shown.stdout);
    let none = test.run(&["show", "zzz"]);
    assert_eq!(none.code, 2);
    assert!(
        none.stderr.contains("no run `zzz` is remembered"),
        "{}",
        none.text()
    );

    let logs = test.run(&["logs", "last", "build.file.note.capture"]);
    assert!(
        logs.stdout.contains("step build.file.note.capture\n"),
        "{}",
        logs.text()
    );
    assert!(
        !logs.stdout.contains("step build.file.note.launch\n"),
        "{}",
        logs.text()
    );
    assert_eq!(test.run(&["logs", "last", "file.other"]).code, 2);

    let trace: serde_json::Value = serde_json::from_str(&test.read("trace.json")).unwrap();
    let names: Vec<&str> = trace
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["ph"] == "X")
        .filter_map(|event| event["name"].as_str())
        .collect();
    assert!(
        names.contains(&"build.file.note.capture") && names.contains(&"run"),
        "{names:?}"
    );

    let images = test.run(&["images"]);
    assert!(
        images.stdout.contains("file note.txt\n"),
        "{}",
        images.text()
    );
    std::fs::remove_file(test.path("note.txt")).unwrap();
    let images = test.run(&["images"]);
    assert!(
        images.stdout.contains("file note.txt  (missing)\n"),
        "{}",
        images.text()
    );
}

#[test]
fn a_log_is_followed_until_its_run_ends() {
    let test = Test::new(&SLOW.replace("sleep 30 & sleep 30", "sleep 1; echo the end"));
    let child = at_work(&test, &["build", "."]);
    let follower = test.spawn(&["logs", "-f", "last", "null.base"]);
    let printed = test.finish(follower);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("null.base: the end"),
        "{}",
        printed.text()
    );
    assert_eq!(test.finish(child).code, 0);
}

#[test]
fn a_full_disk_ends_the_run_before_anything_is_made_that_is_not_recorded() {
    for (point, turn) in [
        ("state.open", 1),
        ("state.before-commit", 1),
        // The second says for people who has the build: nobody waits for it.
        ("state.commit", 1),
        ("state.commit", 3),
        ("state.commit", 4),
        ("ledger.before-intent", 1),
        ("ledger.before-intent", 2),
        ("ledger.before-identity", 1),
        ("ledger.made", 1),
        ("ledger.made", 2),
    ] {
        let test = Test::new(QUICK).env("IMGC_FAULT", &format!("full@{point}#{turn}"));
        let printed = test.run(&["build", "."]);
        let text = printed.text();
        assert_eq!(printed.code, 4, "{point}#{turn}: {text}");
        assert!(
            text.contains("the disk is full") || text.contains("no storage space"),
            "{text}"
        );
        assert_eq!(
            scratches(&test),
            Vec::<String>::new(),
            "{point}#{turn}: {text}"
        );
        let test = test.env("IMGC_FAULT", "");
        nothing_more(&test, &format!("{point}#{turn}"));
        let printed = test.run(&["build", "-force", "."]);
        assert_eq!(printed.code, 0, "{point}#{turn}: {}", printed.text());
    }
}

#[test]
fn a_damaged_state_is_said_and_not_replaced() {
    let test = Test::new(QUICK);
    assert_eq!(test.run(&["build", "."]).code, 0);
    test.write(".imgc/state.db", "overwritten");
    for arguments in [&["build", "-force", "."][..], &["history"], &["gc"]] {
        let printed = test.run(arguments);
        assert_eq!(printed.code, 4, "{}", printed.text());
        assert!(
            printed
                .stderr
                .contains("error[run/state]: the state `.imgc/state.db` is damaged")
                || printed
                    .stderr
                    .contains("error[run/state]: the state `./.imgc/state.db` is damaged"),
            "{}",
            printed.text()
        );
        assert!(printed.stderr.contains("help: "), "{}", printed.text());
    }
    assert_eq!(test.read(".imgc/state.db"), "overwritten");
    let printed = test.run(&["build", "-force", "--state", "other", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
}

#[test]
fn the_state_may_be_elsewhere() {
    let test = Test::new(QUICK).env("IMGC_STATE", "kept");
    assert_eq!(test.run(&["build", "."]).code, 0);
    assert!(test.path("kept/state.db").exists());
    assert!(test.run(&["history"]).stdout.contains("  succeeded  "));
    let printed = test.run(&["history", "--state", "none"]);
    assert_eq!(printed.stdout, "no run is remembered in none\n");
    assert!(!test.path("none").exists());
}

#[test]
fn a_clock_that_is_moved_back_changes_nothing() {
    let test = Test::new(QUICK);
    assert_eq!(test.run(&["build", "."]).code, 0);
    let test = test.env("IMGC_INTERNAL_CLOCK", "1600000000,other");
    assert_eq!(test.run(&["build", "-force", "."]).code, 0);
    let history = test.run(&["history"]).stdout;
    let began: Vec<&str> = history
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(
        began,
        ["2020-09-13", "2023-11-14"],
        "newest first: {history}"
    );
    nothing_more(&test, "");
}

#[test]
fn an_image_that_post_processors_only_look_at_is_listed_once() {
    let template = QUICK.replace(
        "sources = [\"source.file.note\"]\n",
        "sources = [\"source.file.note\"]\n  post-processor \"manifest\" {}\n",
    );
    let test = Test::new(&template);
    let made = test.run(&["apply", "."]);
    assert_eq!(made.code, 0, "{}", made.text());
    let images = test.run(&["images"]);
    assert_eq!(
        images.stdout.matches("file note.txt\n").count(),
        1,
        "{}",
        images.text()
    );
}
