//! Going on with a run: when what it has done still counts, and with what it was asked for.

use imgc_testbed::{Options, Sshd};

use crate::harness::{Printed, Test};

fn well(printed: &Printed) {
    assert_eq!(printed.code, 0, "{}", printed.text());
}

/// A machine on which three steps note version and number; the second fails until there is a file `ok` on it. `more` is
/// put before them.
fn three(sshd: &Sshd, name: &str, more: &str) -> String {
    let home = sshd.home().display().to_string();
    format!(
        r#"
variable "v" {{ default = "1" }}
source "null" "{name}" {{
  ssh_host             = "127.0.0.1"
  ssh_port             = {port}
  ssh_username         = "{user}"
  ssh_private_key_file = "{key}"
  ssh_timeout          = "20s"
}}
build {{
  sources = ["null.{name}"]
{more}
  provisioner "shell" {{
    inline = ["echo $((0 + ${{var.v}})) > {home}/version", "echo one-${{var.v}} >> {home}/log"]
  }}
  provisioner "shell" {{
    inline = ["echo two >> {home}/log", "test -e {home}/ok"]
  }}
  provisioner "shell" {{
    inline = ["echo three-$(cat {home}/version) >> {home}/log"]
  }}
}}
"#,
        port = sshd.port(),
        user = sshd.user(),
        key = sshd.key().display(),
    )
}

