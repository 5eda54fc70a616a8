//! Machines of the `rootfs` builder that people enter: held after a failure, at work, at a breakpoint.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Printed, Test};
use crate::images::{mounts, processes, static_copy};

const LIMIT: Duration = Duration::from_secs(60);

/// A build in a small root file system with these provisioners.
fn small(provisioners: &str) -> Test {
    let test = Test::new(&format!(
        r#"
variable "token" {{
  default   = "s3cret-t0ken"
  sensitive = true
}}
source "rootfs" "small" {{
  from             = "dir:base"
  build_env        = {{ TOKEN = var.token }}
  output_directory = "out"
}}
build {{
  sources = ["rootfs.small"]
{provisioners}
}}
"#
    ));
    for program in ["sh", "sleep", "chmod", "rm", "mkdir", "cat", "ls"] {
        static_copy(program, &test.path("base"));
    }
    test
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < LIMIT, "{what} within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Types `input` into `imgc attach`.
fn attached(test: &Test, input: &str) -> Printed {
    let mut command = test.command(&["attach", "last"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // A command that refuses does not read it.
    let _ = std::io::Write::write_all(&mut pipe, input.as_bytes());
    drop(pipe);
    test.finish(child)
}

/// Waits until a shell on the machine finds the file.
fn wait_for_file(test: &Test, path: &str) {
    let look = format!("test -e {path} && echo it is $((40 + 2))\n");
    wait_until(path, || attached(test, &look).stdout.contains("it is 42"));
}

/// Waits until the run waits for somebody.
fn wait_for_hold(test: &Test) {
    wait_until("something is held", || {
        let runs = std::fs::read_dir(test.path(".")).unwrap();
        let files = runs.flatten().filter_map(|run| run.path().read_dir().ok());
        files.flatten().flatten().any(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.starts_with("held-") || name.starts_with("breakpoint-")
        })
    });
}

/// Nothing but the template, its base, the state and what is named is left.
fn assert_clean(test: &Test, kept: &[&str]) {
    assert_eq!(mounts(&test.path(".")), Vec::<String>::new());
    assert_eq!(processes(&test.path("")), Vec::<String>::new());
    let mut left: Vec<String> = std::fs::read_dir(test.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "imgc.lock" && !kept.contains(&name.as_str()))
        .collect();
    left.sort();
    assert_eq!(left, [".imgc", "base", "main.pkr.hcl"]);
    for (path, bytes) in test.files() {
        let found = bytes.windows(12).any(|part| part == b"s3cret-t0ken");
        let is_template = path.ends_with("main.pkr.hcl");
        assert!(!found || is_template, "{} has the secret", path.display());
    }
}

fn release(test: &Test) {
    let released = test.run(&["release", "last"]);
    assert_eq!(released.code, 0, "{}", released.text());
}

/// Runs the program on a terminal that script(1) of bsdutils gives it; what follows its name is a shell's.
fn on_terminal(test: &Test, line: &str) -> Child {
    let plain = test.command(&[]);
    let program = plain.get_program().to_str().unwrap();
    let environment = plain.get_envs();
    Command::new("script")
        .args(["-qefc", &format!("{program} {line}"), "/dev/null"])
        .env_clear()
        .envs(environment.filter_map(|(name, value)| Some((name, value?))))
        .env("TERM", "dumb")
        .current_dir(test.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

const FAILS: &str = r#"  provisioner "shell" {
    inline = ["echo half > /half", "exit 7"]
  }"#;

#[test]
fn a_held_image_is_entered_and_let_go() {
    let test = small(FAILS);
    let child = test.spawn(&["build", "-on-failure=hold:10m", "."]);
    wait_for_hold(&test);
    let line = processes(&test.path("")).join("\n");
    assert!(!line.contains("s3cret-t0ken"), "{line}");
    let seen = attached(
        &test,
        "cat /half\necho $TOKEN at $HOME, process $$\nls /base; exit 3\n",
    );
    assert_eq!(seen.code, 3, "{}", seen.text());
    assert!(seen.stdout.contains("half\n"), "{}", seen.text());
    assert!(
        seen.stdout.contains("s3cret-t0ken at /root, process 2"),
        "{}",
        seen.text()
    );
    release(&test);
    let printed = test.finish(child);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert!(
        printed.stdout.contains("it is let go"),
        "{}",
        printed.text()
    );
    let gone = attached(&test, "exit\n");
    assert_eq!(gone.code, 4, "{}", gone.text());
    assert_clean(&test, &[]);
}

#[test]
fn a_terminal_has_an_interactive_shell() {
    let test = small(FAILS);
    let child = test.spawn(&["build", "-on-failure=hold:10m", "."]);
    wait_for_hold(&test);
    let mut typing = on_terminal(&test, "attach last; echo back $?");
    let mut keys = typing.stdin.take().unwrap();
    // `fg` works only where the shell has the terminal.
    let mut put = |text: &[u8]| std::io::Write::write_all(&mut keys, text).unwrap();
    put(b"sleep 0.1 & fg\necho at $((40 + 2)) with $TERM in $-\n");
    let mut out = BufReader::new(typing.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("at 42") {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    // What is typed before an interrupt is lost.
    put(b"sleep 300\n");
    std::thread::sleep(Duration::from_millis(500));
    put(b"\x03");
    std::thread::sleep(Duration::from_millis(500));
    put(b"echo still $((40 + 3))\nexit 5\n");
    std::io::Read::read_to_string(&mut out, &mut seen).unwrap();
    drop(keys);
    assert_eq!(test.finish(typing).code, 0, "{seen}");
    for part in ["with dumb in ", "still 43\r\n", "back 5"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    for complaint in ["job control", "process group", "tty"] {
        assert!(!seen.contains(complaint), "{seen}");
    }
    release(&test);
    assert_eq!(test.finish(child).code, 1);
    assert_clean(&test, &[]);
}

#[test]
fn a_shell_in_an_image_at_work_keeps_its_layer_open_and_out_of_the_cache() {
    let test = small(
        r#"  provisioner "shell" {
    inline = ["echo one > /one", ": > /ready", "while ! test -e /go; do sleep 0.1; done"]
  }"#,
    );
    let child = test.spawn(&["apply", "."]);
    wait_for_file(&test, "/ready");
    let mut command = test.command(&["attach", "last"]);
    let mut shell = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut pipe = shell.stdin.take().unwrap();
    std::io::Write::write_all(&mut pipe, b": > /go; sleep 2; echo two > /two; exit\n").unwrap();
    let shell = test.finish(shell);
    assert_eq!(shell.code, 0, "{}", shell.text());
    let printed = test.finish(child);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("Waiting until the shells"),
        "{}",
        printed.text()
    );
    assert!(
        printed
            .stdout
            .contains("somebody had a shell on this machine"),
        "{}",
        printed.text()
    );
    let kept = test.run(&["cache", "ls"]);
    assert!(!kept.stdout.contains("provisioner"), "{}", kept.text());
    let planned = test.run(&["plan", "-detailed-exitcode"]);
    assert_eq!(planned.code, 2, "{}", planned.text());
    assert!(
        planned.stdout.contains(
            "build.rootfs.small.provisioner[0]: somebody had a shell on the machine in run "
        ),
        "{}",
        planned.text()
    );
    let images = test.run(&["images"]);
    assert!(
        images.stdout.contains("after somebody had a shell"),
        "{}",
        images.text()
    );
    assert_clean(&test, &["out"]);
}

#[test]
fn resuming_a_held_run_lets_it_go_first() {
    let test = small(
        r#"  provisioner "shell" {
    inline = ["echo one > /one"]
  }
  provisioner "shell" {
    script = "last.sh"
  }"#,
    );
    test.write("last.sh", "exit 7\n");
    let child = test.spawn(&["apply", "-on-failure=hold:10m", "."]);
    wait_for_hold(&test);
    test.write("last.sh", "cat /one\n");
    let resumed = test.run(&["apply", "-resume", "."]);
    assert_eq!(resumed.code, 0, "{}", resumed.text());
    assert!(
        resumed.stderr.contains("it is let go"),
        "{}",
        resumed.text()
    );
    let first = test.finish(child);
    assert_eq!(first.code, 1, "{}", first.text());
    assert!(first.stdout.contains("it is let go"), "{}", first.text());
    assert_clean(&test, &["last.sh", "out"]);
}

const PAUSES: &str = r#"  provisioner "shell" {
    inline = ["echo one > /one"]
  }
  provisioner "breakpoint" {
    note = "look around"
  }
  provisioner "breakpoint" {
    disable = true
  }
  provisioner "shell" {
    inline = ["cat /more"]
  }"#;

#[test]
fn a_breakpoint_without_a_terminal_is_entered_and_let_go() {
    let test = small(PAUSES);
    let child = test.spawn(&["build", "."]);
    wait_for_hold(&test);
    // What is at a breakpoint is at work.
    let refused = test.run(&["build", "-resume", "."]);
    assert!(
        refused.stderr.contains("is still at work"),
        "{}",
        refused.text()
    );
    let seen = attached(&test, "cat /one; echo more > /more\n");
    assert_eq!(seen.stdout, "one\n", "{}", seen.text());
    release(&test);
    let printed = test.finish(child);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for text in [
        "Pausing at breakpoint: look around",
        "Going on",
        "is disabled",
        ": more",
    ] {
        assert!(printed.stdout.contains(text), "{text}: {}", printed.text());
    }
    let shown = test.run(&["show", "last"]);
    assert!(
        shown.stdout.contains("finished, after a shell"),
        "{}",
        shown.text()
    );
    let planned = test.run(&["plan"]);
    assert!(
        planned
            .stdout
            .contains("somebody had a shell on the machine"),
        "{}",
        planned.text()
    );
    assert_clean(&test, &["out"]);
}

#[test]
fn ctrl_c_and_the_end_of_its_time_let_a_held_image_go() {
    let test = small(FAILS);
    let child = test.spawn(&["build", "-on-failure=hold:10m", "."]);
    wait_for_hold(&test);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let printed = test.finish(child);
    assert!(
        printed.stdout.contains("the run is stopped"),
        "{}",
        printed.text()
    );
    assert_clean(&test, &[]);
    let printed = test.run(&["build", "-on-failure=hold:1s", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert!(
        printed.stdout.contains("its time is over"),
        "{}",
        printed.text()
    );
    assert_clean(&test, &[]);
}

#[test]
fn nothing_is_left_of_a_holder_that_was_killed() {
    let test = small(FAILS);
    let mut child = test.spawn(&["build", "-on-failure=hold:10m", "."]);
    wait_for_hold(&test);
    // Somebody is in: the shell goes with the machine.
    let mut command = test.command(&["attach", "last"]);
    let mut shell = command.stdin(Stdio::piped()).spawn().unwrap();
    let pipe = shell.stdin.as_mut().unwrap();
    std::io::Write::write_all(pipe, b": > /in; sleep 300\n").unwrap();
    wait_for_file(&test, "/in");
    child.kill().unwrap();
    child.wait().unwrap();
    let ended = shell.wait().unwrap();
    assert!(!ended.success());
    let swept = test.run(&["gc"]);
    assert_eq!(swept.code, 0, "{}", swept.text());
    assert_clean(&test, &[]);
}

#[test]
fn a_breakpoint_on_a_terminal_goes_on_by_enter_and_by_release() {
    let test = Test::new(
        r#"
source "null" "one" {
  communicator = "none"
}
build {
  sources = ["null.one"]
  provisioner "breakpoint" {
    note = "first"
  }
  provisioner "breakpoint" {
    note = "second"
  }
}
"#,
    );
    let mut child = on_terminal(&test, "build .");
    let mut keys = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    let mut until = |text: &str| {
        while !seen.contains(text) {
            assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
        }
    };
    until("first. Enter goes on");
    release(&test);
    until("second. Enter goes on");
    std::io::Write::write_all(&mut keys, b"\n").unwrap();
    until("Builds finished");
    assert!(seen.contains("Going on: `imgc release`"), "{seen}");
    std::io::Read::read_to_string(&mut out, &mut seen).unwrap();
    drop(keys);
    assert_eq!(test.finish(child).code, 0, "{seen}");
}
