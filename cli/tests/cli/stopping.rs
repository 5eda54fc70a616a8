//! Requests to stop. One at any moment leaves nothing, and takes nothing that was finished before; one while a run is already
//! cleaning up lets it end; a second one leaves what `imgc gc` takes.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::faults::{choose, left};
use crate::harness::{Printed, Test};
use crate::images::static_copy;
use crate::state::nothing_more;

const LIMIT: Duration = Duration::from_secs(60);
/// How long moments are tried, unless all are asked for.
const SAMPLE: Duration = Duration::from_secs(12);

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
        // What follows within a second is the same request.
        std::thread::sleep(Duration::from_millis(1200));
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

/// What is made anew, and what of it stands there.
struct Remade {
    template: &'static str,
    artifact: &'static str,
}

const IMAGE: Remade = Remade {
    template: r#"
source "rootfs" "small" {
  from             = "dir:base"
  output_directory = "out"
}
build {
  sources = ["rootfs.small"]
  provisioner "shell" {
    inline = ["echo here > /here"]
  }
}
"#,
    artifact: "out/small.oci/index.json",
};

/// Its file is there before the steps that follow.
const FILE: Remade = Remade {
    template: r#"
source "file" "small" {
  content = "a page"
  target  = "out.txt"
}
build {
  sources = ["file.small"]
  provisioner "shell-local" {
    inline = ["test \"$(cat out.txt)\" = 'a page'"]
  }
}
"#,
    artifact: "out.txt",
};

/// A post-processor's file.
const PACKED: Remade = Remade {
    template: r#"
source "file" "small" {
  content = "a page"
  target  = "out.txt"
}
build {
  sources = ["file.small"]
  post-processor "compress" {
    output              = "out.tar.gz"
    keep_input_artifact = true
  }
}
"#,
    artifact: "out.tar.gz",
};

