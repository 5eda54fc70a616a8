//! Which data sources are read, when, and what their values are.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use imgc_compiler::compile::{Compilation, Request, compile};
use imgc_compiler::components::{ComponentKind, Components, Problem};
use imgc_compiler::diagnostic::plain;
use imgc_compiler::source::{FixedWorld, Memory, World};
use imgc_compiler::value::Value;

/// Answers `null` with its input, and `http` with its address in upper case; counts.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Components for Asked {
    fn has(&self, _: ComponentKind, _: &str) -> bool {
        true
    }

    fn check(&self, _: ComponentKind, _: &str, _: &Value) -> Vec<Problem> {
        Vec::new()
    }

    fn read(&self, name: &str, options: &Value) -> Result<Value, Problem> {
        let given = options.get("input").or(options.get("url")).unwrap();
        let text = given.as_str().unwrap().to_owned();
        self.0.lock().unwrap().push(format!("{name} {text}"));
        if text == "broken" {
            return Err(Problem::new("no answer").of("url"));
        }
        Ok(match name {
            "null" => Value::object([("output", given.clone())]),
            _ => Value::object([("body", Value::string(text.to_uppercase()))]),
        })
    }
}

fn compiled(text: &str, online: bool, only: &[&str]) -> (Compilation, Vec<String>) {
    let request = Request {
        path: "main.pkr.hcl".into(),
        online,
        only: only.iter().map(|only| (*only).to_owned()).collect(),
        ..Request::default()
    };
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    let asked = Asked::default();
    let sources = Memory::new([("main.pkr.hcl", text)]);
    let compilation = compile(&request, &sources, &world, &asked);
    (compilation, asked.0.into_inner().unwrap())
}

fn problems(compilation: &Compilation) -> String {
    plain::render(&compilation.sources, &compilation.diagnostics)
}

/// As `validate` does it: nothing is read, and what only data sources know is no mistake.
fn checked(text: &str) -> (Compilation, Vec<String>) {
    let request = Request {
        path: "main.pkr.hcl".into(),
        check_only: true,
        ..Request::default()
    };
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    let asked = Asked::default();
    let sources = Memory::new([("main.pkr.hcl", text)]);
    let compilation = compile(&request, &sources, &world, &asked);
    (compilation, asked.0.into_inner().unwrap())
}

/// The option of the first provisioner of a build.
fn option(compilation: &Compilation, build: &str) -> String {
    let plan = compilation
        .plan
        .as_ref()
        .unwrap_or_else(|| panic!("{}", problems(compilation)));
    let address = format!("build.{build}.provisioner[0]");
    let step = plan
        .steps
        .iter()
        .find(|step| step.address == address)
        .unwrap();
    step.options.value().get("inline").unwrap().display()
}

const CHAIN: &str = r#"
data "null" "name" { input = local.prefix }
data "http" "page" { url = "${data.null.name.output}/index" }
data "http" "unused" { url = "nobody" }
data "http" "other" { url = "else" }
locals {
  prefix = "web"
  page   = data.http.page.body
}
source "null" "base" { communicator = "none" }
build {
  name    = "one"
  sources = ["null.base"]
  provisioner "shell-local" { inline = ["echo ${local.page}"] }
}
build {
  name    = "two"
  sources = ["null.base"]
  provisioner "shell-local" { inline = ["echo ${data.http.other.body}"] }
}
"#;

#[test]
fn nothing_is_read_offline_and_values_are_unknown() {
    let (compilation, asked) = compiled(CHAIN, false, &[]);
    assert_eq!(problems(&compilation), "");
    assert_eq!(asked, [""; 0]);
    assert_eq!(
        option(&compilation, "one.null.base"),
        "[(known at run time)]"
    );
}

