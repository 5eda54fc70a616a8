//! Temporary files with secrets in them are the user's alone from their first moment, whatever the umask, and gone in the
//! end: after success, a failure, Ctrl-C, and a kill with `imgc gc` after it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::search::{Watch, plain};
use super::{looked_at, no_scratch};
use crate::harness::Test;

/// A script with a secret in its text, and one behind a wrapper that has it.
fn template(end: &str) -> String {
    format!(
        r#"
variable "token" {{ sensitive = true }}
source "null" "base" {{ communicator = "none" }}
build {{
  sources = ["null.base"]
  provisioner "shell-local" {{
    for_each        = {{ for n in range(20) : "n${{n}}" => n }}
    execute_command = ["/bin/sh", "-c", "{{{{.Vars}}}} {{{{.Script}}}}"]
    env             = {{ TOKEN = var.token }}
    inline          = ["echo ${{each.value}} ${{var.token}} $TOKEN"]
  }}
  provisioner "shell-local" {{
    execute_command = ["/bin/sh", "-c", "env -i /bin/sh -c {{{{.Script}}}}"]
    env             = {{ TOKEN = var.token }}
    inline          = ["echo at work with ${{var.token}}", "{end}"]
  }}
}}
"#
    )
}

/// Starts the program with a umask that gives everything to everybody.
fn spawn(test: &Test, words: &[&str]) -> Child {
    let plain = test.command(words);
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", "umask 000; exec \"$0\" \"$@\""])
        .arg(plain.get_program());
    command
        .args(plain.get_args())
        .current_dir(test.path("."))
        .env_clear();
    for (name, value) in plain.get_envs() {
        command.envs(value.map(|value| (name, value)));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn test(end: &str) -> Test {
    Test::new(&template(end)).env("PKR_VAR_token", &plain("token"))
}

/// Runs to the end, or until the last script is at work and `signal` is sent; what was seen is the user's alone.
fn run(test: &Test, signal: Option<Signal>) -> i32 {
    let watch = Watch::start(test.path("."), Vec::new());
    let mut child = spawn(test, &["build", "."]);
    let mut seen = String::new();
    if let Some(signal) = signal {
        seen = crate::signals::read_until(&mut child, "at work with");
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    }
    let printed = test.finish(child);
    super::assert_clean("what it said", &format!("{seen}{}", printed.text()));
    let seen = watch.stop();
    seen.assert_private();
    assert!(!seen.files.is_empty(), "no temporary file was seen");
    printed.code
}

#[test]
fn they_are_gone_after_success_and_failure() {
    for (end, code) in [("true", 0), ("exit 3", 1)] {
        let test = test(end);
        assert_eq!(run(&test, None), code);
        no_scratch(&test.path("."));
    }
}

#[test]
fn they_are_gone_after_ctrl_c() {
    let test = test("sleep 300");
    assert_eq!(run(&test, Some(Signal::SIGINT)), 130);
    no_scratch(&test.path("."));
}

#[test]
fn they_are_gone_after_a_kill_and_gc() {
    let test = test("sleep 300");
    run(&test, Some(Signal::SIGKILL));
    let left = scripts(&test);
    assert!(!left.is_empty(), "nothing was left by the kill");
    let listed = looked_at(&test, &["gc", "--dry-run"]);
    assert!(listed.contains("would remove directory $TEST/"), "{listed}");
    looked_at(&test, &["gc"]);
    no_scratch(&test.path("."));
}

/// Files in the directories of runs.
fn scripts(test: &Test) -> Vec<PathBuf> {
    let files = test.files().into_iter().map(|(path, _)| path);
    let inside = files.filter(|path| path.to_string_lossy().contains("/imgc-"));
    inside.filter(|path| !path.ends_with("run.json")).collect()
}

/// A password for `ssh` waits for a server that does not speak.
fn password_waits(signal: Signal) -> Test {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let test = Test::new(&format!(
        r#"
variable "token" {{ sensitive = true }}
source "null" "machine" {{
  ssh_host     = "127.0.0.1"
  ssh_port     = {port}
  ssh_username = "nobody"
  ssh_password = var.token
}}
build {{
  sources = ["null.machine"]
}}
"#
    ))
    .env("PKR_VAR_token", &plain("password"));
    let watch = Watch::start(test.path("."), Vec::new());
    let child = spawn(&test, &["build", "."]);
    let begin = Instant::now();
    while !scripts(&test).iter().any(|path| path.ends_with("p")) {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "{:?}",
            scripts(&test)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    // The watch has to come round.
    std::thread::sleep(Duration::from_millis(1000));
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    let printed = test.finish(child);
    super::assert_clean("what it said", &printed.text());
    let seen = watch.stop();
    seen.assert_private();
    assert!(
        seen.files.keys().any(|path| path.ends_with("p")),
        "{seen:?}"
    );
    test
}

#[test]
fn the_password_of_a_login_is_gone_after_ctrl_c() {
    let test = password_waits(Signal::SIGINT);
    no_scratch(&test.path("."));
}

#[test]
fn the_password_of_a_login_is_gone_after_a_kill_and_gc() {
    let test = password_waits(Signal::SIGKILL);
    let left = scripts(&test);
    assert!(left.iter().any(|path| path.ends_with("p")), "{left:?}");
    looked_at(&test, &["gc"]);
    no_scratch(&test.path("."));
}
