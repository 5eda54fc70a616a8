//! Runs of an ordinary user, whose images' files belong to mapped users: killed, gone on with, removed.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::faults::left;
use crate::harness::Test;
use crate::images::static_copy;
use crate::namespaces::{as_user, run, spawn};

/// Directories that only their mapped owners may look into.
const OWN: &str = "mkdir -p /own/deep; echo x > /own/deep/file; chmod 700 /own/deep /own; chown -R 1000:1000 /own";

fn image(last: &str) -> Test {
    let test = Test::new(&format!(
        r#"
source "rootfs" "small" {{
  from             = "dir:base"
  output_directory = "out"
}}
build {{
  sources = ["rootfs.small"]
  provisioner "shell" {{
    inline = ["{OWN}"]
  }}
  provisioner "shell" {{
    inline = ["echo second > /second"]
  }}
  provisioner "shell" {{
    inline = ["{last}"]
  }}
}}
"#
    ))
    .env("SOURCE_DATE_EPOCH", "1700000000");
    for program in ["sh", "sleep", "chmod", "chown", "rm", "mkdir", "cat"] {
        static_copy(program, &test.path("base"));
    }
    test
}

fn digest(test: &Test) -> String {
    let index: serde_json::Value =
        serde_json::from_str(&test.read("out/small.oci/index.json")).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

/// How many layers, whole or not, stand on the builder's shelf in the cache.
fn shelf(test: &Test) -> usize {
    let entries = std::fs::read_dir(test.path(".imgc/cache/rootfs")).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir())
        .count()
}

#[test]
fn as_root_what_a_killed_run_of_an_ordinary_user_has_left_is_removed_and_the_run_gone_on_with() {
    imgc_testbed::require_root();
    let undisturbed = image("echo third > /third");
    let printed = run(
        &undisturbed,
        &as_user(&undisturbed),
        &["apply", "-auto-approve", "."],
    );
    assert_eq!(printed.code, 0, "{}", printed.text());

    let test =
        image("mkdir /other; chmod 700 /other; chown 1000:1000 /other; echo at work; sleep 300");
    let user = as_user(&test);
    let mut child = spawn(&test, &user, &["apply", "-auto-approve", "."]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("small: at work") {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    // Layers are kept in the background.
    let begin = Instant::now();
    loop {
        let kept = run(&test, &user, &["cache", "ls"]);
        if kept.stdout.contains("provisioner[1]") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", kept.text());
        std::thread::sleep(Duration::from_millis(100));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let listed = run(&test, &user, &["gc", "--dry-run"]);
    assert!(
        listed.stdout.contains("would remove directory"),
        "{}",
        listed.text()
    );
    let collected = run(&test, &user, &["gc"]);
    assert_eq!(collected.code, 0, "{}", collected.text());
    assert_eq!(left(&test), Vec::<String>::new(), "{}", collected.text());
    // The base and the first two steps are kept; what the third had begun is not.
    assert_eq!(shelf(&test), 3, "{}", collected.text());
    let again = run(&test, &user, &["gc", "--json"]);
    let again: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["removed"], serde_json::json!([]));

    let template = test.read("main.pkr.hcl");
    let begin = template.find("mkdir /other").unwrap();
    let end = begin + template[begin..].find("\"]").unwrap();
    let mended = format!(
        "{}echo third > /third{}",
        &template[..begin],
        &template[end..]
    );
    test.write("main.pkr.hcl", mended);
    let printed = run(&test, &user, &["apply", "-resume", "-auto-approve", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("Going on from 3 kept layers"),
        "{}",
        printed.text()
    );
    assert_eq!(digest(&test), digest(&undisturbed));
    assert_eq!(left(&test), Vec::<String>::new(), "{}", printed.text());
}

#[test]
fn as_root_an_ordinary_user_makes_room_in_the_cache() {
    imgc_testbed::require_root();
    let test = image("echo third > /third");
    let user = as_user(&test);
    let printed = run(&test, &user, &["apply", "-auto-approve", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(shelf(&test), 4);
    let begin = Instant::now();
    let pruned = run(&test, &user, &["cache", "prune", "-all"]);
    assert_eq!(pruned.code, 0, "{}", pruned.text());
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(shelf(&test), 0, "{}", pruned.text());
    assert_eq!(left(&test), Vec::<String>::new());
    // Nothing of it is missed.
    let printed = run(&test, &user, &["apply", "-rebuild", "-auto-approve", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
}
