//! `plan -out` and `apply FILE`.

use crate::harness::Test;

const TEMPLATE: &str = r#"
variable "name" {
  type    = string
  default = "web"
}
variable "password" {
  type      = string
  sensitive = true
  default   = "none-given"
}
source "file" "note" {
  content = "${var.name} ${var.password} ${uuidv4()}\n"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
  provisioner "shell-local" {
    script = "setup.sh"
  }
}
//- setup.sh
echo set up
"#;

fn planned(arguments: &[&str]) -> Test {
    let test = Test::new(TEMPLATE);
    let line: Vec<&str> = ["plan", "-out", "web.plan"]
        .iter()
        .chain(arguments)
        .copied()
        .collect();
    let printed = test.run(&line);
    assert_eq!(printed.code, 0, "{}", printed.text());
    test
}

#[test]
fn what_was_planned_is_what_runs() {
    let test = planned(&["-var", "name=db"]);
    let applied = test
        .command(&["apply", "web.plan"])
        .env("IMGC_INTERNAL_CLOCK", "1800000000,other")
        .spawn();
    let applied = test.finish(applied.unwrap());
    assert_eq!(applied.code, 0, "{}", applied.text());
    let first = test.read("note.txt");
    assert!(first.starts_with("db none-given "), "{first}");
    let again = test
        .command(&["apply", "-auto-approve", "web.plan"])
        .env("IMGC_INTERNAL_CLOCK", "5,third")
        .spawn();
    assert_eq!(test.finish(again.unwrap()).code, 0);
    assert_eq!(
        test.read("note.txt"),
        first,
        "random numbers follow from the plan"
    );
}

#[test]
fn a_changed_template_is_refused() {
    let test = planned(&[]);
    let text = test.read("main.pkr.hcl");
    test.write("main.pkr.hcl", text.replace("\"web\"", "\"mail\""));
    let printed = test.run(&["apply", "web.plan"]);
    assert_eq!(printed.code, 7);
    let reasons: Vec<&str> = printed
        .stderr
        .lines()
        .map(|line| line.split(" (was").next().unwrap())
        .collect();
    insta::assert_snapshot!(reasons.join("\n"), @r#"
    error: the plan file is refused, since what it was made from has changed
      file `main.pkr.hcl` has changed
      variable `name` was "web", is "mail"
      help: look at the new plan with `imgc plan`, and write it with `-out FILE`
    "#);
    assert!(!test.path("note.txt").exists());
}

#[test]
fn a_changed_script_is_refused() {
    let test = planned(&[]);
    test.write("setup.sh", "echo something else\n");
    let printed = test.run(&["apply", "web.plan"]);
    assert_eq!(printed.code, 7);
    assert!(
        printed.stderr.contains("setup.sh` has changed (was "),
        "{}",
        printed.text()
    );
}

#[test]
fn secrets_are_asked_for_again_and_must_be_the_same() {
    let test = planned(&["-var", "password=hunter2-horse"]);
    assert!(!test.read("web.plan").contains("hunter2-horse"));
    insta::assert_snapshot!(test.run(&["apply", "web.plan"]).text(), @"
    [stderr]
    error: this plan was made with secret values, which a plan file does not hold
      help: give them again: -var 'password=...'
    [exit 2]
    ");
    let other = test.run(&["apply", "web.plan", "-var", "password=hunter3-horse"]);
    assert_eq!(other.code, 7);
    assert!(
        other
            .stderr
            .contains("secret variable `password` has changed"),
        "{}",
        other.text()
    );
    let same = test.run(&["apply", "web.plan", "-var", "password=hunter2-horse"]);
    assert_eq!(same.code, 0, "{}", same.text());
    assert!(test.read("note.txt").starts_with("web hunter2-horse "));
}

#[test]
fn an_environment_variable_that_changed_is_named() {
    let test = Test::new(TEMPLATE).env("PKR_VAR_name", "one");
    assert_eq!(test.run(&["plan", "-out=web.plan"]).code, 0);
    let applied = test
        .command(&["apply", "web.plan"])
        .env("PKR_VAR_name", "two")
        .spawn()
        .unwrap();
    let applied = test.finish(applied);
    assert_eq!(applied.code, 7);
    assert!(
        applied
            .stderr
            .contains("variable `name` was \"one\", is \"two\""),
        "{}",
        applied.text()
    );
}

#[test]
fn nothing_else_changes_what_a_plan_file_says() {
    let test = planned(&[]);
    let printed = test.run(&["apply", "-only=x", "web.plan"]);
    insta::assert_snapshot!(printed.text(), @"
    [stderr]
    error: `-only`, `-except` and `-var-file` cannot change what a plan file says
      help: make a new plan with `imgc plan -out FILE`
    [exit 2]
    ");
}

#[test]
fn a_plan_is_written_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let test = planned(&[]);
    let mode = std::fs::metadata(test.path("web.plan"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_variable_set_in_the_environment_since_is_called_that() {
    let template = "variable \"v\" { default = \"one\" }\nsource \"null\" \"a\" { communicator = \"none\" }\n\
                    build { sources = [\"null.a\"] }\n";
    let test = Test::new(template);
    assert_eq!(test.run(&["plan", "-out", "x.plan", "."]).code, 0);
    let test = test.env("PKR_VAR_v", "two");
    let printed = test.run(&["apply", "x.plan"]);
    assert_eq!(printed.code, 7, "{}", printed.text());
    assert!(
        printed
            .stderr
            .contains("\n  environment variable `PKR_VAR_v` is new\n"),
        "{}",
        printed.stderr
    );
}
