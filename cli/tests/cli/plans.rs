//! `plan`, `validate`, `inspect`, `graph`.

use crate::harness::Test;

const TWO: &str = r#"
variable "name" {
  type    = string
  default = "web"
}
variable "password" {
  type      = string
  sensitive = true
}
source "null" "base" {
  communicator = "none"
}
source "file" "readme" {
  content = "for ${var.name}: ${var.password}\n"
  target  = "readme.txt"
}
build {
  name    = "web"
  sources = ["source.null.base", "source.file.readme"]
  provisioner "shell-local" {
    only         = ["null.base"]
    inline       = ["echo ${build.ID}", "echo ${var.name}"]
    max_retries  = 2
    pause_before = "1s"
  }
  post-processor "checksum" {
    only           = ["file.readme"]
    checksum_types = ["sha256"]
  }
}
"#;

#[test]
fn a_plan_for_people() {
    let test = Test::new(TWO);
    let printed = test.run(&["plan", "-var", "password=hunter2-horse"]);
    insta::assert_snapshot!(printed.text(), @r#"
    [stdout]
    build.web.null.base  builder null, communicator none
      communicator = "none"
       1  prepare
       2  launch  (undo: release the machine and everything made for it)
       3  provisioner[0]  shell-local
          inline = [(known at run time), "echo web"]
          waits 1s before, up to 2 retries
       4  capture
       5  release

    build.web.file.readme  builder file, communicator none
      content = (sensitive)
      target = "readme.txt"
       1  prepare
       2  launch  (undo: release the machine and everything made for it)
       3  capture
       4  release
       5  post-processor[0][0]  checksum
          checksum_types = ["sha256"]

    Steps with the same number can run at the same time.

    Variables
      name     = "web"  (default)
      password = (sensitive)  (-var)

    Plan: 2 builds, 10 steps, 1 artifact.
    [exit 0]
    "#);
}

#[test]
fn a_plan_for_programs_is_the_same_twice() {
    let test = Test::new(TWO).env("PKR_VAR_password", "hunter2-horse");
    let first = test.run(&["plan", "--json"]);
    assert_eq!(first.code, 0, "{}", first.text());
    assert_eq!(first.stdout, test.run(&["plan", "-json"]).stdout);
    let plan: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!(plan["format"], "imgc-plan");
    assert_eq!(plan["totals"]["builds"], 2);
    assert_eq!(
        plan["variables"][1]["origin"],
        "environment PKR_VAR_password"
    );
    assert_eq!(plan["builds"][1]["options"]["content"]["$sensitive"], true);
    let steps = plan["steps"].as_array().unwrap();
    let waves: usize = plan["order"]
        .as_array()
        .unwrap()
        .iter()
        .map(|wave| wave.as_array().unwrap().len())
        .sum();
    assert_eq!(steps.len(), waves);
}

#[test]
fn only_and_except_choose_builds() {
    let test = Test::new(TWO).env("PKR_VAR_password", "hunter2-horse");
    let only = test.run(&["plan", "-only=*.null.*"]);
    assert!(only.stdout.contains("Plan: 1 build,"), "{}", only.text());
    let except = test.run(&["plan", "-except", "web.null.base"]);
    assert!(
        except.stdout.contains("build.web.file.readme"),
        "{}",
        except.text()
    );
    assert!(
        !except.stdout.contains("build.web.null.base"),
        "{}",
        except.text()
    );
}

#[test]
fn validate_speaks_packers_words() {
    let test = Test::new(TWO);
    let printed = test.run(&["validate", "-var=password=hunter2-horse", "."]);
    insta::assert_snapshot!(printed.text(), @"
    [stdout]
    The configuration is valid.
    [exit 0]
    ");
    let printed = test.run(&["validate", "-syntax-only", "main.pkr.hcl"]);
    insta::assert_snapshot!(printed.text(), @"
    [stdout]
    Syntax-only check passed. Everything looks okay.
    [exit 0]
    ");
}

#[test]
fn a_problem_is_shown_with_its_place() {
    let test = Test::new(
        "source \"null\" \"base\" {\n  comunicator = \"none\"\n}\nbuild {\n  sources = [\"source.null.bas\"]\n}\n",
    );
    insta::assert_snapshot!(test.run(&["validate", "."]).text(), @r#"
    [stderr]
    warning[check/unknown-option]: builder `null` has no option `comunicator`
       ,-[main.pkr.hcl:2:3]
     1 | source "null" "base" {
     2 |   comunicator = "none"
       :   ^^^^^^^^^^^
     3 | }
       `----
      help: did you mean `communicator`?

    error[check/unknown-source]: there is no source `source.null.bas`
       ,-[main.pkr.hcl:5:14]
     4 | build {
     5 |   sources = ["source.null.bas"]
       :              ^^^^^^^^^^^^^^^^^
     6 | }
       `----
      help: there is one with a similar name: `source.null.base`

    1 error, 1 warning
    [exit 3]
    "#);
}

#[test]
fn problems_for_programs() {
    let test = Test::new("build {\n  sources = [\"source.null.bas\"]\n}\n");
    let printed = test.run(&["validate", "--json", "."]);
    assert_eq!(printed.code, 3);
    let json: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(json["valid"], false);
    assert_eq!(json["diagnostics"][0]["range"]["path"], "main.pkr.hcl");
    assert_eq!(json["diagnostics"][0]["range"]["start"]["line"], 2);
}

#[test]
fn flags_that_change_nothing_are_taken() {
    let test = Test::new(TWO);
    let line = [
        "validate",
        "-var",
        "password=hunter2-horse",
        "-config-type=hcl2",
        "-evaluate-datasources",
        "-ignore-prerelease-plugins",
        "-use-sequential-evaluation=false",
        "-no-warn-undeclared-var",
        ".",
    ];
    insta::assert_snapshot!(test.run(&line).text(), @"
    [stdout]
    The configuration is valid.
    [exit 0]
    ");
    let init = test.run(&["init", "-upgrade", "."]);
    insta::assert_snapshot!(init.text(), @"
    [stdout]
    Nothing to install: all components are part of imgc.
    [exit 0]
    ");
}

#[test]
fn inspect_lists_what_is_there() {
    let test = Test::new(TWO).env("PKR_VAR_password", "hunter2-horse");
    insta::assert_snapshot!(test.run(&["inspect", "."]).text(), @r#"
    [stdout]
    Packer Inspect: HCL2 mode

    > input-variables:

    var.name: "web"
    var.password: "<sensitive>"

    > local-variables:


    > builds:

      > web:

        sources:

          null.base

          file.readme

        provisioners:

          shell-local

        post-processors:

          0:
            checksum
    [exit 0]
    "#);
}

#[test]
fn a_graph_in_three_forms() {
    let test = Test::new(TWO).env("PKR_VAR_password", "hunter2-horse");
    assert!(test.run(&["graph"]).stdout.starts_with("digraph plan {"));
    assert!(
        test.run(&["graph", "-mermaid"])
            .stdout
            .starts_with("flowchart LR")
    );
    let drawn = test.run(&["graph", "--svg", "-output", "plan.svg"]);
    match drawn.code {
        0 => assert!(test.read("plan.svg").contains("<svg")),
        // Without Graphviz the message names it.
        code => assert!(
            code == 4 && drawn.stderr.contains("`graphviz`"),
            "{}",
            drawn.text()
        ),
    }
    let without = test
        .command(&["graph", "--svg"])
        .env("PATH", "/nowhere")
        .spawn()
        .unwrap();
    insta::assert_snapshot!(test.finish(without).text(), @"
    [stderr]
    error: the program `dot` is not installed
      help: install the package `graphviz`, or use `--mermaid` or DOT, which need no program
    [exit 4]
    ");
}

#[test]
fn the_first_of_three_words_of_a_source_may_be_any() {
    for reference in ["null.a", "source.null.a", "sources.null.a"] {
        let test = Test::new(&format!(
            "source \"null\" \"a\" {{ communicator = \"none\" }}\nbuild {{ sources = [\"{reference}\"] }}\n"
        ));
        let printed = test.run(&["validate", "."]);
        assert_eq!(printed.code, 0, "{reference}\n{}", printed.text());
    }
}

#[test]
fn inspect_lists_what_only_some_builds_of_a_block_run() {
    let test = Test::new(
        r#"
source "null" "a" { communicator = "none" }
source "null" "b" { communicator = "none" }
build {
  name    = "two"
  sources = ["null.a", "null.b"]
  provisioner "shell-local" { inline = ["true"] }
  provisioner "breakpoint" {
    only = ["null.b"]
  }
}
"#,
    );
    let printed = test.run(&["inspect", "."]);
    assert!(
        printed
            .stdout
            .contains("      shell-local\n      breakpoint\n"),
        "{}",
        printed.stdout
    );
}

#[test]
fn the_way_out_of_mistakes_with_scripts() {
    let said = |options: &str| {
        let test = Test::new(&format!(
            "source \"null\" \"a\" {{ communicator = \"none\" }}\n\
             build {{\n  sources = [\"null.a\"]\n  provisioner \"shell-local\" {{\n{options}\n  }}\n}}\n"
        ));
        test.write("s.sh", "true\n");
        let printed = test.run(&["validate", "."]);
        assert_eq!(printed.code, 3, "{}", printed.text());
        printed.stderr
    };
    let none = said("");
    assert!(none.contains("help: add `inline = …`"), "{none}");
    let text = said("inline = \"echo ${source.name}\"");
    assert!(
        text.contains("help: a list stands in brackets: `[…]`"),
        "{text}"
    );
    let both = said("inline = [\"true\"]\nscript = \"s.sh\"");
    assert!(
        both.contains("`inline` and `script` of provisioner `shell-local` exclude each other"),
        "{both}"
    );
}

#[test]
fn origins_have_a_line_when_asked_for() {
    let test = Test::new(
        "variable \"a\" {\n  default = 1\n}\nvariable \"b\" {}\nvariable \"c\" {}\nvariable \"d\" {}\n\
         source \"null\" \"x\" { communicator = \"none\" }\nbuild { sources = [\"null.x\"] }\n\
         //- x.pkrvars.hcl\n\nb = 2\n",
    )
    .env("PKR_VAR_c", "3");
    let flags = ["plan", "-origins", "-var-file=x.pkrvars.hcl", "-var=d=4"];
    let printed = test.run(&[&flags[..], &["."]].concat());
    let variables = printed.stdout.split("Variables\n").nth(1).unwrap();
    insta::assert_snapshot!(variables.split("\n\n").next().unwrap(), @r#"
    a = 1  (default, main.pkr.hcl:2)
    b = 2  (file x.pkrvars.hcl:2)
    c = "3"  (environment PKR_VAR_c)
    d = "4"  (-var)
    "#);
    let json = test.run(&[&flags[..], &["-json", "."]].concat()).stdout;
    assert!(
        json.contains("\"origin\": \"default, main.pkr.hcl:2\""),
        "{json}"
    );
    let plain = test
        .run(&["plan", "-var-file=x.pkrvars.hcl", "-var=d=4", "."])
        .stdout;
    assert!(plain.contains("(file x.pkrvars.hcl)"), "{plain}");
}
