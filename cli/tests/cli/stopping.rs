//! Requests to stop while a run is already cleaning up: the first lets it end, the second leaves what `imgc gc` takes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::faults::left;
use crate::harness::{Printed, Test};
use crate::images::static_copy;
use crate::state::nothing_more;

const LIMIT: Duration = Duration::from_secs(60);

/// What cleans up takes its time and says when it is at it and when it is done.
const CLEANUP: &str = r#"
  error-cleanup-provisioner "shell-local" {
    inline = ["echo cleaning", "sleep 3", "echo done > cleaned"]
  }
"#;

/// An image whose only step is this one.
fn image(step: &str) -> Test {
    let test = Test::new(&format!(
        r#"
source "rootfs" "small" {{
  from             = "dir:base"
  output_directory = "out"
}}
build {{
  sources = ["rootfs.small"]
  provisioner "shell" {{
    inline = ["echo half > /half", "echo at work", "{step}"]
  }}
{CLEANUP}
}}
"#
    ));
    for program in ["sh", "sleep", "chmod", "rm", "mkdir", "cat"] {
        static_copy(program, &test.path("base"));
    }
    test
}

/// What a run prints, as it comes.
struct Words {
    out: BufReader<ChildStdout>,
    seen: String,
}

impl Words {
    fn of(child: &mut Child) -> Self {
        Self {
            out: BufReader::new(child.stdout.take().unwrap()),
            seen: String::new(),
        }
    }

    fn until(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert!(
                self.out.read_line(&mut self.seen).unwrap() > 0,
                "{}",
                self.seen
            );
        }
    }

    /// The rest is read as well, so that nobody is held up.
    fn enough(mut self) -> String {
        std::thread::spawn(move || std::io::copy(&mut self.out, &mut std::io::sink()));
        self.seen
    }
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

fn ended(test: &Test, mut child: Child) -> Printed {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < LIMIT, "it goes on after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    test.finish(child)
}

#[test]
fn a_request_during_the_cleaning_up_of_a_failure_lets_it_end() {
    for request in [Signal::SIGTERM, Signal::SIGINT] {
        let test = image("exit 7");
        let mut child = test.spawn(&["build", "."]);
        let mut words = Words::of(&mut child);
        words.until("small: cleaning");
        signal(&child, request);
        let seen = words.enough();
        let printed = ended(&test, child);
        assert_eq!(printed.code, 1, "{seen}{}", printed.text());
        assert_eq!(test.read("cleaned"), "done\n");
        assert_eq!(left(&test), Vec::<String>::new(), "{}", printed.text());
        nothing_more(&test, "");
        assert!(!test.path("out").exists());
    }
}

#[test]
fn a_second_request_during_cleaning_up_leaves_nothing_that_gc_does_not_take() {
    for (first, second, code) in [
        (Signal::SIGTERM, Signal::SIGINT, 143),
        (Signal::SIGINT, Signal::SIGTERM, 130),
        (Signal::SIGINT, Signal::SIGINT, 130),
    ] {
        let test = image("sleep 300");
        let mut child = test.spawn(&["build", "."]);
        let mut words = Words::of(&mut child);
        words.until("small: at work");
        signal(&child, first);
        words.until("small: cleaning");
        let begin = Instant::now();
        signal(&child, second);
        let seen = words.enough();
        let printed = ended(&test, child);
        assert_eq!(printed.code, code, "{seen}{}", printed.text());
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
        assert!(!test.path("cleaned").exists(), "{}", printed.text());
        let collected = test.run(&["gc"]);
        assert_eq!(collected.code, 0, "{}", collected.text());
        assert_eq!(
            left(&test),
            Vec::<String>::new(),
            "{}\n{}",
            printed.text(),
            collected.text()
        );
        nothing_more(&test, &collected.text());
        // Nothing is in the way of the next run.
        let template = test.read("main.pkr.hcl").replace("sleep 300", "true");
        test.write("main.pkr.hcl", template);
        let printed = test.run(&["build", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
}
