//! What runs again and what does not: several runs of one template.

use std::time::{Duration, Instant};

use imgc_testbed::{Options, Sshd};

use crate::harness::{Printed, Test};

const NOTE: &str = r#"
variable "text" {
  default = "hello"
}
source "file" "note" {
  content = "${var.text}\n"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
  provisioner "shell-local" {
    inline = ["echo ran >> ran.txt"]
  }
  post-processors {
    post-processor "compress" {
      output              = "note.tar.gz"
      keep_input_artifact = true
    }
    post-processor "checksum" {
      checksum_types = ["sha256"]
      output         = "note.{{.ChecksumType}}"
    }
  }
  post-processor "manifest" {
    output = "manifest.json"
  }
}
"#;

fn ran(test: &Test) -> usize {
    test.read("ran.txt").lines().count()
}

/// The lines that name artifacts.
fn artifacts(printed: &Printed) -> Vec<&str> {
    let lines = printed.stdout.lines();
    lines.filter(|line| line.starts_with("--> ")).collect()
}

fn well(printed: &Printed) {
    assert_eq!(printed.code, 0, "{}", printed.text());
}

fn reuse_of(printed: &Printed) -> &str {
    let at = printed.stdout.find("\nReuse\n").map_or(0, |at| at + 7);
    printed.stdout[at..].trim_end()
}

/// Text with the ids of runs as `RUN`.
fn without_ids(text: &str) -> String {
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let bare = word.trim_end_matches([' ', '\n', ';', ':']);
        let is_id = bare.len() == 8 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_id {
            true => word.replace(bare, "RUN"),
            false => word.to_owned(),
        }
    });
    words.collect()
}

#[test]
fn nothing_changed_means_nothing_runs() {
    let test = Test::new(NOTE);
    let first = test.run(&["apply"]);
    well(&first);
    let manifest = test.read("manifest.json");
    let second = test.run(&["apply"]);
    well(&second);
    assert_eq!(ran(&test), 1);
    assert_eq!(artifacts(&second), artifacts(&first));
    assert!(
        second
            .stdout
            .contains("nothing changed: 1 build is up to date"),
        "{}",
        second.text()
    );
    assert_eq!(test.read("manifest.json"), manifest);
    // A comment and the order of attributes change nothing.
    let text = NOTE.replace(
        "  content = \"${var.text}\\n\"\n  target  = \"note.txt\"",
        "  # where\n  target  = \"note.txt\"\n  content = \"${var.text}\\n\"",
    );
    assert_ne!(text, NOTE);
    test.write("main.pkr.hcl", text);
    well(&test.run(&["apply"]));
    assert_eq!(ran(&test), 1);
    // Who wants a build gets one.
    well(&test.run(&["build"]));
    well(&test.run(&["apply", "-rebuild"]));
    well(&test.run(&["apply", "-replace", "build.file.note.provisioner[0]"]));
    assert_eq!(ran(&test), 4);
}

