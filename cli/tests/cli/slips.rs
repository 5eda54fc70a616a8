//! What is easily typed or set up wrongly, and the way out that is said.

use std::process::Stdio;

use crate::harness::Test;

const TEMPLATE: &str = r#"
source "null" "x" {
  communicator = "none"
}
build {
  sources = ["null.x"]
}
"#;

#[test]
fn a_plan_file_where_a_template_belongs() {
    let test = Test::new(TEMPLATE);
    assert_eq!(test.run(&["plan", "-out=p.plan", "."]).code, 0);
    insta::assert_snapshot!(test.run(&["build", "p.plan"]).text(), @"
    [stderr]
    error: `p.plan` is a plan file, and `imgc build` takes templates
      help: run it with `imgc apply p.plan`
    [exit 2]
    ");
    for command in ["plan", "validate", "inspect", "graph"] {
        let printed = test.run(&[command, "p.plan"]);
        assert_eq!(printed.code, 2, "{}", printed.text());
        assert!(
            printed.stderr.contains("imgc apply p.plan"),
            "{}",
            printed.text()
        );
    }
}

#[test]
fn a_plan_run_in_another_directory() {
    let test = Test::new(TEMPLATE);
    assert_eq!(test.run(&["plan", "-out=p.plan", "."]).code, 0);
    test.write("elsewhere/readme", "");
    let mut command = test.command(&["apply"]);
    command
        .arg(test.path("p.plan"))
        .current_dir(test.path("elsewhere"));
    insta::assert_snapshot!(test.finish(command.spawn().unwrap()).text(), @"
    [stderr]
    error: the template that the plan was made from is not here: .: there is no template in this directory
      help: run it in the directory where it was made, perhaps: cd $TEST && imgc apply $TEST/p.plan
    [exit 7]
    ");
}

#[test]
fn a_log_that_cannot_be_written_is_no_success() {
    let test = Test::new(TEMPLATE);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = test.command(&["build", "."]);
    let child = command.stdout(Stdio::from(full)).spawn().unwrap();
    insta::assert_snapshot!(test.finish(child).text(), @"
    [stderr]
    error: cannot write to standard output: the disk is full
      help: the run went on without it; its log files have every line
    [exit 4]
    ");
}

#[test]
fn a_template_without_builds_says_that_there_is_nothing_to_make() {
    let test = Test::new("locals {\n  a = 1\n}\n");
    for command in ["plan", "apply", "build"] {
        let printed = test.run(&[command, "."]);
        assert_eq!(printed.code, 0);
        assert!(printed.stderr.contains("no builds"), "{}", printed.text());
    }
    assert_eq!(Test::new(TEMPLATE).run(&["plan", "."]).stderr, "");
}
