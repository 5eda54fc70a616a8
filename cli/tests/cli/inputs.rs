//! A wrong hit is worse than none: each kind of input of an image is changed in turn, and exactly what follows from it
//! runs. What is no input runs nothing.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, SystemTime};

use crate::harness::{Printed, Test};
use crate::images::static_copy;

const TEMPLATE: &str = r#"
variable "token" {
  sensitive = true
}
variable "color" {
  default = "red"
}
locals {
  greeting = "hello"
}
source "rootfs" "small" {
  from              = "dir:base"
  output_directory  = "out"
  hostname          = "builder-one"
  build_env         = { BUILD = "one" }
  source_date_epoch = 1700000000
}
build {
  sources = ["source.rootfs.small"]
  provisioner "shell" {
    inline = ["echo ${local.greeting} $BUILD > /greeting"]
  }
  provisioner "shell" {
    script = "step.sh"
  }
  provisioner "file" {
    source      = "tree"
    destination = "/srv/"
  }
  provisioner "shell" {
    environment_vars = ["COLOR=${var.color}"]
    inline           = ["echo $COLOR > /color"]
  }
  provisioner "shell" {
    env    = { TOKEN = var.token }
    inline = ["echo $${#TOKEN} > /length"]
  }
  provisioner "shell" {
    inline = ["echo last > /last"]
  }
}
"#;

/// Provisioners of the template.
const STEPS: usize = 6;

/// An image with provisioners of every kind, and what it is made with now.
struct Image {
    test: Test,
    template: String,
    token: &'static str,
}

impl Image {
    fn new() -> Self {
        let test = Test::new(TEMPLATE);
        for program in ["sh", "chmod", "rm", "mkdir", "cat"] {
            static_copy(program, &test.path("base"));
        }
        test.write("base/etc/issue", "one\n");
        test.write("step.sh", "#!/bin/sh\necho one > /script\n");
        test.write("tree/deep/page", "one\n");
        test.write("tree/other", "other\n");
        symlink("deep/page", test.path("tree/link")).unwrap();
        Self {
            test,
            template: TEMPLATE.to_owned(),
            token: "first-s3cret-t0ken",
        }
    }

    fn apply(&self, more: &[&str]) -> Printed {
        let token = format!("token={}", self.token);
        let mut arguments = vec!["apply", "-json", "-auto-approve", "-var", &token];
        arguments.extend(more);
        let printed = self.test.run(&arguments);
        assert_eq!(printed.code, 0, "{}", printed.text());
        printed
    }

    /// Rewrites a piece of the template.
    fn edit(&mut self, from: &str, to: &str) {
        assert_eq!(self.template.matches(from).count(), 1, "{from}");
        self.template = self.template.replace(from, to);
        self.test.write("main.pkr.hcl", &self.template);
    }

    /// Of the steps that have a fingerprint, those that a run ran; all others were reused.
    fn ran(&self, printed: &Printed) -> Vec<String> {
        let (mut started, mut reused) = (Vec::new(), BTreeSet::new());
        for line in printed.stdout.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let address = || event["address"].as_str().unwrap();
            let step = || {
                address()
                    .trim_start_matches("build.rootfs.small.")
                    .to_owned()
            };
            match event["event"].as_str() {
                Some("step_started") => started.push(step()),
                Some("step_reused") => assert!(reused.insert(step()), "{line}"),
                _ => {}
            }
        }
        started.retain(|step| !["prepare", "connect", "release"].contains(&step.as_str()));
        // Launching a machine is going back to a kept one, where there is one.
        if printed
            .stdout
            .contains("\"going on after build.rootfs.small.")
        {
            started.retain(|step| step != "launch");
            reused.insert("launch".to_owned());
        }
        for step in all() {
            assert!(
                reused.contains(&step) != started.contains(&step),
                "{step}: {}",
                printed.text()
            );
        }
        started
    }

    /// After a change of what this step is made from it runs, and all that follows it; nothing else does.
    fn runs_from(&self, step: &str, what: &str) {
        let expected: Vec<String> = all().into_iter().skip_while(|one| one != step).collect();
        assert!(!expected.is_empty(), "{step}");
        let printed = self.apply(&[]);
        assert_eq!(self.ran(&printed), expected, "{what}: {}", printed.text());
        let again = self.apply(&[]);
        assert_eq!(self.ran(&again), Vec::<String>::new(), "{what}, again");
    }

    fn digest(&self) -> String {
        let index: serde_json::Value =
            serde_json::from_str(&self.test.read("out/small.oci/index.json")).unwrap();
        index["manifests"][0]["digest"].as_str().unwrap().to_owned()
    }
}

