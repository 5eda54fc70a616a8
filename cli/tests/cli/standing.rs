//! What was done outside of what a build makes counts only as long as nothing else was done there.

use imgc_testbed::{Options, Sshd};

use crate::harness::{Printed, Test};
use crate::images::static_copy;

fn well(printed: &Printed) {
    assert_eq!(printed.code, 0, "{}", printed.text());
}

const DEPLOYED: &str = r#"
variable "to" {}
source "null" "here" {
  communicator = "none"
}
source "file" "note" {
  content = "note"
  target  = "note.txt"
}
build {
  sources = ["null.here"]
  provisioner "shell-local" {
    inline = ["echo ${var.to} > deployed", "test ${var.to} != broken"]
  }
}
build {
  name    = "rolled"
  sources = ["file.note"]
  post-processor "shell-local" {
    inline = ["echo ${var.to} > rolled"]
  }
}
"#;

/// Going back to what was there before is a change like any other.
#[test]
fn what_was_done_elsewhere_since_is_done_again() {
    let test = Test::new(DEPLOYED);
    let apply = |to: &str| test.run(&["apply", "-var", &format!("to={to}")]);
    let seen = || (test.read("deployed"), test.read("rolled"));
    well(&apply("prod"));
    well(&apply("test"));
    let plan = test.run(&["plan", "-detailed-exitcode", "-var", "to=prod"]);
    assert_eq!(plan.code, 2, "{}", plan.text());
    assert!(
        plan.stdout.contains("has done something else there since"),
        "{}",
        plan.text()
    );
    well(&apply("prod"));
    assert_eq!(seen(), ("prod\n".to_owned(), "prod\n".to_owned()));
    let again = apply("prod");
    assert!(again.stdout.contains("nothing changed"), "{}", again.text());
    // What has failed may have done half of it.
    assert_ne!(apply("broken").code, 0);
    well(&apply("prod"));
    assert_eq!(seen().0, "prod\n");
}

#[test]
fn a_machine_that_was_provisioned_otherwise_since_is_provisioned_again() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let home = sshd.home();
    let test = Test::new(&format!(
        "variable \"to\" {{}}\nsource \"null\" \"machine\" {{\n  ssh_host = \"127.0.0.1\"\n  ssh_port = {}\n  \
         ssh_username = \"{}\"\n  ssh_private_key_file = \"{}\"\n}}\nbuild {{\n  sources = [\"null.machine\"]\n  \
         provisioner \"shell\" {{\n    inline = [\"echo ${{var.to}} > {home}/state\"]\n  }}\n}}\n",
        sshd.port(),
        sshd.user(),
        sshd.key().display(),
        home = home.display(),
    ));
    for to in ["one", "two", "one"] {
        well(&test.run(&["apply", "-var", &format!("to={to}")]));
        let state = std::fs::read_to_string(home.join("state")).unwrap();
        assert_eq!(state, format!("{to}\n"));
    }
}

const LAYERED: &str = r#"
variable "to" {}
variable "last" {
  default = "x"
}
source "rootfs" "small" {
  from             = "dir:base"
  output_directory = "out"
}
build {
  sources = ["rootfs.small"]
  provisioner "shell-local" {
    inline = ["echo ${var.to} > generated.txt"]
  }
  provisioner "shell" {
    inline = ["echo ${var.to} > /to"]
  }
  provisioner "file" {
    direction   = "download"
    source      = "/to"
    destination = "got.txt"
  }
  provisioner "shell" {
    inline = ["echo ${var.last} > /last"]
  }
  GENERATED
}
"#;

fn layered(generated: &str) -> Test {
    let test = Test::new(&LAYERED.replace("GENERATED", generated));
    for program in ["sh", "cat", "mkdir", "rm", "chmod"] {
        static_copy(program, &test.path("base"));
    }
    test
}

/// A layer has nothing of what a step has done on this disk.
#[test]
fn steps_that_work_here_are_not_left_out_for_a_layer() {
    let test = layered("");
    let apply = |to: &str, last: &str| {
        let (to, last) = (format!("to={to}"), format!("last={last}"));
        test.run(&["apply", "-var", &to, "-var", &last])
    };
    let seen = || (test.read("generated.txt"), test.read("got.txt"));
    for to in ["one", "two", "one"] {
        well(&apply(to, "x"));
        assert_eq!(seen(), (format!("{to}\n"), format!("{to}\n")));
    }
    // What comes after them is all that runs where they stand.
    let printed = apply("one", "y");
    well(&printed);
    assert!(
        printed
            .stdout
            .contains("going on after build.rootfs.small.provisioner[2]"),
        "{}",
        printed.text()
    );
    std::fs::remove_file(test.path("got.txt")).unwrap();
    let plan = test.run(&["plan", "-var", "to=one", "-var", "last=y"]);
    assert!(
        plan.stdout.contains("`got.txt` has been deleted"),
        "{}",
        plan.text()
    );
    well(&apply("one", "y"));
    assert_eq!(test.read("got.txt"), "one\n");
    let again = apply("one", "y");
    assert!(again.stdout.contains("nothing changed"), "{}", again.text());
}

/// What a script here makes and a later step sends is made anew whenever something runs.
#[test]
fn what_is_generated_is_what_is_sent() {
    let test = layered(
        "provisioner \"file\" {\n    generated = true\n    source = \"generated.txt\"\n    destination = \"/sent\"\n  }\n  \
         provisioner \"file\" {\n    direction = \"download\"\n    source = \"/sent\"\n    destination = \"sent.txt\"\n  }\n",
    );
    for (to, last) in [("one", "x"), ("two", "x"), ("one", "y"), ("one", "z")] {
        let (to, last) = (format!("to={to}"), format!("last={last}"));
        well(&test.run(&["apply", "-var", &to, "-var", &last]));
        assert_eq!(format!("to={}", test.read("sent.txt")), format!("{to}\n"));
        std::fs::remove_file(test.path("generated.txt")).unwrap();
    }
}

/// A state that several directories share knows which of them it speaks of.
#[test]
fn a_shared_state_keeps_the_projects_apart() {
    let template = "source \"file\" \"note\" {\n  content = \"note\"\n  target = \"note.txt\"\n}\nsource \"null\" \"here\" {\n  \
                    communicator = \"none\"\n}\nbuild {\n  sources = [\"file.note\", \"null.here\"]\n  provisioner \
                    \"shell-local\" {\n    inline = [\"echo ran >> ran\"]\n  }\n  post-processor \"manifest\" {}\n}\n";
    let shared = Test::new("");
    let state = shared.path("state").display().to_string();
    let (one, other) = (Test::new(template), Test::new(template));
    for test in [&one, &other, &one, &other] {
        well(&test.run(&["apply", "-state", &state]));
        assert_eq!(test.read("note.txt"), "note");
        assert_eq!(test.read("ran"), "ran\nran\n");
        assert!(test.path("packer-manifest.json").exists());
    }
    std::fs::remove_file(other.path("packer-manifest.json")).unwrap();
    let printed = other.run(&["apply", "-state", &state]);
    well(&printed);
    assert!(other.path("packer-manifest.json").exists());
    assert_eq!(other.read("ran"), "ran\nran\n", "{}", printed.text());
}
