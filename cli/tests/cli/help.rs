//! Help, versions, and the page made from the definitions.

use crate::harness::Test;

/// Set to rewrite the page instead of comparing it.
const UPDATE: &str = "IMGC_UPDATE_DOCS";

#[test]
fn the_reference_page_is_current() {
    let page = Test::new("").run(&["__cli-reference"]);
    assert_eq!(page.code, 0, "{}", page.text());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &page.stdout).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page.stdout,
        "docs/cli.md is not what the program says: run the tests with {UPDATE}=1"
    );
}

#[test]
fn exit_codes() {
    insta::assert_snapshot!(Test::new("").run(&["help", "exit-codes"]).stdout, @"
    Exit codes, by cause:

        0  all went well
        1  a build failed in what it runs (a script, a command), or several failed from different causes
        2  the command line is not understood: unknown command or flag, missing value; `plan -detailed-exitcode` found something to make
        3  the template has errors, or asks for something that cannot be; `fmt -check` found a file to format
        4  this machine: a missing file or program, a missing right, a full disk, something that could not be removed
        5  the other side: a host that does not answer, a key or password it refuses
        6  a step, a build or the run took longer than its time limit
        7  a plan file was refused: something it was made from has changed; with `-locked`, something outside is not as `imgc.lock` has it
        8  something would be deleted or replaced, and nobody agreed to it
        9  another process is making the same build, and `-lock-timeout` has passed
       70  a mistake in imgc; please report it
      129  stopped by a terminal that was closed (SIGHUP)
      130  stopped by Ctrl-C (SIGINT)
      143  stopped by SIGTERM
    ");
}

#[test]
fn help_in_every_spelling() {
    let test = Test::new("");
    let plain = test.run(&["help"]).stdout;
    assert!(
        plain.contains("plan") && plain.contains("exit-codes"),
        "{plain}"
    );
    for arguments in [&["-help"][..], &["--help"], &["-h"]] {
        assert_eq!(test.run(arguments).code, 0);
    }
    let build = test.run(&["build", "-h"]);
    assert!(build.stdout.contains("--on-error"), "{}", build.text());
    assert_eq!(test.run(&["help", "build"]).code, 0);
    assert_eq!(test.run(&["help", "bulid"]).code, 2);
    assert_eq!(test.run(&["-v"]).stdout, test.run(&["version"]).stdout);
}

#[test]
fn a_completion_script_names_the_commands() {
    let script = Test::new("").run(&["completions", "bash"]);
    assert!(script.stdout.contains("validate"), "{}", script.text());
}

#[test]
fn every_problem_can_be_explained() {
    let test = Test::new("");
    let list = test.run(&["explain"]).stdout;
    assert!(
        list.lines().filter(|line| line.contains('/')).count() > 50,
        "{list}"
    );
    let first = list.split_whitespace().next().unwrap();
    let page = test.run(&["explain", first]);
    assert!(
        page.code == 0 && page.stdout.contains(first),
        "{}",
        page.text()
    );
}
