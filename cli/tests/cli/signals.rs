//! Ctrl-C and SIGTERM in the middle of a run.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Printed, Test};

/// The file is the builder's until it is captured: stopping must remove it.
const SLOW: &str = r#"
source "file" "note" {
  content = "half made\n"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
  provisioner "shell-local" {
    inline = ["echo at work", "SLEEP"]
  }
}
"#;

const AT_ONCE: Duration = Duration::ZERO;

/// Starts a run and sends `signals`, so far apart, once its script is at work.
fn stopped(test: &Test, signals: &[Signal], apart: Duration) -> (Printed, Duration) {
    let mut child = test.spawn(&["build", "."]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("at work") {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    let begin = Instant::now();
    for (at, signal) in signals.iter().enumerate() {
        if at > 0 {
            std::thread::sleep(apart);
        }
        kill(Pid::from_raw(child.id() as i32), *signal).unwrap();
    }
    std::io::Read::read_to_string(&mut out, &mut seen).unwrap();
    let mut printed = test.finish(child);
    printed.stdout = seen;
    (printed, begin.elapsed())
}

fn slow(command: &str) -> Test {
    Test::new(&SLOW.replace("SLEEP", command))
}

#[test]
fn the_first_ctrl_c_stops_and_cleans_up() {
    let test = slow("sleep 60");
    let (printed, took) = stopped(&test, &[Signal::SIGINT], AT_ONCE);
    assert_eq!(printed.code, 130, "{}", printed.text());
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(printed.stderr.contains("Stopping: "), "{}", printed.text());
    let cleanly = "Cleanly cancelled builds after being interrupted.";
    assert!(printed.stdout.contains(cleanly), "{}", printed.text());
    assert!(!test.path("note.txt").exists(), "{}", printed.text());
    let left: Vec<_> = std::fs::read_dir(test.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        left.len(),
        2,
        "only the template and the logs stay: {left:?}"
    );
}

#[test]
fn sigterm_does_the_same_with_its_own_code() {
    let test = slow("sleep 60");
    let (printed, _) = stopped(&test, &[Signal::SIGTERM], AT_ONCE);
    assert_eq!(printed.code, 143, "{}", printed.text());
    assert!(!test.path("note.txt").exists());
}

/// As timeout(1) does, which signals its child and then its group.
#[test]
fn a_request_that_is_sent_twice_is_one() {
    let test = slow("sleep 60");
    for apart in [AT_ONCE, Duration::from_millis(100)] {
        let (printed, _) = stopped(&test, &[Signal::SIGTERM, Signal::SIGTERM], apart);
        assert_eq!(printed.code, 143, "{}", printed.text());
        let text = printed.text();
        assert!(!text.contains("Leaving at once"), "{text}");
        assert!(!test.path("note.txt").exists(), "{text}");
    }
}

#[test]
fn the_second_ctrl_c_leaves_at_once() {
    // A script that does not want to stop.
    let test = slow("trap '' INT TERM; sleep 30; sleep 30");
    let apart = Duration::from_millis(1200);
    let (printed, took) = stopped(&test, &[Signal::SIGINT, Signal::SIGINT], apart);
    assert_eq!(printed.code, 130, "{}", printed.text());
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// Reads what a run prints until `text` has come, and goes on reading it in the background so that it is never held up.
pub(crate) fn read_until(child: &mut std::process::Child, text: &str) -> String {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains(text) {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    seen
}
