//! Files that runs put on a machine behind sshd: forgotten when they are known to be gone, remembered otherwise.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use imgc_testbed::{Options, Sshd};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Printed, Test};
use crate::stopping::lives;

/// A template whose script does what is wanted, and the folder it is uploaded to.
fn template(sshd: &Sshd, script: &str) -> (Test, PathBuf) {
    let folder = sshd.home().join("uploads");
    std::fs::create_dir_all(&folder).unwrap();
    let test = Test::new("");
    test.write(
        "main.pkr.hcl",
        format!(
            r#"source "null" "machine" {{
  ssh_host             = "127.0.0.1"
  ssh_port             = {}
  ssh_username         = "{}"
  ssh_private_key_file = "{}"
  ssh_timeout          = "20s"
}}
build {{
  sources = ["null.machine"]
  provisioner "shell" {{
    remote_folder       = "{}"
    start_retry_timeout = "1s"
    inline              = ["{script}"]
  }}
}}
"#,
            sshd.port(),
            sshd.user(),
            sshd.key().display(),
            folder.display(),
        ),
    );
    (test, folder)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.collect()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Of the test's own; other tests run at the same time.
fn nothing_is_left(test: &Test) {
    let printed = test.run(&["gc"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(!printed.stdout.contains(" on "), "{}", printed.text());
}

fn machine(sshd: &Sshd) -> String {
    format!("{}@127.0.0.1:{}", sshd.user(), sshd.port())
}

/// The machine is gone, and what would have removed the script there was killed before.
fn cut(sshd: &mut Sshd) {
    for pid in sshd.commands() {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains("IMGC_JANITOR=") {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
    sshd.stop();
}

/// A run that loses its machine in the middle of a script: what it said.
fn lost(sshd: &mut Sshd) -> (Test, PathBuf, Printed) {
    let started = sshd.home().join("started");
    let (test, folder) = template(sshd, &format!("touch '{}'; sleep 60", started.display()));
    let child = test.spawn(&["build", "."]);
    wait_until("the script runs", || started.exists());
    cut(sshd);
    let printed = test.finish(child);
    assert!(!names(&folder).is_empty(), "{}", printed.text());
    (test, folder, printed)
}

#[test]
fn what_is_not_known_to_be_gone_is_said_and_removed_later() {
    let mut sshd = Sshd::start(Options::default()).unwrap();
    let (test, folder, printed) = lost(&mut sshd);
    let text = printed.text();
    let script = folder.join(&names(&folder)[0]).display().to_string();
    let machine = machine(&sshd);
    assert!(
        text.contains(&format!("file {script} on {machine}")),
        "{text}"
    );
    assert!(text.contains("`imgc gc` tries again"), "{text}");
    assert!(test.run(&["show", "last"]).text().contains(&script));

    // The machine does not answer.
    let failed = test.run(&["gc"]);
    assert_eq!(failed.code, 4, "{}", failed.text());
    assert!(
        failed
            .stdout
            .contains(&format!("cannot remove file {script} on {machine}"))
            && failed
                .stdout
                .contains(&format!("`imgc gc --forget {machine}`")),
        "{}",
        failed.text()
    );

    sshd.restart().unwrap();
    let listed = test.run(&["gc", "--dry-run"]);
    assert!(
        listed
            .stdout
            .contains(&format!("would remove file {script}")),
        "{}",
        listed.text()
    );
    assert!(!names(&folder).is_empty());
    let removed = test.run(&["gc"]);
    assert_eq!(removed.code, 0, "{}", removed.text());
    assert!(
        removed
            .stdout
            .contains(&format!("removed file {script} on {machine}")),
        "{}",
        removed.text()
    );
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
    nothing_is_left(&test);
}

#[test]
fn another_host_key_is_not_believed() {
    let mut sshd = Sshd::start(Options::default()).unwrap();
    let (test, folder, _) = lost(&mut sshd);
    sshd.change_host_key().unwrap();
    sshd.restart().unwrap();
    let refused = test.run(&["gc"]);
    assert_eq!(refused.code, 4, "{}", refused.text());
    assert!(
        refused.stdout.contains("Host key verification failed"),
        "{}",
        refused.text()
    );
    assert!(!names(&folder).is_empty());
}

#[test]
fn a_machine_that_is_gone_is_forgotten_by_name() {
    let mut sshd = Sshd::start(Options::default()).unwrap();
    let (test, _, _) = lost(&mut sshd);
    let wrong = test.run(&["gc", "--forget", "elsewhere"]);
    assert_eq!(wrong.code, 2, "{}", wrong.text());
    let would = test.run(&["gc", "--dry-run", "--forget", "127.0.0.1"]);
    assert!(
        would.stdout.contains("would forget file"),
        "{}",
        would.text()
    );
    let forgot = test.run(&["gc", "--forget", &machine(&sshd), "--json"]);
    assert_eq!(forgot.code, 0, "{}", forgot.text());
    let json: serde_json::Value = serde_json::from_str(&forgot.stdout).unwrap();
    assert_eq!(json["failed"], serde_json::json!([]));
    assert!(!json["forgotten"].as_array().unwrap().is_empty(), "{json}");
    nothing_is_left(&test);
}

#[test]
fn what_an_orderly_end_has_removed_is_forgotten() {
    let sshd = Sshd::start(Options::default()).unwrap();
    for (script, code) in [("true", 0), ("exit 3", 1)] {
        let (test, folder) = template(&sshd, script);
        let printed = test.run(&["build", "."]);
        assert_eq!(printed.code, code, "{}", printed.text());
        assert!(names(&folder).is_empty());
        nothing_is_left(&test);
    }
}

/// With one session at a time there is no janitor: an orderly end removes what there is, and gc what a kill leaves.
#[test]
fn without_a_janitor_gc_removes_what_a_kill_has_left() {
    let options = Options {
        config: vec!["MaxSessions 1".to_owned()],
        ..Options::default()
    };
    let sshd = Sshd::start(options).unwrap();
    let started = sshd.home().join("started");
    let script = format!("touch '{}'; sleep 60", started.display());
    let (test, folder) = template(&sshd, &script);
    let child = test.spawn(&["build", "."]);
    wait_until("the script runs", || started.exists());
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    test.finish(child);
    wait_until("the connection has ended", || sshd.connections() == 0);
    assert!(!names(&folder).is_empty(), "the script is left");
    let removed = test.run(&["gc"]);
    assert_eq!(removed.code, 0, "{}", removed.text());
    assert!(
        removed.stdout.contains("removed file"),
        "{}",
        removed.text()
    );
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
}

/// A server that is slow to begin with what puts a file into its place.
fn slow_to_take_files() -> (Sshd, tempfile::TempDir) {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let wrapper = directory.path().join("wrapper");
    let script = "#!/bin/sh\ncase $SSH_ORIGINAL_COMMAND in *'complete()'*) sleep 0.7 ;; esac\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n";
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options {
        config: vec![format!("ForceCommand {}", wrapper.display())],
        ..Options::default()
    };
    (Sshd::start(options).unwrap(), directory)
}

#[test]
fn a_script_that_was_on_its_way_when_the_run_was_stopped_is_gone() {
    let (sshd, _directory) = slow_to_take_files();
    let (test, folder) = template(&sshd, "true");
    let mut child = test.spawn(&["build", "."]);
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("Provisioning with shell script") {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    std::thread::sleep(Duration::from_millis(350));
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    out.read_to_string(&mut seen).unwrap();
    let printed = test.finish(child);
    assert_eq!(printed.code, 143, "{seen}{}", printed.text());
    assert!(seen.contains("Cleanly cancelled"), "{seen}");
    std::thread::sleep(Duration::from_secs(1));
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
    nothing_is_left(&test);
}

/// A script that does not let itself be ended kindly: its number, once it runs.
fn stubborn(sshd: &Sshd) -> (Test, PathBuf, PathBuf) {
    let number = sshd.home().join("number");
    let script = format!("trap '' TERM; echo $$ > '{}'; sleep 3917", number.display());
    let (test, folder) = template(sshd, &script);
    (test, folder, number)
}

fn runs(number: &Path) -> bool {
    lives(&std::fs::read_to_string(number).unwrap())
}

#[test]
fn a_script_that_ignores_requests_ends_with_gc_when_its_run_was_killed() {
    let sshd = Sshd::start(Options::default()).unwrap();
    for twice in [false, true] {
        let (test, folder, number) = stubborn(&sshd);
        let _ = std::fs::remove_file(&number);
        let child = test.spawn(&["build", "."]);
        wait_until("the script runs", || {
            std::fs::read_to_string(&number).is_ok_and(|text| text.ends_with('\n'))
        });
        let pid = Pid::from_raw(child.id() as i32);
        if twice {
            kill(pid, Signal::SIGINT).unwrap();
            std::thread::sleep(Duration::from_millis(150));
            kill(pid, Signal::SIGINT).unwrap();
        } else {
            kill(pid, Signal::SIGKILL).unwrap();
        }
        let printed = test.finish(child);
        let removed = test.run(&["gc"]);
        let text = format!("{}{}", printed.text(), removed.text());
        assert_eq!(removed.code, 0, "{text}");
        assert!(!runs(&number), "{text}");
        assert!(names(&folder).is_empty(), "{text}");
        nothing_is_left(&test);
    }
}

#[test]
fn as_root_a_password_is_not_remembered_and_the_way_out_is_said() {
    imgc_testbed::require_root();
    let accounts = Options {
        accounts: true,
        ..Options::default()
    };
    let mut sshd = Sshd::start(accounts).unwrap();
    let started = sshd.home().join("started");
    let (test, _) = template(&sshd, &format!("touch '{}'; sleep 60", started.display()));
    let key = format!("ssh_private_key_file = \"{}\"", sshd.key().display());
    let text = test.read("main.pkr.hcl");
    test.write(
        "main.pkr.hcl",
        text.replace(
            &key,
            &format!("ssh_password = \"{}\"", imgc_testbed::PASSWORD),
        ),
    );
    let child = test.spawn(&["build", "."]);
    wait_until("the script runs", || started.exists());
    cut(&mut sshd);
    let printed = test.finish(child).text();
    let machine = machine(&sshd);
    assert!(
        printed.contains(&format!("then `imgc gc --forget {machine}`")),
        "{printed}"
    );
    let left = test.run(&["gc"]);
    assert_eq!(left.code, 0, "{}", left.text());
    assert!(
        left.stdout.contains("nobody here can log in there"),
        "{}",
        left.text()
    );
}