#[test]
fn what_is_used_is_read_once_and_in_the_order_of_references() {
    let (compilation, mut asked) = compiled(CHAIN, true, &[]);
    assert_eq!(problems(&compilation), "");
    assert_eq!(
        option(&compilation, "one.null.base"),
        r#"["echo WEB/INDEX"]"#
    );
    assert_eq!(option(&compilation, "two.null.base"), r#"["echo ELSE"]"#);
    let chain: Vec<&String> = asked.iter().filter(|asked| asked.contains("web")).collect();
    assert_eq!(chain, ["null web", "http web/index"]);
    asked.sort();
    assert_eq!(asked, ["http else", "http web/index", "null web"]);
}

#[test]
fn only_what_the_selected_build_needs_is_read() {
    let (compilation, asked) = compiled(CHAIN, true, &["two.*"]);
    assert_eq!(problems(&compilation), "");
    assert_eq!(asked, ["http else"]);
}

#[test]
fn a_failure_stands_at_the_option() {
    let text = CHAIN.replace("\"else\"", "\"broken\"");
    let (compilation, asked) = compiled(&text, true, &["two.*"]);
    insta::assert_snapshot!(problems(&compilation), @r#"
    error[data/failed]: no answer
      --> main.pkr.hcl:5:29
        5 | data "http" "other" { url = "broken" }
          |                             ^^^^^^^^
    "#);
    assert_eq!(asked.len(), 1);
}

#[test]
fn nobody_is_asked_for_a_template_with_mistakes() {
    let text = CHAIN.replace("inline = [\"echo ${local.page}\"]", "inlin = []");
    let (compilation, asked) = compiled(&text, true, &[]);
    assert!(compilation.has_errors());
    assert_eq!(asked, [""; 0]);
}

#[test]
fn a_list_of_builds_may_come_from_data() {
    let text = r#"
data "null" "which" { input = "null.base" }
source "null" "base" { communicator = "none" }
build {
  name    = "one"
  sources = [data.null.which.output]
  provisioner "shell-local" { inline = [data.null.late.output] }
}
data "null" "late" { input = "found out later" }
"#;
    let (compilation, asked) = compiled(text, false, &[]);
    assert!(problems(&compilation).contains("check/unknown-at-plan-time"));
    assert!(problems(&compilation).contains("`-online`"));
    assert_eq!(asked, [""; 0]);
    let (compilation, _) = checked(text);
    assert_eq!(problems(&compilation), "");
    let (compilation, asked) = compiled(text, true, &[]);
    assert_eq!(
        option(&compilation, "one.null.base"),
        r#"["found out later"]"#
    );
    assert_eq!(asked, ["null null.base", "null found out later"]);
}

#[test]
fn a_circle_through_data_is_shown() {
    let text = r#"
data "null" "a" { input = local.b }
locals { b = data.null.a.output }
"#;
    let (compilation, _) = compiled(text, true, &[]);
    insta::assert_snapshot!(problems(&compilation), @r#"
    error[check/cycle]: `data.null.a` depends on itself: data.null.a → local.b → data.null.a
      --> main.pkr.hcl:2:1
        2 | data "null" "a" { input = local.b }
          | ^^^^^^^^^^^^^^^
      --> main.pkr.hcl:2:33
        2 | data "null" "a" { input = local.b }
          |                                 ^ `data.null.a` uses this
      --> main.pkr.hcl:3:14
        3 | locals { b = data.null.a.output }
          |              ^^^^^^^^^^^^^^^^^^ `local.b` uses this
      help: take one of these references out
    "#);
}

#[test]
fn a_wrong_output_is_named() {
    let text = r#"
data "http" "page" { url = "x" }
locals { b = data.http.page.bdy }
"#;
    let (compilation, _) = compiled(text, false, &[]);
    insta::assert_snapshot!(problems(&compilation), @r"
    error[eval/unknown-attribute]: `data.http.page` has no attribute `bdy`
      --> main.pkr.hcl:3:29
        3 | locals { b = data.http.page.bdy }
          |                             ^^^
      help: did you mean `body`?
      fix: write `body`
    ");
}