/// What the steps have noted since the last time.
fn log(sshd: &Sshd) -> String {
    let path = sshd.home().join("log");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn allow(sshd: &Sshd) {
    std::fs::write(sshd.home().join("ok"), "").unwrap();
}

/// The id of the last run.
fn last(test: &Test) -> String {
    let shown = test.run(&["show", "-json", "last"]);
    let json: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    json["run"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn nothing_counts_of_a_run_after_another_one_has_worked_on_its_machine() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new(&three(&sshd, "machine", ""));
    assert_eq!(test.run(&["apply", "-var", "v=1"]).code, 1);
    assert_eq!(log(&sshd), "one-1 two");
    let first = last(&test);
    allow(&sshd);
    well(&test.run(&["apply", "-var", "v=2"]));
    assert_eq!(log(&sshd), "one-2 two three-2");
    let second = last(&test);
    let resumed = test.run(&["apply", &format!("-resume={first}")]);
    well(&resumed);
    assert_eq!(log(&sshd), "one-1 two three-1", "{}", resumed.text());
    let said = format!(
        "run {} has worked on this machine since: nothing counts of what run {} has done there",
        &second[..8],
        &first[..8]
    );
    assert!(resumed.text().contains(&said), "{}", resumed.text());
}

#[test]
fn another_template_that_has_worked_on_the_machine_counts_too_and_other_machines_do_not() {
    let (sshd, other) = (
        Sshd::start(Options::default()).unwrap(),
        Sshd::start(Options::default()).unwrap(),
    );
    let test = Test::new("");
    test.write("a/main.pkr.hcl", three(&sshd, "a", ""));
    test.write("b/main.pkr.hcl", three(&sshd, "b", ""));
    test.write("c/main.pkr.hcl", three(&other, "c", ""));
    let test = test.env("IMGC_STATE", "kept");
    assert_eq!(test.run(&["apply", "a"]).code, 1);
    let first = last(&test);
    allow(&other);
    well(&test.run(&["apply", "c"]));
    log(&sshd);
    let resume = format!("-resume={first}");
    // Nobody else has been there; then one that went on with it, which has done the second step again.
    for _ in 0..2 {
        let again = test.run(&["apply", &resume, "a"]);
        assert_eq!(again.code, 1, "{}", again.text());
        assert_eq!(log(&sshd), "two", "{}", again.text());
    }
    allow(&sshd);
    well(&test.run(&["apply", "-var", "v=2", "b"]));
    log(&sshd);
    let resumed = test.run(&["apply", &resume, "a"]);
    well(&resumed);
    assert_eq!(log(&sshd), "one-1 two three-1", "{}", resumed.text());
    assert!(
        resumed.text().contains("has worked on this machine since"),
        "{}",
        resumed.text()
    );
}

#[test]
fn what_a_run_that_went_on_has_done_again_does_not_count_for_the_one_before_it() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new(&three(&sshd, "machine", ""));
    assert_eq!(test.run(&["apply"]).code, 1);
    let first = last(&test);
    // The template changes, and the run that goes on with it does the first step in another way.
    let changed = three(&sshd, "machine", "").replace("echo one-", "echo other-");
    test.write("main.pkr.hcl", changed);
    assert_eq!(test.run(&["apply", "-resume"]).code, 1);
    assert_eq!(log(&sshd), "one-1 two other-1 two");
    allow(&sshd);
    test.write("main.pkr.hcl", three(&sshd, "machine", ""));
    let resumed = test.run(&["apply", &format!("-resume={first}")]);
    well(&resumed);
    assert_eq!(log(&sshd), "one-1 two three-1");
    assert!(
        resumed.text().contains("has done it again since"),
        "{}",
        resumed.text()
    );
}

#[test]
fn nothing_counts_where_a_machine_with_another_host_key_answers() {
    let mut sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new(&three(&sshd, "machine", ""));
    assert_eq!(test.run(&["apply"]).code, 1);
    assert_eq!(log(&sshd), "one-1 two");
    sshd.change_host_key().unwrap();
    // It fails again on the new machine: that one is gone on with then.
    let resumed = test.run(&["apply", "-resume"]);
    assert_eq!(resumed.code, 1, "{}", resumed.text());
    assert_eq!(log(&sshd), "one-1 two", "{}", resumed.text());
    assert!(
        resumed
            .text()
            .contains("another machine answers at 127.0.0.1:")
            && resumed.text().contains("so everything runs"),
        "{}",
        resumed.text()
    );
    allow(&sshd);
    let again = test.run(&["apply", "-resume"]);
    well(&again);
    assert_eq!(log(&sshd), "two three-1", "{}", again.text());
    assert!(
        !again.text().contains("another machine answers"),
        "{}",
        again.text()
    );
}

#[test]
fn a_run_that_was_stopped_before_it_worked_on_the_new_machine_leaves_nothing_that_counts() {
    let mut sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new(&three(&sshd, "machine", ""));
    assert_eq!(test.run(&["apply"]).code, 1);
    assert_eq!(log(&sshd), "one-1 two");
    sshd.change_host_key().unwrap();
    allow(&sshd);
    // Nobody can log in at first: the run goes by what it knows and meets no machine.
    let keys = sshd.key().with_extension("away");
    std::fs::rename(sshd.key(), &keys).unwrap();
    let stopped = test.run(&["apply", "-resume"]);
    assert_ne!(stopped.code, 0, "{}", stopped.text());
    std::fs::rename(&keys, sshd.key()).unwrap();
    let resumed = test.run(&["apply", "-resume"]);
    well(&resumed);
    assert_eq!(log(&sshd), "one-1 two three-1", "{}", resumed.text());
}

const VARIABLES: &str = r#"
variable "color" {
  default = "blue"
}
variable "size" {
  default = "small"
}
variable "token" {
  default   = ""
  sensitive = true
}
source "null" "base" {
  communicator = "none"
}
build {
  sources = ["source.null.base"]
  provisioner "shell-local" {
    inline = ["echo ${var.color} ${var.size} >> log.txt"]
  }
  provisioner "shell-local" {
    environment_vars = ["TOKEN=${var.token}"]
    inline           = ["test -e allowed"]
  }
}
"#;

#[test]
fn a_variable_that_is_not_declared_any_more_is_left_out_and_said() {
    let test = Test::new(VARIABLES);
    let given = [
        "apply",
        "-var",
        "color=red",
        "-var",
        "size=big",
        "-var",
        "token=s3cret-t0ken",
    ];
    let first = test.run(&given);
    assert_eq!(first.code, 1, "{}", first.text());
    test.write("allowed", "");
    let without = VARIABLES
        .replace("variable \"size\" {\n  default = \"small\"\n}\n", "")
        .replace(" ${var.size}", "")
        .replace(
            "variable \"token\" {\n  default   = \"\"\n  sensitive = true\n}\n",
            "",
        )
        .replace("    environment_vars = [\"TOKEN=${var.token}\"]\n", "");
    test.write("main.pkr.hcl", &without);
    let resumed = test.run(&["apply", "-resume"]);
    well(&resumed);
    for name in ["size", "token"] {
        let said = format!("was given `{name}`, which no template here declares any more");
        assert!(resumed.stderr.contains(&said), "{}", resumed.text());
    }
    assert!(!resumed.stderr.contains("`color`"), "{}", resumed.text());
    assert_eq!(test.read("log.txt"), "red big\nred\n");
}

#[test]
fn a_renamed_variable_is_given_by_its_new_name_where_somebody_has_to() {
    let test = Test::new(VARIABLES);
    assert_eq!(test.run(&["apply", "-var", "size=big"]).code, 1);
    test.write("allowed", "");
    let renamed = VARIABLES
        .replace(
            "variable \"size\" {\n  default = \"small\"\n}",
            "variable \"width\" {}",
        )
        .replace("var.size", "var.width");
    test.write("main.pkr.hcl", &renamed);
    // What the run would have been asked for all the same is refused, and what nobody declares.
    let other = test.run(&["apply", "-resume", "-var", "width=2", "-var", "color=red"]);
    assert_eq!(other.code, 2, "{}", other.text());
    let nobody = test.run(&["apply", "-resume", "-var", "width=2", "-var", "size=2"]);
    assert_eq!(nobody.code, 3, "{}", nobody.text());
    assert!(
        nobody.stderr.contains("`-var` sets `size`"),
        "{}",
        nobody.text()
    );
    let resumed = test.run(&["apply", "-resume", "-var", "width=huge"]);
    well(&resumed);
    assert_eq!(test.read("log.txt"), "blue big\nblue huge\n");
}
