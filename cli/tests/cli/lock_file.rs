//! `imgc.lock` and the cache: what builds take from outside is pinned, refused when it has moved, and gone on with.

use std::path::Path;

use crate::harness::Test;

const TEMPLATE: &str = "source \"rootfs\" \"a\" {\n  from    = \"tar:base.tar\"\n  network = \"none\"\n}\n\
    build {\n  sources = [\"source.rootfs.a\"]\n  provisioner \"file\" {\n    content     = \"x\"\n    destination = \"/x\"\n  }\n}\n";

/// An archive with one file of this content.
fn archive(test: &Test, content: &str) {
    test.write("tree/file", content);
    let path = |name: &str| test.path(name).to_str().unwrap().to_owned();
    let status = std::process::Command::new("tar")
        .args(["-C", &path("tree"), "-cf", &path("base.tar"), "."])
        .status();
    assert!(status.unwrap().success());
}

fn parts(test: &Test) -> usize {
    let shelf = test.path(".imgc/cache/rootfs");
    let names = std::fs::read_dir(shelf).unwrap().flatten();
    names.filter(|entry| Path::is_dir(&entry.path())).count()
}

#[test]
fn what_moved_is_refused_when_locked_and_taken_by_update() {
    let test = Test::new("");
    test.write("t.pkr.hcl", TEMPLATE);
    archive(&test, "one");
    let refused = test.run(&["build", "-locked", "."]);
    assert_eq!(refused.code, 7, "{}", refused.text());
    assert!(refused.text().contains("(new)"), "{}", refused.text());
    assert!(!test.path("imgc.lock").exists());
    let built = test.run(&["build", "."]);
    assert_eq!(built.code, 0, "{}", built.text());
    let lock = test.read("imgc.lock");
    assert!(lock.contains("name = \"rootfs tar:base.tar "), "{lock}");
    let same = test.run(&["build", "-locked", "-force", "."]);
    assert_eq!(same.code, 0, "{}", same.text());
    assert_eq!(test.read("imgc.lock"), lock);
    archive(&test, "two");
    let refused = test.run(&["build", "-locked", "-force", "."]);
    assert_eq!(refused.code, 7, "{}", refused.text());
    assert!(
        refused.text().contains("run/lock-drift"),
        "{}",
        refused.text()
    );
    assert!(refused.text().contains(" -> "), "{}", refused.text());
    let updated = test.run(&["update"]);
    assert_eq!(updated.code, 0, "{}", updated.text());
    assert!(updated.stdout.contains(" -> "), "{}", updated.text());
    assert_ne!(test.read("imgc.lock"), lock);
    let nothing = test.run(&["update"]);
    assert!(
        nothing.stdout.contains("Nothing has moved."),
        "{}",
        nothing.text()
    );
}

/// A base, a build of it, and one of what that makes, named in two ways.
fn chained(from: &str) -> String {
    format!(
        "source \"rootfs\" \"a\" {{\n  from    = \"tar:base.tar\"\n  network = \"none\"\n  formats = [\"tar.zst\"]\n}}\n\
         source \"rootfs\" \"b\" {{\n  from    = {from}\n  network = \"none\"\n}}\n\
         build {{\n  name    = \"parent\"\n  sources = [\"source.rootfs.a\"]\n  provisioner \"file\" {{\n    \
         content     = \"x\"\n    destination = \"/x\"\n  }}\n}}\n\
         build {{\n  name    = \"child\"\n  sources = [\"source.rootfs.b\"]\n}}\n"
    )
}

#[test]
fn what_another_build_makes_is_no_pin_and_its_digest_an_input() {
    for from in [
        "build.parent.artifact.files[0]",
        "\"tar:${build.parent.artifact.files[0]}\"",
    ] {
        let test = Test::new("");
        test.write("t.pkr.hcl", chained(from));
        archive(&test, "one");
        let built = test.run(&["apply", "."]);
        assert_eq!(built.code, 0, "{from}: {}", built.text());
        let lock = test.read("imgc.lock");
        assert_eq!(lock.matches("[[pin]]").count(), 1, "{from}: {lock}");
        assert!(lock.contains("name = \"rootfs tar:base.tar "), "{lock}");
        let planned = test.run(&["plan", "-detailed-exitcode", "-locked"]);
        assert_eq!(planned.code, 0, "{from}: {}", planned.text());
        let again = test.run(&["apply", "-locked", "."]);
        assert_eq!(again.code, 0, "{from}: {}", again.text());
        assert!(
            again
                .stdout
                .contains("nothing changed: 2 builds are up to date"),
            "{from}: {}",
            again.text()
        );
        let updated = test.run(&["update"]);
        assert!(
            updated.stdout.contains("Nothing has moved."),
            "{from}: {}",
            updated.text()
        );
        let rebuilt = test.run(&["apply", "-locked", "-rebuild", "-auto-approve", "."]);
        assert_eq!(rebuilt.code, 0, "{from}: {}", rebuilt.text());
        assert_eq!(test.read("imgc.lock"), lock, "{from}");
        // The child follows its parent.
        archive(&test, "two");
        let moved = test.run(&["apply", "."]);
        assert_eq!(moved.code, 0, "{from}: {}", moved.text());
        assert!(
            !moved.stdout.contains("up to date"),
            "{from}: {}",
            moved.text()
        );
    }
}

#[test]
fn a_lock_file_of_a_newer_version_is_not_called_damaged() {
    let test = Test::new("");
    test.write("t.pkr.hcl", TEMPLATE);
    archive(&test, "one");
    test.write("imgc.lock", "version = 9\n\n[[snapshot]]\nname = \"x\"\n");
    for arguments in [&["build", "."][..], &["plan"], &["update"]] {
        let refused = test.run(arguments);
        assert_eq!(refused.code, 3, "{}", refused.text());
        let said = "was written by a newer imgc: it is of version 9, and this one reads version 1";
        assert!(refused.stderr.contains(said), "{}", refused.text());
        assert!(!refused.stderr.contains("damaged"), "{}", refused.text());
        assert!(!refused.stderr.contains("remove"), "{}", refused.text());
    }
    assert!(test.read("imgc.lock").starts_with("version = 9"));
}

#[test]
fn the_cache_is_listed_limited_and_emptied() {
    let test = Test::new("");
    test.write("t.pkr.hcl", TEMPLATE);
    archive(&test, "one");
    let empty = test.run(&["cache", "ls"]);
    assert!(empty.stdout.contains("nothing is kept"), "{}", empty.text());
    let built = test.run(&["build", "."]);
    assert_eq!(built.code, 0, "{}", built.text());
    assert_eq!(parts(&test), 2, "the base and the one step");
    let listed = test.run(&["cache", "ls"]);
    assert!(
        listed.stdout.contains("build.rootfs.a.launch"),
        "{}",
        listed.text()
    );
    let dry = test.run(&["cache", "prune", "-all", "-dry-run"]);
    assert!(
        dry.stdout.contains("would be removed, 0 bytes kept"),
        "{}",
        dry.text()
    );
    assert_eq!(parts(&test), 2);
    let kept = test.run(&["cache", "prune", "-keep-size", "1G", "-older-than", "1d"]);
    assert!(
        kept.stdout.starts_with("0 bytes removed"),
        "{}",
        kept.text()
    );
    let pruned = test.run(&["cache", "prune", "-all"]);
    assert_eq!(pruned.code, 0, "{}", pruned.text());
    assert_eq!(parts(&test), 0);
    let wrong = test.run(&["cache", "prune", "-keep-size", "much"]);
    assert_eq!(wrong.code, 2, "{}", wrong.text());
}
