//! Disks that are full or read-only: real ones, in a mount namespace of the test.

use crate::faults::left;
use crate::harness::Test;
use crate::images::static_copy;
use crate::namespaces::run;
use crate::state::nothing_more;

const NOTE: &str = r#"
source "file" "note" {
  content = "made\n"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
}
"#;

/// A root file system with a shell, and a file in it that does not get smaller.
fn image() -> Test {
    let test = Test::new(
        r#"
source "rootfs" "small" {
  from             = "dir:base"
  output_directory = "out/image"
}
build {
  sources = ["rootfs.small"]
  provisioner "shell" {
    inline = ["echo one > /one"]
  }
}
"#,
    );
    for program in ["sh", "chmod", "rm", "mkdir", "cat"] {
        static_copy(program, &test.path("base"));
    }
    imgc_testbed::tree::write_file(&test.path("base/large"), 3 << 20).unwrap();
    test
}

#[test]
fn as_root_a_full_disk_below_the_state_is_said_and_nothing_is_left() {
    imgc_testbed::require_root();
    let mut refused = 0;
    for kilobytes in [4, 32, 64, 96, 128, 192, 256, 512, 4096] {
        let test = Test::new(NOTE);
        std::fs::create_dir(test.path(".imgc")).unwrap();
        let disk = format!("mount -t tmpfs -o size={kilobytes}k tmpfs .imgc");
        let printed = run(&test, &disk, &["build", "."]);
        let text = printed.text();
        match printed.code {
            0 => assert_eq!(test.read("note.txt"), "made\n", "{kilobytes}: {text}"),
            4 => {
                refused += 1;
                assert!(
                    text.contains("the disk is full") || text.contains("no storage space"),
                    "{kilobytes}: {text}"
                );
            }
            other => panic!("{kilobytes}: exit code {other}: {text}"),
        }
        assert_eq!(left(&test), Vec::<String>::new(), "{kilobytes}: {text}");
        nothing_more(&test, &text);
        let printed = test.run(&["build", "-force", "."]);
        assert_eq!(printed.code, 0, "{kilobytes}: {}", printed.text());
    }
    assert!(refused > 2, "{refused} disks were too small");
}

#[test]
fn as_root_a_full_disk_below_the_image_leaves_no_part_of_one() {
    imgc_testbed::require_root();
    let test = image();
    std::fs::create_dir(test.path("out")).unwrap();
    // What is in the place afterwards is told by the namespace itself, which takes the disk along.
    let disk = "mount -t tmpfs -o size=1m tmpfs out
        set -- sh -c '\"$@\"; code=$?; ls -A out > left; exit $code' sh \"$@\"";
    let printed = run(&test, disk, &["build", "."]);
    let text = printed.text();
    assert_eq!(printed.code, 4, "{text}");
    assert!(text.to_lowercase().contains("no space left"), "{text}");
    assert_eq!(test.read("left"), "", "{text}");
    assert_eq!(left(&test), Vec::<String>::new(), "{text}");
    nothing_more(&test, &text);
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
}

#[test]
fn as_root_a_full_disk_below_the_layers_leaves_nothing() {
    imgc_testbed::require_root();
    let test = image().env("IMGC_STATE", "state");
    std::fs::create_dir(test.path("state")).unwrap();
    // The cache, where layers are made, is full; the database has a disk of its own.
    let disk = "mkdir state/cache; mount -t tmpfs -o size=2m tmpfs state/cache";
    let printed = run(&test, disk, &["build", "."]);
    let text = printed.text();
    // The script's own words, or ours: whoever writes first when there is no room left.
    assert!([1, 4].contains(&printed.code), "{text}");
    assert!(
        text.contains("I/O error") || text.to_lowercase().contains("no space left"),
        "{text}"
    );
    assert!(!test.path("out/image").exists(), "{text}");
    assert_eq!(left(&test), Vec::<String>::new(), "{text}");
    nothing_more(&test, &text);
    let printed = test.run(&["build", "-force", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
}

#[test]
fn as_root_a_state_that_is_read_only_is_refused_before_anything_is_made() {
    imgc_testbed::require_root();
    let test = Test::new(NOTE);
    assert_eq!(test.run(&["build", "."]).code, 0);
    std::fs::remove_file(test.path("note.txt")).unwrap();
    let read_only = "mount --bind .imgc .imgc; mount -o remount,bind,ro .imgc";
    let printed = run(&test, read_only, &["build", "."]);
    assert_eq!(printed.code, 4, "{}", printed.text());
    assert!(
        printed.stderr.contains("run/state") && printed.stderr.contains("read-only"),
        "{}",
        printed.text()
    );
    assert!(!test.path("note.txt").exists());
    // Looking needs no writing.
    let history = run(&test, read_only, &["history"]);
    assert_eq!(history.code, 0, "{}", history.text());
    assert!(
        history.stdout.contains("  succeeded  "),
        "{}",
        history.text()
    );
    assert_eq!(left(&test), Vec::<String>::new());
    nothing_more(&test, "");
}

#[test]
fn as_root_a_project_that_is_read_only_has_its_state_with_the_user() {
    imgc_testbed::require_root();
    let test = Test::new("").env("XDG_STATE_HOME", "elsewhere");
    test.write("project/main.pkr.hcl", NOTE);
    let elsewhere = test.path("elsewhere").display().to_string();
    let test = test.env("XDG_STATE_HOME", &elsewhere);
    let read_only = "mount --bind project project; mount -o remount,bind,ro project";
    let printed = run(&test, read_only, &["build", "project"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(printed.stderr.contains("elsewhere"), "{}", printed.text());
    assert_eq!(test.read("note.txt"), "made\n");
    assert!(!test.path("project/.imgc").exists());
}
