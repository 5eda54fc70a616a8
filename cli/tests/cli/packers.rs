//! Commands and flags that scripts written for Packer use.

use crate::harness::Test;

const TEMPLATE: &str = r#"
packer {
  required_plugins {
    amazon = {
      version = ">= 1.2.8"
      source  = "github.com/hashicorp/amazon"
    }
  }
}
source "null" "x" {
  communicator = "none"
}
build {
  sources = ["null.x"]
}
"#;

#[test]
fn plugins_need_nothing() {
    let test = Test::new(TEMPLATE);
    insta::assert_snapshot!(test.run(&["plugins", "required", "."]).text(), @r#"
    [stdout]
    amazon github.com/hashicorp/amazon ">= 1.2.8"
    [exit 0]
    "#);
    insta::assert_snapshot!(test.run(&["plugin", "installed"]).text(), @"
    [stderr]
    note: no plugins are installed: all components are part of imgc
    [exit 0]
    ");
    insta::assert_snapshot!(test.run(&["plugins", "install", "-force", "github.com/hashicorp/amazon", "1.2.8"]).text(), @"
    [stdout]
    Nothing to do for github.com/hashicorp/amazon: components are part of imgc. `imgc validate` says what a template uses that cannot run.
    [exit 0]
    ");
    insta::assert_snapshot!(test.run(&["plugins", "install"]).text(), @"
    [stderr]
    error: a plugin is missing
      help: name one such as `github.com/hashicorp/amazon`, and a version if you like
    [exit 2]
    ");
    assert_eq!(test.run(&["plugins", "required", "missing"]).code, 4);
    assert_eq!(test.run(&["init", "-upgrade", "-force", "."]).code, 0);
}

#[test]
fn the_version_in_every_form() {
    let test = Test::new("");
    assert!(test.run(&["version"]).stdout.starts_with("imgc v"));
    let printed = test.run(&["version", "-machine-readable"]);
    assert!(
        printed.stdout.starts_with("1700000000,,version,"),
        "{}",
        printed.text()
    );
}

/// Every flag of Packer's own commands, as its users write them.
#[test]
fn every_flag_of_packer_is_taken() {
    let test = Test::new(TEMPLATE);
    let template = [
        "-config-type=hcl2",
        "-except=",
        "-only=",
        "-ignore-prerelease-plugins",
        "-use-sequential-evaluation",
    ];
    let of_command: &[(&str, &[&str])] = &[
        (
            "build",
            &[
                "-color=false",
                "-debug=false",
                "-force",
                "-machine-readable",
                "-on-error=cleanup",
                "-parallel-builds=1",
                "-skip-enforcement",
                "-timestamp-ui",
                "-warn-on-undeclared-var",
            ],
        ),
        (
            "validate",
            &[
                "-syntax-only",
                "-evaluate-datasources",
                "-no-warn-undeclared-var",
            ],
        ),
        ("inspect", &[]),
        ("init", &["-force", "-upgrade"]),
    ];
    for (command, own) in of_command {
        let mut arguments = vec![*command];
        arguments.extend(template);
        arguments.extend(*own);
        arguments.push(".");
        let printed = test.run(&arguments);
        assert_eq!(printed.code, 0, "{arguments:?}\n{}", printed.text());
    }
    let fmt = [
        "fmt",
        "-check=false",
        "-diff",
        "-write=false",
        "-recursive",
        "-only=x",
        "-var",
        "a=b",
        "-var-file=x",
        ".",
    ];
    assert_eq!(test.run(&fmt).code, 0);
}
