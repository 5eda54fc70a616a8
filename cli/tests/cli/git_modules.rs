//! Modules of git repositories: fetching, locking, refusing what is not locked. The repository is a directory here.

use std::process::Command;

use crate::harness::Test;

const MODULE: &str = r#"
variable "text" {
  type = string
}
source "file" "note" {
  content = "first ${var.text}\n"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
}
output "file" {
  value = build.file.note.artifact.files[0]
}
"#;

fn git(test: &Test, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(test.path("repository"))
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com"])
        .args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A template with a module in a repository, at a branch.
fn test() -> Test {
    let test = Test::new("");
    test.write("repository/base/base.pkr.hcl", MODULE);
    git(&test, &["init", "--quiet"]);
    commit(&test);
    let url = test.path("repository").canonicalize().unwrap();
    test.write(
        "template/main.pkr.hcl",
        format!(
            "module \"base\" {{\n  source = \"git::{}//base?ref=main\"\n  text   = \"x\"\n}}\noutput \"file\" {{\n  value = module.base.file\n}}\n",
            url.display()
        ),
    );
    test
}

fn commit(test: &Test) -> String {
    git(test, &["add", "."]);
    git(test, &["commit", "--quiet", "-m", "change"]);
    git(test, &["rev-parse", "HEAD"])
}

#[test]
fn modules_are_fetched_and_locked() {
    let test = test();
    let printed = test.run(&["validate", "template"]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    assert!(
        printed.text().contains("run `imgc init`"),
        "{}",
        printed.text()
    );
    let first = git(&test, &["rev-parse", "HEAD"]);
    let printed = test.run(&["init", "template"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.starts_with("Fetched git::") && printed.stdout.contains(&first[..12]),
        "{}",
        printed.text()
    );
    let lock = test.read("template/imgc.lock");
    assert!(lock.contains(&format!("commit = \"{first}\"")), "{lock}");
    let printed = test.run(&["build", "template"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(test.read("note.txt"), "first x\n");
    assert_eq!(
        test.run(&["output", "-raw", "-template=template", "file"])
            .stdout,
        "note.txt"
    );

    // The branch moves: what is locked stays.
    test.write(
        "repository/base/base.pkr.hcl",
        MODULE.replace("first", "second"),
    );
    let second = commit(&test);
    let printed = test.run(&["init", "template"]);
    assert!(printed.stdout.contains("is here at"), "{}", printed.text());
    assert_eq!(test.read("template/imgc.lock"), lock);
    let printed = test.run(&["init", "-upgrade", "template"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let upgraded = test.read("template/imgc.lock");
    assert!(
        upgraded.contains(&second) && !upgraded.contains(&first),
        "{upgraded}"
    );
    assert_eq!(test.run(&["build", "template"]).code, 0);
    assert_eq!(test.read("note.txt"), "second x\n");

    // Another machine has the lock file only, and gets what it names.
    test.write("template/imgc.lock", &lock);
    std::fs::remove_dir_all(test.path("template/.imgc")).unwrap();
    let printed = test.run(&["plan", "template"]);
    assert!(
        printed.text().contains("which is not here"),
        "{}",
        printed.text()
    );
    assert_eq!(test.run(&["init", "template"]).code, 0);
    assert_eq!(test.read("template/imgc.lock"), lock);
    assert_eq!(test.run(&["build", "template"]).code, 0);
    assert_eq!(test.read("note.txt"), "first x\n");
}

#[test]
fn what_is_not_the_locked_commit_is_refused() {
    let test = test();
    assert_eq!(test.run(&["init", "template"]).code, 0);
    let modules = test.path("template/.imgc/modules");
    let checkout = std::fs::read_dir(modules).unwrap().next().unwrap().unwrap();
    std::fs::write(checkout.path().join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    let printed = test.run(&["validate", "template"]);
    assert_eq!(printed.code, 3);
    assert!(
        printed.text().contains("is not the locked commit"),
        "{}",
        printed.text()
    );
}

#[test]
fn what_cannot_be_fetched_is_said() {
    let test = test();
    let template = test.read("template/main.pkr.hcl");
    test.write(
        "template/main.pkr.hcl",
        template.replace("ref=main", "ref=v9"),
    );
    let printed = test.run(&["init", "template"]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    assert!(printed.stderr.contains("has no `v9`"), "{}", printed.text());
    assert!(!test.path("template/imgc.lock").exists());
    test.write(
        "template/main.pkr.hcl",
        template.replace("repository//", "nowhere//"),
    );
    let printed = test.run(&["init", "template"]);
    assert_eq!(printed.code, 4, "{}", printed.text());
    assert!(
        printed.stderr.contains("cannot fetch"),
        "{}",
        printed.text()
    );
}
