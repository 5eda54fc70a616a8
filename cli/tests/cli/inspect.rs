//! `inspect`: the expected texts of the first two are what Packer 1.6.6 prints of the same templates.

use crate::harness::Test;

const TEMPLATE: &str = r#"
variable "a" {
  default = "x"
}
variable "list" {
  default = ["a", "b"]
}
variable "n" {
  default = 3
}
variable "secret" {
  default   = "hush"
  sensitive = true
}
variable "unset" {
}
locals {
  b = "${var.a}-y"
  o = { k = var.a, n = 1 }
}
source "null" "x" {
  communicator = "none"
}
source "null" "y" {
  communicator = "none"
}
build {
  sources = ["null.x", "null.y"]
  provisioner "shell-local" {
    inline = ["echo hi"]
  }
  post-processors {
    post-processor "manifest" {}
    post-processor "checksum" {}
  }
  post-processor "manifest" {}
}
build {
  name        = "named"
  description = "d"
  sources     = ["null.x"]
}
"#;

const LEGACY: &str = r#"{
  "description": "my desc",
  "variables": {"a": "x", "b": null, "s": "hush"},
  "sensitive-variables": ["s"],
  "builders": [
    {"type": "null", "name": "n1", "communicator": "none"},
    {"type": "null", "communicator": "none"}
  ],
  "provisioners": [{"type": "shell-local", "inline": ["echo"]}]
}
"#;

#[test]
fn an_hcl_template_in_packers_shape() {
    insta::assert_snapshot!(Test::new(TEMPLATE).run(&["inspect", "."]).text(), @r#"
    [stdout]
    Packer Inspect: HCL2 mode

    > input-variables:

    var.a: "x"
    var.list: "[\n  \"a\",\n  \"b\",\n]"
    var.n: "3"
    var.secret: "<sensitive>"
    var.unset: "<unknown>"

    > local-variables:

    local.b: "x-y"
    local.o: "{\n  \"k\" = \"x\"\n  \"n\" = 1\n}"

    > builds:

      > <unnamed build 0>:

        sources:

          null.x

          null.y

        provisioners:

          shell-local

        post-processors:

          0:
            manifest
            checksum

          1:
            manifest

      > named:

      > Description: d

        sources:

          null.x

        provisioners:

          <no provisioner>

        post-processors:

          <no post-processor>
    [exit 0]
    "#);
}

#[test]
fn a_legacy_template_in_packers_shape() {
    let test = Test::new("");
    test.write("old.json", LEGACY);
    insta::assert_snapshot!(test.run(&["inspect", "-var", "b=1", "old.json"]).text(), @"
    [stdout]
    Packer Inspect: JSON mode
    Description:

    my desc

    Required variables:

      b

    Optional variables and their defaults:

      a = x
      s = <sensitive>

    Builders:

      n1   (null)
      null

    Provisioners:

      shell-local
    [exit 0]
    ");
    insta::assert_snapshot!(test.run(&["inspect", "-machine-readable", "old.json"]).text(), @"
    [stdout]
    1700000000,,template-variable,b,,1
    1700000000,,template-variable,a,x,0
    1700000000,,template-variable,s,<sensitive>,0
    1700000000,,template-builder,n1,null
    1700000000,,template-builder,null,null
    1700000000,,template-provisioner,shell-local
    [exit 0]
    ");
}

#[test]
fn for_programs() {
    let test = Test::new(TEMPLATE);
    insta::assert_snapshot!(test.run(&["inspect", "-json", "."]).text(), @r#"
    [stdout]
    {
      "format": "imgc-inspect",
      "version": 1,
      "variables": [
        {
          "name": "a",
          "value": "x",
          "origin": "default",
          "required": false,
          "sensitive": false
        },
        {
          "name": "list",
          "value": [
            "a",
            "b"
          ],
          "origin": "default",
          "required": false,
          "sensitive": false
        },
        {
          "name": "n",
          "value": 3,
          "origin": "default",
          "required": false,
          "sensitive": false
        },
        {
          "name": "secret",
          "value": {
            "$sensitive": true
          },
          "origin": "default",
          "required": false,
          "sensitive": true
        },
        {
          "name": "unset",
          "value": {
            "$unknown": "any"
          },
          "origin": "nothing",
          "required": true,
          "sensitive": false
        }
      ],
      "locals": [
        {
          "name": "b",
          "value": "x-y"
        },
        {
          "name": "o",
          "value": {
            "k": "x",
            "n": 1
          }
        }
      ],
      "builds": [
        {
          "name": null,
          "description": null,
          "sources": [
            "null.x",
            "null.y"
          ],
          "provisioners": [
            "shell-local"
          ],
          "post-processors": [
            [
              "manifest",
              "checksum"
            ],
            [
              "manifest"
            ]
          ]
        },
        {
          "name": "named",
          "description": "d",
          "sources": [
            "null.x"
          ],
          "provisioners": [],
          "post-processors": []
        }
      ]
    }
    [exit 0]
    "#);
    let lines = test.run(&["inspect", "-machine-readable", "."]).stdout;
    assert!(
        lines.contains("1700000000,,ui,say,var.list: \"[\\n  \\\"a\\\"%!(PACKER_COMMA)"),
        "{lines}"
    );
}

#[test]
fn a_template_with_mistakes() {
    let test = Test::new("locals {\n  a = var.b\n}\n");
    let printed = test.run(&["inspect", "."]);
    assert_eq!((printed.code, printed.stdout.as_str()), (3, ""));
    let printed = test.run(&["inspect", "-json", "."]);
    assert_eq!(printed.code, 3);
    assert!(
        printed.stdout.contains("imgc-diagnostics"),
        "{}",
        printed.text()
    );
}

#[test]
fn what_is_wrong_with_a_component_hides_nothing() {
    let test = Test::new(
        "source \"null\" \"a\" {\n  communicator = \"none\"\n}\nbuild {\n  sources = [\"null.a\"]\n  \
        provisioner \"shell-local\" {\n    script = \"missing.sh\"\n  }\n}\n",
    );
    assert_eq!(test.run(&["validate", "."]).code, 3);
    let printed = test.run(&["inspect", "."]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    assert!(printed.stdout.contains("shell-local"), "{}", printed.text());

    let test = Test::new(
        "source \"null\" \"a\" {\n  communicatr = \"none\"\n}\nbuild {\n  sources = [\"null.a\"]\n}\n",
    );
    assert_eq!(test.run(&["validate", "."]).code, 3);
    let printed = test.run(&["inspect", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(printed.stdout.contains("null.a"), "{}", printed.text());
    assert!(
        printed.stderr.contains("warning[check/unknown-option]"),
        "{}",
        printed.text()
    );
}
