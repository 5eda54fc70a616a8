//! The quickstart: a real Debian image, taken apart with other people's tools.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::Test;
use crate::machines::copy_example;

/// Runs a tool that must be there; its standard output.
fn tool(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program} (Debian package {package}): {error}"));
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Mounts below `directory`, in this process's view.
pub(crate) fn mounts(directory: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap();
    table
        .lines()
        .filter(|line| line.contains(text(directory)))
        .map(str::to_owned)
        .collect()
}

/// Processes that mention `directory` on their command line.
pub(crate) fn processes(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        if let Ok(line) = std::fs::read(entry.path().join("cmdline")) {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(text(directory)) {
                found.push(line);
            }
        }
    }
    found
}

#[test]
fn the_quickstart_makes_an_image_with_what_was_put_into_it() {
    let test = Test::new("");
    copy_example("quickstart", &test);
    let plan = test.run(&["plan", "example"]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    assert!(
        plan.stdout.contains("Plan: 1 build, 9 steps"),
        "{}",
        plan.text()
    );

    let printed = test.run(&["apply", "-var", "title=Made for a test", "example"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("--> web.rootfs.debian: "),
        "{}",
        printed.text()
    );

    // The OCI layout, as skopeo and umoci see it.
    let layout = test.path("output-debian/debian.oci");
    let image = format!("oci:{}:latest", text(&layout));
    let config = tool("skopeo", "skopeo", &["inspect", "--config", &image]);
    assert!(
        config.contains("/usr/sbin/nginx") && config.contains("80/tcp"),
        "{config}"
    );
    let bundle = test.path("bundle");
    let reference = format!("{}:latest", text(&layout));
    tool(
        "umoci",
        "umoci",
        &["unpack", "--image", &reference, text(&bundle)],
    );
    let page = std::fs::read_to_string(bundle.join("rootfs/var/www/html/index.html")).unwrap();
    assert!(page.contains("<h1>Made for a test</h1>"), "{page}");
    assert!(bundle.join("rootfs/usr/sbin/nginx").exists());
    assert!(
        !bundle.join("rootfs/usr/sbin/policy-rc.d").exists(),
        "a helper of the build is in the image"
    );

    // The disk: sound, and with the same page in it.
    let disk = test.path("output-debian/debian.qcow2");
    tool("qemu-utils", "qemu-img", &["check", text(&disk)]);
    let raw = test.path("disk.raw");
    tool(
        "qemu-utils",
        "qemu-img",
        &["convert", "-O", "raw", text(&disk), text(&raw)],
    );
    tool("e2fsprogs", "/usr/sbin/e2fsck", &["-fn", text(&raw)]);
    let there = tool(
        "e2fsprogs",
        "/usr/sbin/debugfs",
        &["-R", "cat /var/www/html/index.html", text(&raw)],
    );
    assert_eq!(there, page);

    let manifest: serde_json::Value =
        serde_json::from_str(&test.read("output-debian/manifest.json")).unwrap();
    assert_eq!(manifest["builds"][0]["builder_type"], "rootfs");
    assert_eq!(mounts(&test.path(".")), Vec::<String>::new());
}

#[test]
fn ctrl_c_in_the_middle_of_an_image_leaves_nothing() {
    let test = Test::new(
        r#"
source "rootfs" "small" {
  from = "dir:base"
}
build {
  sources = ["rootfs.small"]
  provisioner "shell" {
    inline = ["echo at work", "sleep 300"]
  }
}
"#,
    );
    // A shell is all this root file system needs.
    for program in ["sh", "sleep", "chmod", "rm", "mkdir", "cat"] {
        static_copy(program, &test.path("base"));
    }
    let mut child = test.spawn(&["build", "."]);
    let seen = crate::signals::read_until(&mut child, "at work");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let printed = test.finish(child);
    assert_eq!(printed.code, 130, "{seen}{}", printed.text());
    assert_eq!(mounts(&test.path(".")), Vec::<String>::new());
    assert_eq!(processes(&test.path(".")), Vec::<String>::new());
    let mut left: Vec<String> = std::fs::read_dir(test.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    // What was found outside is pinned before anything runs.
    assert_eq!(
        left,
        [".imgc", "base", "imgc.lock", "main.pkr.hcl"],
        "{}",
        printed.text()
    );
}

#[test]
fn on_error_abort_leaves_what_it_says_it_left() {
    let test = Test::new(
        r#"
source "rootfs" "small" {
  from = "dir:base"
}
build {
  sources = ["rootfs.small"]
  provisioner "shell" {
    inline = ["echo half > /half", "exit 7"]
  }
}
"#,
    );
    for program in ["sh", "chmod", "rm", "mkdir", "cat"] {
        static_copy(program, &test.path("base"));
    }
    let printed = test.run(&["build", "-on-error=abort", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    let all = printed.text();
    let left = all
        .split_whitespace()
        .find(|word| word.starts_with("$TEST") && word.contains("/rootfs-"))
        .unwrap_or_else(|| panic!("nothing is said to be left: {all}"));
    let left = test.path(
        left.trim_start_matches("$TEST/")
            .trim_end_matches([',', '.', ';']),
    );
    // Links in it lead to its layers.
    let found = tool("findutils", "find", &["-L", text(&left), "-name", "half"]);
    assert!(
        !found.is_empty(),
        "{} does not hold what the step wrote",
        left.display()
    );
    assert_eq!(processes(&test.path(".")), Vec::<String>::new());
    // Neither other runs nor making room touch it; collecting garbage removes it.
    assert_eq!(test.run(&["cache", "prune", "-all"]).code, 0);
    assert_eq!(test.run(&["build", "."]).code, 1);
    assert!(left.exists(), "{}", left.display());
    let collected = test.run(&["gc"]);
    assert_eq!(collected.code, 0, "{}", collected.text());
    assert!(!left.exists(), "{}", collected.text());
}

/// Copies a program of this machine with the libraries it is linked to.
pub(crate) fn static_copy(program: &str, root: &Path) {
    let path = tool("debianutils", "which", &[program]);
    let path = path.trim();
    let libraries = tool("libc-bin", "ldd", &[path]);
    let files = libraries
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .chain([path]);
    for file in files {
        let target = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        if !target.exists() {
            std::fs::copy(file, &target).unwrap();
        }
    }
    for directory in ["tmp", "proc", "sys", "dev", "etc", "run", "root"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    // Where the machine's own `/bin` is a link to `/usr/bin`, both names are used.
    let plain = root.join("bin").join(program);
    if !plain.exists() {
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::copy(path, plain).unwrap();
    }
}

#[test]
fn archives_and_checksums_agree_with_other_tools() {
    let test = Test::new(
        r#"
source "file" "note" {
  content = "a note\n"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
  post-processor "checksum" {
    checksum_types = ["sha256", "sha512", "md5"]
    output         = "note.{{.ChecksumType}}"
  }
  post-processor "compress" {
    output              = "note.tar.gz"
    keep_input_artifact = true
  }
  post-processor "compress" {
    output              = "note.tar.zst"
    keep_input_artifact = true
  }
}
"#,
    );
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let note = test.path("note.txt");
    for kind in ["sha256", "sha512", "md5"] {
        let theirs = tool("coreutils", &format!("{kind}sum"), &[text(&note)]);
        let ours = test.read(&format!("note.{kind}"));
        assert_eq!(ours.split('\t').next(), theirs.split(' ').next(), "{kind}");
    }
    for (name, flag) in [("note.tar.gz", "--gzip"), ("note.tar.zst", "--zstd")] {
        let archive = test.path(name);
        let there = tool(
            "tar",
            "tar",
            &[flag, "--to-stdout", "-xf", text(&archive), "note.txt"],
        );
        assert_eq!(there, "a note\n", "{name}");
    }
}

#[test]
fn a_manifest_among_the_outputs_does_not_make_them_somebody_elses() {
    let template = |text: &str| {
        format!(
            r#"
source "rootfs" "small" {{
  from             = "dir:base"
  output_directory = "out"
}}
build {{
  sources = ["rootfs.small"]
  provisioner "shell" {{
    inline = ["echo {text} > /text"]
  }}
  post-processor "manifest" {{
    output = "out/manifest.json"
  }}
}}
"#
        )
    };
    let test = Test::new(&template("one"));
    for program in ["sh", "chmod", "rm", "mkdir", "cat"] {
        static_copy(program, &test.path("base"));
    }
    let apply = || test.run(&["apply", "."]);
    let first = apply();
    assert_eq!(first.code, 0, "{}", first.text());
    // Another text, another image in the place of the old one, and nobody is asked.
    test.write("main.pkr.hcl", template("two"));
    let second = apply();
    assert_eq!(second.code, 0, "{}", second.text());
    assert!(test.path("out/manifest.json").exists());
    // What somebody else has put there is not deleted.
    test.write("out/notes.txt", "mine");
    test.write("main.pkr.hcl", template("three"));
    let third = apply();
    assert_ne!(third.code, 0, "{}", third.text());
    assert_eq!(test.read("out/notes.txt"), "mine");
}