/// The steps with fingerprints, in order.
fn all() -> Vec<String> {
    let provisioners = (0..STEPS).map(|number| format!("provisioner[{number}]"));
    let first = std::iter::once("launch".to_owned());
    let last = std::iter::once("capture".to_owned());
    first.chain(provisioners).chain(last).collect()
}

#[test]
fn what_is_planned_of_a_copied_project_is_what_is_built() {
    let mut image = Image::new();
    image.apply(&[]);
    // All files have other inodes and times then: nobody can tell what has been done to them.
    for (program, arguments) in [
        ("cp", ["-a", ".imgc", "copied"]),
        ("rm", ["-r", "-f", ".imgc"]),
        ("mv", ["-f", "copied", ".imgc"]),
    ] {
        let mut command = std::process::Command::new(program);
        let done = command.args(arguments).current_dir(image.test.path("."));
        assert!(done.status().unwrap().success(), "{program}");
    }
    image.edit("echo last", "echo very last");
    let token = format!("token={}", image.token);
    let plan = image.test.run(&["plan", "-explain", "-var", &token, "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    assert!(
        plan.stdout
            .contains("what was kept of it is gone, or was copied"),
        "{}",
        plan.text()
    );
    assert!(!plan.stdout.contains("reused"), "{}", plan.text());
    let printed = image.apply(&[]);
    // The base is where it was; what was made on it is gone on with no more.
    assert_eq!(image.ran(&printed), all()[1..], "{}", printed.text());
    assert!(
        !printed.text().contains("cannot be used"),
        "{}",
        printed.text()
    );
    image.edit("echo very last", "echo the very last");
    image.runs_from("provisioner[5]", "text of the last step");
}

#[test]
fn each_kind_of_input_runs_what_follows_from_it() {
    let mut image = Image::new();
    image.runs_from("launch", "first");

    image.edit(r#"greeting = "hello""#, r#"greeting = "bye""#);
    image.runs_from("provisioner[0]", "text of an option");

    image
        .test
        .write("step.sh", "#!/bin/sh\necho two > /script\n");
    image.runs_from("provisioner[1]", "byte of a script");

    let tree = "provisioner[2]";
    image.test.write("tree/deep/page", "two\n");
    image.runs_from(tree, "byte of a file in a tree");
    image.test.write("tree/deep/added", "");
    image.runs_from(tree, "another file in a tree");
    let page = image.test.path("tree/deep/page");
    std::fs::set_permissions(&page, Permissions::from_mode(0o600)).unwrap();
    image.runs_from(tree, "mode of a file in a tree");
    let deep = image.test.path("tree/deep");
    std::fs::set_permissions(&deep, Permissions::from_mode(0o700)).unwrap();
    image.runs_from(tree, "mode of a directory in a tree");
    std::fs::remove_file(image.test.path("tree/link")).unwrap();
    symlink("deep/added", image.test.path("tree/link")).unwrap();
    image.runs_from(tree, "target of a link in a tree");
    std::fs::rename(image.test.path("tree/other"), image.test.path("tree/name")).unwrap();
    image.runs_from(tree, "name of a file in a tree");
    std::fs::remove_file(image.test.path("tree/deep/added")).unwrap();
    image.runs_from(tree, "file gone from a tree");

    image.edit("COLOR=${var.color}", "COLOR=blue");
    image.runs_from("provisioner[3]", "variable of the environment");
    image.token = "other-s3cret-t0ken";
    image.runs_from("provisioner[4]", "value of a secret");
    image.edit("env    = { TOKEN", "env    = { MORE = \"\", TOKEN");
    image.runs_from("provisioner[4]", "name in an environment");

    // All of it is what a build that reuses nothing makes.
    let made = image.digest();
    image.apply(&["-rebuild"]);
    assert_eq!(image.digest(), made);
}

#[test]
fn what_the_machine_starts_from_runs_all_of_it() {
    let mut image = Image::new();
    image.runs_from("launch", "first");
    image.test.write("base/etc/issue", "two\n");
    image.runs_from("launch", "byte of the base");
    let issue = image.test.path("base/etc/issue");
    std::fs::set_permissions(&issue, Permissions::from_mode(0o600)).unwrap();
    image.runs_from("launch", "mode in the base");
    symlink("issue", image.test.path("base/etc/link")).unwrap();
    image.runs_from("launch", "link in the base");
    image.edit(r#"BUILD = "one""#, r#"BUILD = "two""#);
    image.runs_from("launch", "build_env");
    image.edit("builder-one", "builder-two");
    image.runs_from("launch", "hostname");
    image.edit("1700000000", "1700000001");
    image.runs_from("launch", "source_date_epoch");
    let made = image.digest();
    image.apply(&["-rebuild"]);
    assert_eq!(image.digest(), made);
}

#[test]
fn order_and_type_of_provisioners_are_inputs() {
    let mut image = Image::new();
    image.runs_from("launch", "first");
    let (third, last) = ("echo $COLOR > /color", "echo last > /last");
    let swapped = image
        .template
        .replace(third, "THIRD")
        .replace(last, third)
        .replace("THIRD", last);
    image.template = swapped;
    image.test.write("main.pkr.hcl", &image.template);
    image.runs_from("provisioner[3]", "texts of two provisioners");

    let script = "  provisioner \"shell\" {\n    script = \"step.sh\"\n  }\n";
    let file =
        "  provisioner \"file\" {\n    source      = \"tree\"\n    destination = \"/srv/\"\n  }\n";
    image.edit(&format!("{script}{file}"), &format!("{file}{script}"));
    image.runs_from("provisioner[1]", "order of two provisioners");
    let local = script
        .replace("\"shell\"", "\"shell-local\"")
        .replace("step.sh", "here.sh");
    image.test.write("here.sh", "#!/bin/sh\ntrue\n");
    image.edit(script, &script.replace("step.sh", "here.sh"));
    image.runs_from("provisioner[2]", "another script");
    image.edit(&script.replace("step.sh", "here.sh"), &local);
    image.runs_from("provisioner[2]", "type of a provisioner");
}

/// What was there when the run began and what is there in the end: nobody knows which of the two the step has used.
#[test]
fn what_changes_while_a_build_runs_is_no_input_of_what_it_makes() {
    for (name, step) in [
        ("step.sh", "provisioner[1]"),
        ("tree/deep/page", "provisioner[2]"),
    ] {
        let mut image = Image::new();
        let before = image.test.read(name);
        let other = before.replace("one", "other");
        image.test.write("other", &other);
        image.edit(
            "provisioner \"shell\" {\n    inline = [\"echo ${local.greeting} $BUILD > /greeting\"]",
            &format!("provisioner \"shell-local\" {{\n    inline = [\"cp other {name}\"]"),
        );
        let printed = image.apply(&[]);
        assert!(image.ran(&printed).len() > STEPS, "{}", printed.text());
        assert_eq!(image.test.read(name), other);
        image.runs_from(step, &format!("{name} as it is now"));
        let made = image.digest();
        image.test.write(name, &before);
        image.runs_from(step, &format!("{name} as it was before"));
        assert_ne!(image.digest(), made, "{name}");
    }
}

/// A workspace that is copied or moved with its `.imgc` has its images in it.
#[test]
fn a_project_that_is_elsewhere_now_is_up_to_date() {
    let mut image = Image::new();
    image.runs_from("launch", "first");
    let made = image.digest();
    let moved = Test::new("");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([image.test.path("."), moved.path(".")])
        .status();
    assert!(copied.unwrap().success());
    image.test = moved;
    let printed = image.apply(&[]);
    assert_eq!(image.ran(&printed), Vec::<String>::new());
    // Its own image is replaced without a question there.
    image.edit("echo last", "echo first");
    let printed = image.apply(&[]);
    assert!(
        image.ran(&printed).contains(&"capture".to_owned()),
        "{}",
        printed.text()
    );
    assert_ne!(image.digest(), made);
}

#[test]
fn an_image_that_was_altered_is_asked_about() {
    let image = Image::new();
    image.runs_from("launch", "first");
    let made = image.digest();
    let index = image.test.read("out/small.oci/index.json");
    image
        .test
        .write("out/small.oci/index.json", format!("{index}\n"));
    let token = format!("token={}", image.token);
    let plan = image.test.run(&["plan", "-var", &token]);
    let altered = "`$TEST/out/small.oci` has been altered";
    assert!(plan.stdout.contains(altered), "{}", plan.text());
    let refused = image.test.run(&["apply", "-var", &token]);
    assert_eq!(refused.code, 8, "{}", refused.text());
    assert!(
        refused.stderr.contains("out (by build.rootfs.small)"),
        "{}",
        refused.text()
    );
    assert_eq!(
        image.test.read("out/small.oci/index.json"),
        format!("{index}\n")
    );
    let printed = image.apply(&[]);
    assert_eq!(image.ran(&printed), ["capture"], "{}", printed.text());
    assert_eq!(image.digest(), made);
    // What somebody has put there besides stays in the way, as what imgc has not made.
    image.test.write("out/notes.txt", "mine\n");
    let refused = image
        .test
        .run(&["apply", "-auto-approve", "-rebuild", "-var", &token]);
    assert_ne!(refused.code, 0, "{}", refused.text());
    let reason = "output directory $TEST/out already exists";
    assert!(refused.stdout.contains(reason), "{}", refused.text());
    assert_eq!(image.test.read("out/notes.txt"), "mine\n");
    // Also beside an image that was altered: to agree to one is not to agree to the other.
    image
        .test
        .write("out/small.oci/index.json", format!("{index}\n"));
    let refused = image.test.run(&["apply", "-auto-approve", "-var", &token]);
    assert_ne!(refused.code, 0, "{}", refused.text());
    assert!(refused.stdout.contains(reason), "{}", refused.text());
    assert_eq!(image.test.read("out/notes.txt"), "mine\n");
}

/// The times in an image follow from its base, also where that was written in the second in which the run begins.
#[test]
fn a_base_that_was_just_written_gives_the_same_image_later() {
    let mut image = Image::new();
    image.edit("  source_date_epoch = 1700000000\n", "");
    let issue = image.test.path("base/etc/issue");
    let issue = std::fs::File::options().write(true).open(issue).unwrap();
    issue.set_modified(SystemTime::now()).unwrap();
    image.apply(&[]);
    let first = image.test.read("out/small.oci/index.json");
    std::thread::sleep(Duration::from_secs(1));
    image.apply(&["-rebuild"]);
    assert_eq!(image.test.read("out/small.oci/index.json"), first);
}

#[test]
fn times_order_of_attributes_and_comments_run_nothing() {
    let mut image = Image::new();
    image.runs_from("launch", "first");
    let made = image.digest();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in [
        "step.sh",
        "tree/deep/page",
        "tree",
        "tree/deep",
        "base/etc/issue",
        "base/etc",
    ] {
        let file = std::fs::File::open(image.test.path(name)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    let printed = image.apply(&[]);
    assert_eq!(
        image.ran(&printed),
        Vec::<String>::new(),
        "{}",
        printed.text()
    );

    // The same bytes in other files, written in another order.
    for (name, text) in [("tree/other", "other\n"), ("tree/deep/page", "one\n")] {
        std::fs::remove_file(image.test.path(name)).unwrap();
        image.test.write(name, text);
    }
    image.edit(
        "    environment_vars = [\"COLOR=${var.color}\"]\n    inline           = [\"echo $COLOR > /color\"]\n",
        "    # Which color.\n    inline = [\"echo $COLOR > /color\"]\n    environment_vars = [\n      \"COLOR=${var.color}\",\n    ]\n",
    );
    image.edit(
        "  from              = \"dir:base\"\n  output_directory  = \"out\"\n",
        "  output_directory  = \"out\" # Where it goes.\n  from              = \"dir:base\"\n",
    );
    image.edit("locals {\n  greeting = \"hello\"\n}\n", "");
    image
        .template
        .push_str("locals {\n  greeting = \"hello\"\n}\n");
    image.test.write("main.pkr.hcl", &image.template);
    let printed = image.apply(&[]);
    assert_eq!(
        image.ran(&printed),
        Vec::<String>::new(),
        "{}",
        printed.text()
    );

    // Another day, and other variables around.
    image.test = image
        .test
        .env("IMGC_INTERNAL_CLOCK", "1800000000,other")
        .env("COLOR", "green");
    let printed = image.apply(&[]);
    assert_eq!(
        image.ran(&printed),
        Vec::<String>::new(),
        "{}",
        printed.text()
    );
    assert_eq!(image.digest(), made);
}

#[test]
fn a_local_script_that_may_not_be_executed_any_more_is_another_input() {
    let test = Test::new(
        r#"
source "null" "base" {
  communicator = "none"
}
build {
  sources = ["source.null.base"]
  provisioner "shell-local" {
    script = "local.sh"
  }
}
"#,
    );
    test.write("local.sh", "#!/bin/sh\necho it runs\n");
    let script = test.path("local.sh");
    let mode = |mode| std::fs::set_permissions(&script, Permissions::from_mode(mode)).unwrap();
    assert_eq!(test.run(&["apply"]).code, 0);
    mode(0o700);
    let same = test.run(&["apply"]);
    assert!(same.text().contains("nothing changed"), "{}", same.text());
    mode(0o644);
    let printed = test.run(&["apply"]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(
        !printed.text().contains("nothing changed"),
        "{}",
        printed.text()
    );
}
