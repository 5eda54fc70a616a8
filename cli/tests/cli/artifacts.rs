//! Builds that use each other's artifacts.

use crate::harness::Test;

/// Written with the user first, so that order is the plan's doing.
const CHAIN: &str = r#"
source "file" "copy" {
  source = build.base.artifact.files[0]
  target = "out/copy.txt"
}
build {
  name    = "copy"
  sources = ["source.file.copy"]
  provisioner "shell-local" {
    inline = ["echo made from ${build.base.artifact.files[0]} of ${build.base.artifact.builder_id}"]
  }
}
source "file" "note" {
  content = "hello\n"
  target  = "out/note.txt"
}
build {
  name    = "base"
  sources = ["source.file.note"]
  provisioner "shell-local" {
    inline = ["echo more >> out/note.txt"]
  }
}
source "null" "last" {
  communicator = "none"
}
build {
  name    = "last"
  sources = ["source.null.last"]
  provisioner "shell-local" {
    inline = ["echo last sees ${build.copy.artifact.files[0]}: $(wc -l < ${build.copy.artifact.files[0]})"]
  }
}
"#;

#[test]
fn a_build_uses_what_another_has_made() {
    for parallel in [
        "-parallel-builds=0",
        "-parallel-builds=1",
        "-parallel-builds=2",
    ] {
        let test = Test::new(CHAIN);
        let printed = test.run(&["build", parallel, "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
        assert_eq!(test.read("out/copy.txt"), "hello\nmore\n");
        assert!(
            printed
                .stdout
                .contains("made from out/note.txt of packer.file"),
            "{}",
            printed.stdout
        );
        assert!(
            printed.stdout.contains("last sees out/copy.txt: 2"),
            "{}",
            printed.stdout
        );
    }
}

#[test]
fn only_brings_in_what_is_needed() {
    let test = Test::new(CHAIN);
    let printed = test.run(&["plan", "-only=copy.*", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed
            .stdout
            .contains("build.base.file.note  builder file, communicator none\n  needed by build.copy.file.copy\n"),
        "{}",
        printed.stdout
    );
    assert!(!printed.stdout.contains("build.last"), "{}", printed.stdout);
    let printed = test.run(&["build", "-only=copy.*", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(test.read("out/copy.txt"), "hello\nmore\n");
}

#[test]
fn what_needs_a_failed_build_is_not_run() {
    let broken = CHAIN.replace("echo more >> out/note.txt", "exit 3");
    let test = Test::new(&broken);
    let printed = test.run(&["build", "-parallel-builds=1", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert!(
        printed
            .text()
            .contains("this needs the artifact of `build.base.file.note`, which failed"),
        "{}",
        printed.text()
    );
    assert!(
        printed
            .text()
            .contains("this needs the artifact of `build.copy.file.copy`, which failed"),
        "{}",
        printed.text()
    );
    assert!(!test.path("out/copy.txt").exists());
}

#[test]
fn whoever_has_its_turn_never_waits_for_one_that_has_not() {
    // `user` needs `middle` late only, and `middle` needs `slow` at once: with one turn at a time `user` must not come
    // between them.
    let test = Test::new(
        r#"
source "null" "n" {
  communicator = "none"
}
source "file" "middle" {
  content = build.slow.artifact.builder_id
  target  = "middle.txt"
}
build {
  name    = "user"
  sources = ["source.null.n"]
  provisioner "shell-local" {
    inline = ["cat ${build.middle.artifact.files[0]}"]
  }
}
build {
  name    = "middle"
  sources = ["source.file.middle"]
}
build {
  name    = "slow"
  sources = ["source.null.n"]
  provisioner "shell-local" {
    inline = ["sleep 0.2"]
  }
}
"#,
    );
    let printed = test.run(&["build", "-parallel-builds=1", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
}