/// What stands there already, and the moments of making it anew: the names of the points.
fn rebuilt(remade: &Remade) -> (Test, Vec<String>) {
    let test = Test::new(remade.template);
    for program in ["sh", "chmod", "rm", "mkdir", "cat"] {
        static_copy(program, &test.path("base"));
    }
    let printed = test.run(&["apply", "-auto-approve"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let trace = test.path("points");
    let mut command = test.command(&["apply", "-auto-approve", "-rebuild"]);
    let traced = command.env("IMGC_FAULT_TRACE", trace).output().unwrap();
    assert!(traced.status.success());
    let points = test.read("points").lines().map(str::to_owned).collect();
    (test, points)
}

/// Makes something anew, disturbed at each of some points in turn.
fn disturbed(remade: &Remade, action: &str, stride: usize, look: impl Fn(&Test, &str, &Printed)) {
    let (test, points) = rebuilt(remade);
    let is_whole = || test.path(remade.artifact).exists();
    let names: Vec<&str> = points.iter().map(String::as_str).collect();
    let begin = Instant::now();
    for (tried, number) in choose(&names, stride, 1).into_iter().enumerate() {
        if tried > 12 && std::env::var_os("IMGC_EVERY_FAULT").is_none() && begin.elapsed() > SAMPLE
        {
            break;
        }
        let what = format!("{action} at {number}, {}", names[number - 1]);
        let mut command = test.command(&["apply", "-auto-approve", "-rebuild"]);
        let child = command.env("IMGC_FAULT", format!("{action}@*#{number}"));
        let printed = ended(&test, child.spawn().unwrap());
        look(&test, &what, &printed);
        assert!(is_whole(), "{what}: nothing there: {}", printed.text());
        assert_eq!(left(&test), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn a_request_at_any_moment_of_a_rebuild_leaves_nothing_and_the_image_stays() {
    for remade in [IMAGE, FILE, PACKED] {
        disturbed(&remade, "term", 5, |test, what, printed| {
            let text = printed.text();
            // Before anything is made nobody listens yet.
            assert!(matches!(printed.code, -1 | 0 | 143), "{what}: {text}");
            assert!(!text.contains("left behind"), "{what}: {text}");
            assert!(
                test.path(remade.artifact).exists(),
                "{what}: nothing there: {text}"
            );
            nothing_more(test, &format!("{what}: {text}"));
        });
    }
}

#[test]
fn a_kill_at_any_moment_of_a_rebuild_leaves_an_image() {
    for remade in [IMAGE, FILE, PACKED] {
        disturbed(&remade, "kill", 7, |test, what, printed| {
            let collected = test.run(&["gc"]);
            assert_eq!(collected.code, 0, "{what}: {}", collected.text());
            assert!(
                test.path(remade.artifact).exists(),
                "{what}: nothing there: {}{}",
                printed.text(),
                collected.text()
            );
            nothing_more(test, what);
        });
    }
}

#[test]
fn a_file_that_cannot_be_made_anew_stays_what_it_was() {
    let test = Test::new(FILE.template);
    assert_eq!(test.run(&["build", "."]).code, 0);
    let changed = FILE.template.replacen("a page", "another", 1);
    test.write("main.pkr.hcl", changed);
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert_eq!(test.read("out.txt"), "a page");
    assert_eq!(left(&test), Vec::<String>::new());
    let changed = FILE.template.replace("a page", "another");
    test.write("main.pkr.hcl", changed);
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(test.read("out.txt"), "another");
    assert_eq!(left(&test), Vec::<String>::new());
}

#[test]
fn what_was_there_once_before_is_not_taken_for_finished() {
    let test = Test::new(FILE.template);
    let write = |text: &str, check: &str| {
        let template = FILE.template.replacen("'a page'", &format!("'{check}'"), 1);
        test.write("main.pkr.hcl", template.replacen("a page", text, 1));
    };
    for text in ["one", "two", "one"] {
        write(text, text);
        let printed = test.run(&["apply", "-auto-approve"]);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
    write("two", "other");
    let printed = test.run(&["apply", "-auto-approve"]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert_eq!(test.read("out.txt"), "one");
    assert_eq!(left(&test), Vec::<String>::new());
}

/// A project whose run was killed while its file stood in the place of the finished one.
fn killed() -> Test {
    let test = Test::new(FILE.template);
    let printed = test.run(&["apply", "-auto-approve"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let template = FILE.template.replacen("a page", "another", 1);
    let from = template.find("inline").unwrap();
    let to = from + template[from..].find('\n').unwrap();
    let slow = r#"inline = ["echo at work", "exec sleep 300"]"#;
    let template = format!("{}{slow}{}", &template[..from], &template[to..]);
    test.write("main.pkr.hcl", template);
    let mut child = test.spawn(&["apply", "-auto-approve"]);
    let mut words = Words::of(&mut child);
    words.until("small: at work");
    assert_eq!(test.read("out.txt"), "another");
    child.kill().unwrap();
    child.wait().unwrap();
    test
}

/// Takes a project to another directory, with `mv` or `cp -a`.
fn taken(test: &Test, how: &[&str]) -> std::path::PathBuf {
    let there = test.path("there");
    std::fs::create_dir(&there).unwrap();
    let entries = std::fs::read_dir(test.path(".")).unwrap();
    let all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    let all = all.iter().filter(|path| **path != there);
    let mut command = std::process::Command::new(how[0]);
    let moved = command.args(&how[1..]).args(all).arg(&there).status();
    assert!(moved.unwrap().success());
    there
}

#[test]
fn a_project_that_was_moved_or_copied_after_a_kill_has_its_file_again() {
    for how in [&["mv"][..], &["cp", "-a"]] {
        let test = killed();
        let there = taken(&test, how);
        let collected = test.command(&["gc"]).current_dir(&there).output().unwrap();
        let said = String::from_utf8_lossy(&collected.stdout);
        assert!(collected.status.success(), "{how:?}: {said}");
        let text = std::fs::read_to_string(there.join("out.txt")).unwrap();
        assert_eq!(text, "a page", "{how:?}: {said}");
        let names = std::fs::read_dir(&there).unwrap();
        let names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(".imgc-"))
            .collect();
        assert_eq!(names, Vec::<String>::new(), "{how:?}: {said}");
    }
}

#[test]
fn garbage_collection_in_a_copy_leaves_the_living_run_of_the_original_alone() {
    let test = image("sleep 4");
    let child = {
        let mut child = test.spawn(&["build", "."]);
        let mut words = Words::of(&mut child);
        words.until("small: at work");
        words.enough();
        child
    };
    let there = test.path("there");
    std::fs::create_dir(&there).unwrap();
    let mut command = std::process::Command::new("cp");
    let copied = command.arg("-a").arg(test.path(".imgc")).arg(&there);
    // What the run removes meanwhile cannot be copied.
    let _ = copied.output().unwrap();
    let collected = test.command(&["gc"]).current_dir(&there).output().unwrap();
    let said = String::from_utf8_lossy(&collected.stdout).into_owned();
    let history = test.command(&["history"]).current_dir(&there).output();
    let history = String::from_utf8_lossy(&history.unwrap().stdout).into_owned();
    assert!(!history.contains("died"), "{history}");
    let printed = ended(&test, child);
    assert_eq!(printed.code, 0, "{said}{}", printed.text());
    assert!(test.path("out/small.oci/index.json").exists());
}

/// A process that a script has put into a session of its own, and its number.
const DETACHED: &str = r#"
source "null" "local" {
  communicator = "none"
}
build {
  sources = ["null.local"]
  provisioner "shell-local" {
    inline = ["setsid sh -c 'echo $$ > pid; exec sleep 3919' &", "until [ -s pid ]; do sleep 0.05; done", "echo at work", "sleep 3919"]
    LIMIT
  }
}
"#;

fn is_gone(test: &Test) -> bool {
    !lives(&test.read("pid"))
}

/// Whether a process runs; what nobody has noticed the end of does not.
pub(crate) fn lives(number: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", number.trim()));
    stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

#[test]
fn what_a_script_has_detached_ends_with_a_stop_and_with_a_time_limit() {
    for request in [Signal::SIGTERM, Signal::SIGINT] {
        let test = Test::new(&DETACHED.replace("LIMIT", ""));
        let mut child = test.spawn(&["build", "."]);
        let mut words = Words::of(&mut child);
        words.until("at work");
        signal(&child, request);
        words.enough();
        let printed = ended(&test, child);
        assert_eq!(printed.code, 128 + request as i32, "{}", printed.text());
        assert!(is_gone(&test), "{}", printed.text());
    }
    let test = Test::new(&DETACHED.replace("LIMIT", "timeout = \"1s\""));
    let printed = ended(&test, test.spawn(&["build", "."]));
    assert_eq!(printed.code, 6, "{}", printed.text());
    assert!(is_gone(&test), "{}", printed.text());
}

#[test]
fn what_a_finished_script_has_left_in_the_background_stays_unless_the_run_is_stopped() {
    let template = DETACHED.replace(", \"echo at work\", \"sleep 3919\"", "");
    let test = Test::new(&template.replace("LIMIT", ""));
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(!is_gone(&test));
    nothing_more(&test, "");
    assert!(!is_gone(&test));
    let number: i32 = test.read("pid").trim().parse().unwrap();
    kill(Pid::from_raw(number), Signal::SIGKILL).unwrap();
}

/// The program in a state of `SIGHUP` that does not depend on who runs the tests.
fn on_a_line(test: &Test, hangup: &str) -> std::process::Command {
    let inner = test.command(&["build", "."]);
    let mut command = test.command(&[]);
    let mut outer = std::process::Command::new("env");
    outer
        .arg(hangup)
        .arg(inner.get_program())
        .args(inner.get_args());
    outer.current_dir(test.path("")).env_clear();
    for (name, value) in command.stdin(std::process::Stdio::null()).get_envs() {
        outer.env(name, value.unwrap_or_default());
    }
    outer
}

#[test]
fn a_closed_terminal_stops_a_run_in_order() {
    let test = image("sleep 300");
    let line = nix::pty::openpty(None, None).unwrap();
    let stream = || std::process::Stdio::from(line.slave.try_clone().unwrap());
    let mut command = on_a_line(&test, "--default-signal=HUP");
    command.stdin(stream()).stdout(stream()).stderr(stream());
    let child = command.spawn().unwrap();
    drop(command);
    let mut seen = String::new();
    let mut master = BufReader::new(std::fs::File::from(line.master));
    while !seen.contains("at work\r") {
        assert!(master.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    drop((master, line.slave));
    // As a closed terminal and its shell do.
    signal(&child, Signal::SIGHUP);
    signal(&child, Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(200));
    signal(&child, Signal::SIGHUP);
    let printed = ended(&test, child);
    assert_eq!(printed.code, 129);
    assert_eq!(test.read("cleaned"), "done\n");
    assert_eq!(left(&test), Vec::<String>::new());
    nothing_more(&test, "");
}

#[test]
fn a_closed_terminal_means_nothing_to_nohup() {
    let test = image("sleep 1");
    let mut command = on_a_line(&test, "--ignore-signal=HUP");
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut words = Words::of(&mut child);
    words.until("at work");
    signal(&child, Signal::SIGHUP);
    words.enough();
    assert_eq!(ended(&test, child).code, 0);
}
