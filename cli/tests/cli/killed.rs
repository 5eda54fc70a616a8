//! What is left on a machine behind sshd when the program is killed, or stopped, in the middle of a script.

use std::path::Path;
use std::time::{Duration, Instant};

use imgc_testbed::{Options, Sshd};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::Test;

fn template(sshd: &Sshd, folder: &Path, script: &str) -> String {
    format!(
        r#"variable "token" {{
  default   = "s3cret-t0ken"
  sensitive = true
}}
source "null" "machine" {{
  ssh_host = "127.0.0.1"
  ssh_port = {}
  ssh_username = "{}"
  ssh_private_key_file = "{}"
}}
build {{
  sources = ["null.machine"]
  provisioner "shell" {{
    remote_folder = "{}"
    env           = {{ TOKEN = var.token }}
    inline        = ["{script}"]
  }}
}}
"#,
        sshd.port(),
        sshd.user(),
        sshd.key().display(),
        folder.display(),
    )
}

fn wait_until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < limit, "{what} within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

/// Processes that have this text in their arguments.
fn processes_with(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

/// Ends the program with `signal` when the remote folder looks as wanted.
fn ended(signal: Signal, when: impl Fn(&[String]) -> bool) -> Test {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new("");
    let folder = sshd.home().join("uploads");
    std::fs::create_dir(&folder).unwrap();
    let marker = format!("sleep 7{}", std::process::id());
    let script = format!("touch '{}/started'; {marker}", sshd.home().display());
    test.write("main.pkr.hcl", template(&sshd, &folder, &script));
    let child = test.spawn(&["build", "main.pkr.hcl"]);
    wait_until("the script is uploaded", Duration::from_secs(30), || {
        let mut names = names(&folder);
        names.extend(
            sshd.home()
                .join("started")
                .exists()
                .then(|| "started".to_owned()),
        );
        when(&names)
    });
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
    let printed = test.finish(child);
    assert_ne!(printed.code, 0);
    let limit = Duration::from_secs(10);
    wait_until("no file is left on the machine", limit, || {
        names(&folder).is_empty()
    });
    wait_until("the script has ended", limit, || {
        processes_with(&marker).is_empty()
    });
    let ours = test.path(".").canonicalize().unwrap();
    let ours = ours.to_string_lossy().into_owned();
    wait_until("no connection is left", limit, || {
        processes_with(&ours).is_empty()
    });
    test
}

#[test]
fn a_kill_while_a_script_runs_leaves_nothing_on_the_machine() {
    ended(Signal::SIGKILL, |names| {
        names.contains(&"started".to_owned())
    });
}

#[test]
fn a_kill_while_scripts_are_uploaded_leaves_nothing_on_the_machine() {
    ended(Signal::SIGKILL, |names| !names.is_empty());
}

#[test]
fn stopping_removes_scripts_and_ends_them() {
    ended(Signal::SIGTERM, |names| {
        names.contains(&"started".to_owned())
    });
}

#[test]
fn a_failed_machine_is_held_entered_and_let_go() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new("");
    let folder = sshd.home();
    test.write("main.pkr.hcl", template(&sshd, &folder, "exit 7"));
    let child = test.spawn(&["build", "-on-failure=hold:10m", "main.pkr.hcl"]);
    let mut shell = None;
    wait_until("the machine is held", Duration::from_secs(30), || {
        let mut command = test.command(&["attach", "last"]);
        let mut attached = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let input = attached.stdin.take().unwrap();
        std::io::Write::write_all(&mut { input }, b"echo in $((40 + 2))\nexit\n").unwrap();
        let printed = test.finish(attached);
        shell = Some(printed.text());
        printed.stdout.contains("in 42")
    });
    let released = test.run(&["release", "last"]);
    // The shell may have been opened before the failure.
    if released.code != 0 {
        wait_until("it can be let go", Duration::from_secs(30), || {
            test.run(&["release", "last"]).code == 0
        });
    }
    let printed = test.finish(child);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert!(
        printed.stdout.contains("it is let go"),
        "{}",
        printed.text()
    );
    let gone = test.run(&["attach", "last"]);
    assert_eq!(gone.code, 4, "{}", gone.text());
}