#[test]
fn plan_says_what_would_run_and_why() {
    let test = Test::new(NOTE);
    let codes = |arguments: &[&str]| {
        let mut all = vec!["plan", "-detailed-exitcode"];
        all.extend(arguments);
        test.run(&all).code
    };
    assert_eq!(codes(&[]), 2);
    well(&test.run(&["apply"]));
    assert_eq!(codes(&[]), 0);
    assert_eq!(codes(&["-var", "text=bye"]), 2);
    assert_eq!(codes(&["-var", "nobody=bye"]), 3);
    let same = test.run(&["plan"]);
    insta::assert_snapshot!(without_ids(reuse_of(&same)), @r"
      build.file.note  up to date, made by run RUN
    Nothing would change.
    ");
    let other = test.run(&["plan", "-explain", "-var", "text=bye"]);
    insta::assert_snapshot!(without_ids(reuse_of(&other)), @r#"
      build.file.note  all of it runs
        build.file.note.launch: `option content` has changed
          option content: "hello\n" → "bye\n"
    1 build would run, 0 are up to date.
    "#);
    // Of the steps that run in any case, what has changed in them besides.
    test.write("main.pkr.hcl", NOTE.replace("\"sha256\"", "\"md5\""));
    let more = test.run(&["plan", "-explain", "-var", "text=bye"]);
    insta::assert_snapshot!(without_ids(reuse_of(&more)), @r#"
      build.file.note  all of it runs
        build.file.note.launch: `option content` has changed
          option content: "hello\n" → "bye\n"
        build.file.note.post-processor[0][1]: `option checksum_types` has changed
          option checksum_types: ["sha256"] → ["md5"]
    1 build would run, 0 are up to date.
    "#);
    test.write("main.pkr.hcl", NOTE);
    let json = test.run(&["plan", "-json", "-var", "text=bye"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let build = &json["reuse"]["builds"][0];
    assert_eq!(build["verdict"], "whole");
    assert_eq!(build["why"][0]["differences"][0]["input"], "option content");
    let moving = NOTE.replace("${var.text}", "${timestamp()}");
    test.write("main.pkr.hcl", moving);
    let moving = test.run(&["plan"]);
    assert!(
        reuse_of(&moving).contains("`content` depends on the clock or on random numbers"),
        "{}",
        moving.text()
    );
}

#[test]
fn a_failed_post_processor_is_all_that_runs_again() {
    let failing = NOTE.replace(
        "  post-processor \"manifest\" {\n    output = \"manifest.json\"\n",
        "  post-processor \"shell-local\" {\n    inline = [\"test -e allowed\"]\n",
    );
    let test = Test::new(&failing);
    let first = test.run(&["apply"]);
    assert_eq!(first.code, 1, "{}", first.text());
    assert_eq!(test.read("note.txt"), "hello\n");
    test.write("allowed", "");
    let second = test.run(&["apply"]);
    well(&second);
    assert_eq!(ran(&test), 1);
    assert!(!second.stdout.contains("Running post-processor: compress"));
    assert!(
        second
            .stdout
            .contains("Running post-processor: shell-local")
    );
}

#[test]
fn files_that_are_deleted_or_altered_outside_are_said_and_not_lost() {
    let test = Test::new(NOTE);
    well(&test.run(&["apply"]));
    // Of a post-processor: only that one, and what works on it.
    std::fs::remove_file(test.path("note.tar.gz")).unwrap();
    let printed = test.run(&["apply"]);
    well(&printed);
    assert!(
        printed
            .stdout
            .contains("`$TEST/note.tar.gz` has been deleted"),
        "{}",
        printed.text()
    );
    assert!(test.path("note.tar.gz").exists());
    assert_eq!(ran(&test), 1);
    // Of the builder, altered: that is somebody's work now, and asked about.
    test.write("note.txt", "mine\n");
    let printed = test.run(&["apply"]);
    assert_eq!(printed.code, 8, "{}", printed.text());
    assert!(printed.stderr.contains("note.txt"), "{}", printed.text());
    assert_eq!(test.read("note.txt"), "mine\n");
    let printed = test.run(&["apply", "-auto-approve"]);
    well(&printed);
    assert!(
        printed.stdout.contains("`$TEST/note.txt` has been altered"),
        "{}",
        printed.text()
    );
    assert_eq!(test.read("note.txt"), "hello\n");
    // A changed template replaces what is our own without a question.
    well(&test.run(&["apply", "-var", "text=bye"]));
    assert_eq!(test.read("note.txt"), "bye\n");
    let images = test.run(&["images"]);
    assert_eq!(
        images.stdout.matches("note.txt  (replaced)").count(),
        2,
        "{}",
        images.text()
    );
    assert!(!images.stdout.contains("altered"), "{}", images.text());
}

#[test]
fn a_manifest_keeps_what_it_says_of_builds_that_do_not_run() {
    let test = Test::new(
        r#"
variable "text" {
  default   = "one"
  sensitive = true
}
source "file" "a" {
  content = var.text
  target  = "a.txt"
}
source "file" "b" {
  content = "b"
  target  = "b.txt"
}
build {
  sources = ["file.a", "file.b"]
  post-processor "manifest" {
    custom_data = { text = var.text }
  }
}
"#,
    );
    let names = || {
        let manifest: serde_json::Value =
            serde_json::from_str(&test.read("packer-manifest.json")).unwrap();
        let builds = manifest["builds"].as_array().unwrap().clone();
        let name = |build: &serde_json::Value| build["name"].as_str().unwrap().to_owned();
        let mut names: Vec<String> = builds.iter().map(name).collect();
        names.sort();
        names
    };
    let printed = test.run(&["apply"]);
    well(&printed);
    let warned = "`custom_data` has a secret, which is written into packer-manifest.json as it is";
    assert!(printed.text().contains(warned), "{}", printed.text());
    let manifest = std::fs::metadata(test.path("packer-manifest.json")).unwrap();
    assert_eq!(
        std::os::unix::fs::MetadataExt::mode(&manifest) & 0o777,
        0o600
    );
    assert_eq!(names(), ["a", "b"]);
    std::fs::remove_file(test.path("a.txt")).unwrap();
    well(&test.run(&["apply"]));
    assert_eq!(names(), ["a", "a", "b"], "as Packer adds to it");
    well(&test.run(&["apply", "-force", "-rebuild", "-auto-approve"]));
    assert_eq!(names(), ["a", "b"]);
}

/// A file that several builds and post-processors write their checksums into is afterwards what they write, whoever wrote to it.
#[test]
fn a_file_of_checksums_is_what_its_post_processors_write() {
    let template = |types: &str| {
        format!(
            r#"
source "file" "a" {{
  content = "a"
  target  = "a.txt"
}}
source "file" "b" {{
  content = "b"
  target  = "b.txt"
}}
build {{
  sources = ["source.file.a", "source.file.b"]
  post-processors {{
    post-processor "checksum" {{
      checksum_types = [{types}]
      output         = "SUMS"
    }}
  }}
  post-processors {{
    post-processor "checksum" {{
      checksum_types = ["sha1"]
      output         = "SUMS"
    }}
  }}
}}
"#
        )
    };
    let test = Test::new(&template(r#""md5", "sha256""#));
    let sums = || {
        let text = test.read("SUMS");
        let lines = text.lines().map(|line| {
            let (digest, name) = line.split_once('\t').unwrap();
            format!("{name} {}", digest.len())
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        lines
    };
    // What runs is settled with it, whichever build has written last.
    let settle = || {
        well(&test.run(&["apply", "-auto-approve"]));
        let again = test.run(&["apply", "-auto-approve"]);
        well(&again);
        let text = again.text();
        assert!(
            text.contains("nothing changed"),
            "{text}\n{}",
            test.read("SUMS")
        );
    };
    let all = [
        "a.txt 32", "a.txt 40", "a.txt 64", "b.txt 32", "b.txt 40", "b.txt 64",
    ];
    settle();
    assert_eq!(sums(), all);

    let made = test.read("SUMS");
    test.write("SUMS", format!("{made}garbage\n"));
    settle();
    assert_eq!(sums(), all);

    test.write("main.pkr.hcl", template(r#""sha256""#));
    settle();
    assert_eq!(sums(), ["a.txt 40", "a.txt 64", "b.txt 40", "b.txt 64"]);
}

/// Others' lines stay: nothing is replaced, and nobody is asked.
#[test]
fn a_build_that_joins_a_file_of_checksums_asks_nobody() {
    let build = |name: &str| {
        format!(
            r#"
source "file" "{name}" {{
  content = "{name}"
  target  = "{name}.txt"
}}
build {{
  sources = ["source.file.{name}"]
  post-processor "checksum" {{
    checksum_types = ["sha1"]
    output         = "SUMS"
  }}
}}
"#
        )
    };
    let test = Test::new(&(build("a") + &build("b")));
    well(&test.run(&["apply", "-only=file.a"]));
    well(&test.run(&["apply"]));
    // And one that is new.
    test.write("main.pkr.hcl", build("a") + &build("b") + &build("c"));
    well(&test.run(&["apply"]));
    assert_eq!(test.read("SUMS").lines().count(), 3);
    let again = test.run(&["apply"]);
    well(&again);
    assert!(again.text().contains("nothing changed"), "{}", again.text());

    // What is no checksum would be lost.
    let other = Test::new(&build("a"));
    other.write("SUMS", "my own notes\n");
    let asked = other.run(&["apply"]);
    assert_eq!(asked.code, 8, "{}", asked.text());
    assert_eq!(other.read("SUMS"), "my own notes\n");
}

/// As after a run that was killed before it could record the file.
#[test]
fn a_file_of_checksums_that_no_run_is_known_to_have_made_is_in_nobodys_way() {
    let test = Test::new(
        r#"
source "file" "a" {
  content = "a"
  target  = "a.txt"
}
build {
  sources = ["source.file.a"]
  post-processor "checksum" {
    checksum_types = ["sha1"]
    output         = "SUMS"
  }
}
"#,
    );
    well(&test.run(&["apply"]));
    std::fs::remove_dir_all(test.path(".imgc")).unwrap();
    std::fs::remove_file(test.path("a.txt")).unwrap();
    well(&test.run(&["apply"]));
    assert_eq!(test.read("SUMS").lines().count(), 1);
}

#[test]
fn a_build_block_by_another_name_is_up_to_date_and_asks_nobody() {
    let template = r#"
source "file" "a" {
  content = "a"
  target  = "a.txt"
}
build {
  name    = "first"
  sources = ["source.file.a"]
}
"#;
    let test = Test::new(template);
    well(&test.run(&["apply"]));
    test.write("main.pkr.hcl", template.replace("first", "second"));
    let renamed = test.run(&["apply"]);
    well(&renamed);
    assert!(
        renamed.text().contains("nothing changed"),
        "{}",
        renamed.text()
    );
}

#[test]
fn a_build_that_uses_an_artifact_follows_it() {
    let test = Test::new(
        r#"
variable "text" {
  default = "one"
}
source "file" "base" {
  content = var.text
  target  = "base.txt"
}
source "file" "copy" {
  source = build.file.base.artifact.files[0]
  target = "copy.txt"
}
build {
  sources = ["source.file.base", "source.file.copy"]
}
"#,
    );
    well(&test.run(&["apply"]));
    let second = test.run(&["apply"]);
    well(&second);
    assert!(
        second
            .stdout
            .contains("nothing changed: 2 builds are up to date"),
        "{}",
        second.text()
    );
    well(&test.run(&["apply", "-var", "text=two"]));
    assert_eq!(test.read("copy.txt"), "two");
    // Made anew and the same: who uses it has nothing to do.
    let rebuilt = test.run(&["apply", "-var", "text=two", "-replace=build.file.base"]);
    well(&rebuilt);
    assert!(
        rebuilt.stdout.contains("==> file.copy: up to date"),
        "{}",
        rebuilt.text()
    );
}

/// Ten provisioners on a machine, each of which notes that it ran.
fn ten(sshd: &Sshd, ninth: &str) -> String {
    let steps: String = (1..=10)
        .map(|number| {
            let extra = if number == 9 { ninth } else { "true" };
            let log = sshd.home().join("log");
            format!(
                "  provisioner \"shell\" {{\n    inline = [\"echo {number} >> {}\", \"{extra}\"]\n  }}\n",
                log.display()
            )
        })
        .collect();
    format!(
        "source \"null\" \"machine\" {{\n  ssh_host = \"127.0.0.1\"\n  ssh_port = {}\n  ssh_username = \"{}\"\n  \
         ssh_private_key_file = \"{}\"\n  ssh_timeout = \"20s\"\n}}\nbuild {{\n  sources = [\"null.machine\"]\n{steps}}}\n",
        sshd.port(),
        sshd.user(),
        sshd.key().display(),
    )
}

fn log(sshd: &Sshd) -> String {
    let text = std::fs::read_to_string(sshd.home().join("log")).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn step_nine_of_ten_fails_on_a_machine_and_nine_and_ten_run() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new(&ten(&sshd, "exit 3"));
    let failed = test.run(&["apply"]);
    assert_eq!(failed.code, 1, "{}", failed.text());
    assert_eq!(log(&sshd), "1 2 3 4 5 6 7 8 9");
    test.write("main.pkr.hcl", ten(&sshd, "true"));
    let resumed = test.run(&["apply", "-resume"]);
    well(&resumed);
    assert_eq!(log(&sshd), "1 2 3 4 5 6 7 8 9 9 10");
    let again = test.run(&["apply", "--resume"]);
    assert_eq!(again.code, 3, "{}", again.text());
    assert!(again.stderr.contains("there is nothing to go on with"));
    well(&test.run(&["apply"]));
    assert_eq!(log(&sshd), "1 2 3 4 5 6 7 8 9 9 10");
}

/// A machine that gets `source`, after a script of this machine and before a line in the log.
fn sending(sshd: &Sshd, source: &str, script: &str) -> Test {
    Test::new(&format!(
        "source \"null\" \"machine\" {{\n  ssh_host = \"127.0.0.1\"\n  ssh_port = {}\n  ssh_username = \"{}\"\n  \
         ssh_private_key_file = \"{}\"\n  ssh_timeout = \"20s\"\n}}\nbuild {{\n  sources = [\"null.machine\"]\n  \
         provisioner \"shell-local\" {{\n    inline = [\"{script}\"]\n  }}\n  \
         provisioner \"file\" {{\n    source = \"{source}\"\n    destination = \"{home}/\"\n  }}\n  \
         provisioner \"shell\" {{\n    inline = [\"echo sent >> {home}/log\"]\n  }}\n}}\n",
        sshd.port(),
        sshd.user(),
        sshd.key().display(),
        home = sshd.home().display(),
    ))
}

#[test]
fn what_a_build_reads_while_it_sends_it_counts_like_any_input() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = sending(&sshd, "page", "true");
    test.write("page", "one\n");
    well(&test.run(&["build", "."]));
    well(&test.run(&["apply"]));
    assert_eq!(log(&sshd), "sent", "the build has read what it sent");
    test.write("page", "two\n");
    well(&test.run(&["apply"]));
    assert_eq!(log(&sshd), "sent sent");
    let page = std::fs::read_to_string(sshd.home().join("page")).unwrap();
    assert_eq!(page, "two\n");
}

#[test]
fn what_changes_while_a_build_runs_is_sent_again() {
    for (source, file) in [("page", "page"), ("site", "site/deep/page")] {
        let sshd = Sshd::start(Options::default()).unwrap();
        // What is sent is neither what was there before nor what is there in the end.
        let script = format!("sleep 0.3; echo other > {file}");
        let test = sending(&sshd, source, &script);
        test.write(file, "one\n");
        well(&test.run(&["build", "."]));
        for content in ["one\n", "other\n"] {
            test.write(file, content);
            let plan = test.run(&["plan", "-detailed-exitcode", "."]);
            assert_eq!(plan.code, 2, "{file}, {content}: {}", plan.text());
        }
        let page = std::fs::read_to_string(sshd.home().join(file)).unwrap();
        assert_eq!(page, "other\n", "{file}");
    }
}

#[test]
fn a_killed_run_is_gone_on_with() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new(&ten(&sshd, "sleep 600"));
    let mut child = test.spawn(&["apply"]);
    let begun = Instant::now();
    while !log(&sshd).ends_with('9') {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", log(&sshd));
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    test.write("main.pkr.hcl", ten(&sshd, "true"));
    well(&test.run(&["build", "-resume"]));
    assert_eq!(log(&sshd), "1 2 3 4 5 6 7 8 9 9 10");
}

#[test]
fn what_a_resumed_run_was_asked_for_stays() {
    let text = r#"
variable "token" {
  sensitive = true
}
variable "color" {
  default = "blue"
}
source "null" "base" {
  communicator = "none"
}
build {
  sources = ["source.null.base"]
  provisioner "shell-local" {
    inline = ["echo ${var.color} ${timestamp()} >> log.txt"]
  }
  provisioner "shell-local" {
    environment_vars = ["TOKEN=${var.token}"]
    inline           = ["test -e allowed"]
  }
}
"#;
    let test = Test::new(text);
    let first = test.run(&["apply", "-var", "token=s3cret-t0ken", "-var", "color=red"]);
    assert_eq!(first.code, 1, "{}", first.text());
    test.write("allowed", "");
    let missing = test.run(&["apply", "-resume"]);
    assert_eq!(missing.code, 2, "{}", missing.text());
    assert!(
        missing.stderr.contains("-var 'token=...'"),
        "{}",
        missing.text()
    );
    let other = test.run(&["apply", "-resume", "-var", "token=x", "-var", "color=green"]);
    assert_eq!(other.code, 2, "{}", other.text());
    assert!(
        other.stderr.contains("`-var color=…` cannot change"),
        "{}",
        other.text()
    );
    let well_done = test.run(&["apply", "-resume", "-var", "token=s3cret-t0ken"]);
    well(&well_done);
    assert_eq!(test.read("log.txt"), "red 2023-11-14T22:13:20Z\n");
}

#[test]
fn unknown_addresses_are_refused_with_what_was_meant() {
    let test = Test::new(NOTE);
    let printed = test.run(&["apply", "-replace=build.file.nite"]);
    assert_eq!(printed.code, 2, "{}", printed.text());
    assert!(
        printed.stderr.contains("did you mean `build.file.note`?"),
        "{}",
        printed.text()
    );
}

#[test]
fn the_page_shows_what_happens() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reuse.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page
        .split("```hcl\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    let test = Test::new(blocks[0]);
    well(&test.run(&["apply"]));
    let second = test.run(&["apply"]);
    assert!(
        second
            .stdout
            .contains("nothing changed: 1 build is up to date")
    );
    let explained = test.run(&["plan", "-explain", "-var", "greeting=bye"]);
    for line in reuse_of(&explained).lines() {
        assert!(page.contains(line.trim_end()), "{line}");
    }
    let uncached = Test::new(&blocks[1].replace("apt-get update", "echo ran >> ran.txt"));
    well(&uncached.run(&["apply"]));
    well(&uncached.run(&["apply"]));
    assert_eq!(ran(&uncached), 2);
}
