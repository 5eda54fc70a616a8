//! What `validate` can be asked besides whether a template is valid: corrections, strictness, other forms of output.

use crate::harness::Test;

const WRONG: &str = r#"
variable "name" {
  default = "web"
}
locals {
  a = "${var.name}-${var.name}"
  b = local.a
}
source "null" "base" {
  comunicator = "none"
  ssh_hots    = "h"
}
build {
  sources = ["source.null.base"]
}
"#;

#[test]
fn corrections_are_written_and_named() {
    let test = Test::new(WRONG);
    insta::assert_snapshot!(test.run(&["validate", "-fix", "."]).text(), @"
    [stdout]
    main.pkr.hcl:10: change `comunicator` to `communicator` [check/unknown-option]
    main.pkr.hcl:11: change `ssh_hots` to `ssh_host` [check/unknown-option]
    2 corrections in 1 file

    The configuration is valid.
    [exit 0]
    ");
    let text = test.read("main.pkr.hcl");
    assert!(text.contains("  communicator = \"none\"\n"), "{text}");
    assert!(text.contains("  ssh_host    = \"h\"\n"), "{text}");
    assert_eq!(
        test.run(&["validate", "-fix", "."]).stdout,
        "0 corrections in 0 files\n\nThe configuration is valid.\n"
    );
}

/// What `validate -fix` leaves as it is.
fn left(name: &str, text: &str) {
    let test = Test::new("");
    test.write(name, text);
    let said = test.run(&["validate", "-fix", name]);
    assert_eq!(test.read(name), text, "{}", said.text());
    assert!(said.stdout.starts_with("0 corrections"), "{}", said.text());
}

#[test]
fn names_that_their_author_chose_are_left() {
    let text = "variable \"region\" {\n  default = \"a\"\n}\nlocals {\n  base = \"x\"\n}\nsource \"null\" \"webs\" {\n  communicator = \"none\"\n}\nbuild {\n  sources = [\"source.null.webs\"]\n}\n";
    left(
        "a.pkr.hcl",
        &format!("{text}locals {{\n  c = var.regon\n}}\n"),
    );
    left(
        "b.pkr.hcl",
        &format!("{text}locals {{\n  c = local.bas\n}}\n"),
    );
    left(
        "c.pkr.hcl",
        &text.replace("source.null.webs\"", "source.null.web\""),
    );
    left(
        "d.pkr.hcl",
        &text.replace(
            "webs\"]\n",
            "webs\"]\n  provisioner \"shell\" {\n    inline = [\"x\"]\n    only   = [\"null.web\"]\n  }\n",
        ),
    );
    left(
        "e.pkr.hcl",
        &format!("{text}locals {{\n  c = uper(\"x\")\n}}\n"),
    );
}

#[test]
fn legacy_names_functions_and_comments_are_left() {
    let builder = r#""builders": [{"type": "null", "communicator": "none"}]"#;
    left(
        "a.json",
        &format!(
            "{{\n  \"variables\": {{\"region\": \"{{{{ user `regin` }}}}\"}},\n  {builder}\n}}\n"
        ),
    );
    left(
        "b.json",
        &format!("{{\n  \"variables\": {{\"a\": \"{{{{ timestmp }}}}\"}},\n  {builder}\n}}\n"),
    );
    left(
        "c.json",
        &format!("{{\n  // why this is here\n  {builder}\n}}\n"),
    );
}

#[test]
fn no_correction_says_something_twice() {
    left(
        "a.pkr.hcl",
        "source \"null\" \"a\" {\n  communicator = \"none\"\n}\nbuild {\n  sources = [\"source.null.a\"]\n  provisioner \"shell\" {\n    inline = [\"x\"]\n    inlin  = [\"y\"]\n  }\n}\n",
    );
    left(
        "a.json",
        "{\n  \"variable\": {\"a\": \"1\"},\n  \"variables\": {\"b\": \"2\"},\n  \"builders\": [{\"type\": \"null\", \"communicator\": \"none\"}]\n}\n",
    );
    // What is beside it is corrected all the same.
    let test = Test::new(
        "source \"null\" \"a\" {\n  comunicator = \"none\"\n}\nbuild {\n  sources = [\"source.null.a\"]\n  provisioner \"shell\" {\n    inline = [\"x\"]\n    inlin  = [\"y\"]\n  }\n}\n",
    );
    let said = test.run(&["validate", "-fix", "."]);
    let text = test.read("main.pkr.hcl");
    assert!(text.contains("  communicator = "), "{}", said.text());
    assert!(text.contains("    inlin  = "), "{}", said.text());
}

#[test]
fn corrections_can_be_looked_at_first() {
    let test = Test::new(WRONG);
    insta::assert_snapshot!(test.run(&["validate", "-fix", "-diff", "."]).text(), @r#"
    [stdout]
    --- old/main.pkr.hcl
    +++ new/main.pkr.hcl
    @@ -7,8 +7,8 @@
       b = local.a
     }
     source "null" "base" {
    -  comunicator = "none"
    -  ssh_hots    = "h"
    +  communicator = "none"
    +  ssh_host    = "h"
     }
     build {
       sources = ["source.null.base"]
    [exit 0]
    "#);
    assert_eq!(test.read("main.pkr.hcl"), WRONG);
    assert_eq!(test.run(&["validate", "-diff", "."]).code, 2);
}

#[test]
fn what_needs_a_person_is_left() {
    let test = Test::new("locals {\n  a = var.zebra\n}\n");
    let before = test.files();
    let printed = test.run(&["validate", "-fix", "-var", "nme=1", "."]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    assert!(
        printed.stdout.starts_with("0 corrections"),
        "{}",
        printed.text()
    );
    assert_eq!(test.files(), before);
}

#[test]
fn the_whole_file_is_printed_by_fix() {
    let test = Test::new(WRONG);
    let printed = test.run(&["fix", "main.pkr.hcl"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(
        printed.stdout,
        WRONG
            .replace("comunicator", "communicator")
            .replace("ssh_hots", "ssh_host")
    );
    assert_eq!(test.read("main.pkr.hcl"), WRONG);
    assert_eq!(test.run(&["fix", "."]).code, 2);
    test.write("bad.pkr.hcl", "locals {\n  a = zebra()\n}\n");
    assert_eq!(test.run(&["fix", "bad.pkr.hcl"]).code, 3);
    assert_eq!(
        test.run(&["fix", "-validate=false", "bad.pkr.hcl"]).text(),
        "[stdout]\nlocals {\n  a = zebra()\n}\n[exit 0]"
    );
}

#[test]
fn a_variable_nobody_declares_is_a_warning_an_error_or_nothing() {
    let test = Test::new(&format!(
        "{}//- x.pkrvars.hcl\nnmae = \"db\"\n",
        WRONG
            .replace("comunicator", "communicator")
            .replace("ssh_hots", "ssh_host")
    ));
    let run = |flags: &[&str]| {
        test.run(&[&["validate", "-var-file=x.pkrvars.hcl"], flags, &["."]].concat())
    };
    let plain = run(&[]);
    assert_eq!(plain.code, 0);
    assert!(
        plain.stderr.contains("warning[check/undeclared-variable]"),
        "{}",
        plain.text()
    );
    let strict = run(&["-strict"]);
    assert_eq!(strict.code, 3);
    assert!(
        strict.stderr.contains("error[check/undeclared-variable]"),
        "{}",
        strict.text()
    );
    assert_eq!(run(&["-no-warn-undeclared-var"]).stderr, "");
    assert_eq!(run(&["-strict", "-no-warn-undeclared-var"]).code, 0);
    assert_eq!(run(&["-var", "nmae=x"]).code, 3);
}

#[test]
fn sarif_is_for_code_scanning() {
    let test = Test::new(WRONG);
    let printed = test.run(&["validate", "-sarif", "."]);
    assert_eq!(printed.code, 3);
    assert_eq!(printed.stderr, "");
    let report: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    let run = &report["runs"][0];
    let result = &run["results"][0];
    assert_eq!(report["version"], "2.1.0");
    assert_eq!(result["ruleId"], "check/unknown-option");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "main.pkr.hcl");
    assert_eq!(place["region"]["startLine"], 10);
    assert_eq!(
        result["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"],
        "communicator"
    );
    for result in run["results"].as_array().unwrap() {
        let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
    }
    let missing = test.run(&["validate", "-sarif", "missing"]);
    let report: serde_json::Value = serde_json::from_str(&missing.stdout).unwrap();
    assert_eq!(
        (missing.code, &report["runs"][0]["results"][0]["ruleId"]),
        (4, &"load/not-found".into())
    );
    let valid = Test::new("source \"null\" \"x\" {\n  communicator = \"none\"\n}\n")
        .run(&["validate", "-sarif", "."]);
    let report: serde_json::Value = serde_json::from_str(&valid.stdout).unwrap();
    assert_eq!(
        (valid.code, &report["runs"][0]["results"]),
        (0, &serde_json::json!([]))
    );
}

#[test]
fn what_a_source_gets_from_builds_that_are_not_selected_is_not_missed() {
    let test = Test::new(
        r#"
source "file" "base" {
  content = "x"
}
build {
  name = "apps"
  source "file.base" {
    name   = "web"
    target = "web.txt"
  }
  source "file.base" {
    name   = "db"
    target = "db.txt"
  }
}
"#,
    );
    let printed = test.run(&["build", "-only=nothing", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    let said = &printed.stderr;
    assert!(said.contains("`-only=nothing` matches no build"), "{said}");
    assert!(!said.contains("missing-option"), "{said}");
    let printed = test.run(&["build", "-only=apps.file.web", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        !printed.text().contains("missing-option"),
        "{}",
        printed.text()
    );
    // Where no build gives it, it is missing.
    let text = test
        .read("main.pkr.hcl")
        .replace("base", "other")
        .replace("build {", "source \"file\" \"base\" {}\nbuild {");
    test.write("main.pkr.hcl", text);
    let printed = test.run(&["validate", "."]);
    assert!(
        printed.stderr.contains("`file` needs the option `target`"),
        "{}",
        printed.text()
    );
}
