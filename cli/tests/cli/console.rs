//! The console: expressions in, values out.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::{Printed, Test};

const TEMPLATE: &str = r#"
variable "name" {
  default = "web"
}
variable "password" {
  default   = "hush"
  sensitive = true
}
variable "unset" {
  type = string
}
locals {
  list   = [var.name, 1, true, null]
  object = { b = { c = [] }, a = "x\"y", d = {} }
  later  = "${var.unset}-1"
}
data "http" "page" {
  url = "https://example.org"
}
"#;

fn console(test: &Test, arguments: &[&str], input: &str) -> Printed {
    let mut child = test
        .command(&[&["console"], arguments].concat())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    test.finish(child)
}

#[test]
fn values_look_as_in_packers_console() {
    let test = Test::new(TEMPLATE);
    let lines = "var.name\nlocal.list\nlocal.object\n1 + 2\n\"a\\nb\"\nnull\n[]\n\nvar.password\n[var.password]\n\
                 \"x ${var.password}\"\nvar.unset\nlocal.later\ndata.http.page.body\npath.root\n";
    insta::assert_snapshot!(console(&test, &["."], lines).text(), @r#"
    [stdout]
    web
    [
      "web",
      1,
      true,
      null,
    ]
    {
      "a" = "x\"y"
      "b" = {
        "c" = []
      }
      "d" = {}
    }
    3
    a
    b
    null
    []
    <sensitive>
    [
      "<sensitive>",
    ]
    <sensitive>
    <unknown>
    <unknown>
    <unknown>
    .
    [exit 0]
    "#);
}

#[test]
fn a_mistake_is_shown_and_the_next_line_evaluated() {
    let test = Test::new(TEMPLATE);
    insta::assert_snapshot!(console(&test, &["."], "var.nam\nupper(\nenv(\"HOME\")\nupper(\"on\")\nexit\n1\n").text(), @r#"
    [stdout]
    ON
    [stderr]
    error[check/unknown-variable]: there is no variable `nam`
       ,-[<console>:1:5]
     1 | var.nam
       :     ^^^
       `----
      help: there is one with a similar name: `name`

    error[syntax/unclosed-bracket]: this call is not closed
       ,-[<console>:1:7]
     1 | upper(
       :      |
       :      `-- it begins here
       `----

    error[eval/function-not-here]: `env` may only be used in the default of a variable
       ,-[<console>:1:1]
     1 | env("HOME")
       : ^^^
       `----
      help: declare a variable with `default = env("NAME")` and use the variable here

    [exit 3]
    "#);
}

#[test]
fn without_a_template_there_are_functions() {
    let test = Test::new(TEMPLATE);
    assert_eq!(
        console(&test, &[], "upper(\"x\")\n").text(),
        "[stdout]\nX\n[exit 0]"
    );
    assert_eq!(console(&test, &[], "var.name\n").code, 3);
    assert_eq!(console(&test, &["-var=a=b"], "").code, 2);
    assert_eq!(console(&test, &["missing"], "1\n").code, 4);
    let help = console(&test, &["-config-type=hcl2"], "help\n");
    assert!(help.stdout.contains("Ctrl-D"), "{}", help.text());
}

#[test]
fn variables_are_listed_as_packer_does() {
    let test = Test::new(TEMPLATE);
    test.write("x.pkrvars.hcl", "unset = \"file\"\n");
    let printed = console(
        &test,
        &["-var-file=x.pkrvars.hcl", "-var", "name=db", "."],
        "variables\n",
    );
    insta::assert_snapshot!(printed.text(), @r#"
    [stdout]
    > input-variables:

    var.name: "db"
    var.password: "<sensitive>"
    var.unset: "file"

    > local-variables:

    local.later: "file-1"
    local.list: "[\n  \"db\",\n  1,\n  true,\n  null,\n]"
    local.object: "{\n  \"a\" = \"x\\\"y\"\n  \"b\" = {\n    \"c\" = []\n  }\n  \"d\" = {}\n}"
    [exit 0]
    "#);
}

#[test]
fn a_template_with_mistakes_ends_the_pipe() {
    let test = Test::new("locals {\n  a = var.b\n}\n");
    let printed = console(&test, &["."], "1\n");
    assert_eq!((printed.code, printed.stdout.as_str()), (3, ""));
    assert!(
        printed.stderr.contains("check/unknown-variable"),
        "{}",
        printed.text()
    );
}
