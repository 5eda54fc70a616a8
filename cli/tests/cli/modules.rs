//! Modules and outputs, through whole runs.

use crate::harness::Test;

const TEMPLATE: &str = r#"
module "base" {
  source = "./base"
  text   = "hello"
}
module "app" {
  source   = "./app"
  for_each = ["one", "two"]
  name     = each.key
  parent   = module.base.file
}
output "base" {
  value       = module.base.file
  description = "Where it is"
}
output "apps" {
  value = { for name, app in module.app : name => app.file }
}
output "password" {
  value     = "hunter22"
  sensitive = true
}
//- base/base.pkr.hcl
variable "text" {
  type = string
}
source "file" "base" {
  content = "${var.text}\n"
  target  = "out/base.txt"
}
build {
  sources = ["source.file.base"]
}
output "file" {
  value = build.file.base.artifact.files[0]
}
//- app/app.pkr.hcl
variable "name" {}
variable "parent" {}
locals {
  from = "${var.parent}"
}
source "file" "app" {
  source = local.from
  target = "out/${var.name}.txt"
}
build {
  name    = "app"
  sources = ["source.file.app"]
  provisioner "shell-local" {
    inline = ["echo ${var.name} from ${local.from} in ${path.root} >> out/${var.name}.txt"]
  }
}
output "file" {
  value = build.app.artifact.files[0]
}
"#;

#[test]
fn modules_give_each_other_artifacts() {
    let test = Test::new(TEMPLATE);
    let printed = test.run(&["apply", "-parallel-builds=1"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(
        test.read("out/two.txt"),
        "hello\ntwo from out/base.txt in app\n"
    );
    assert!(
        printed.stdout.contains(
            "\nOutputs\nbase = \"out/base.txt\"\napps = { one = \"out/one.txt\", two = \"out/two.txt\" }\npassword = (sensitive value)\n"
        ),
        "{}",
        printed.stdout
    );
    for (path, bytes) in test.files() {
        let secret = String::from_utf8_lossy(&bytes).contains("hunter22");
        assert!(
            !secret || path.ends_with("main.pkr.hcl"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn outputs_are_kept() {
    let test = Test::new(TEMPLATE);
    let printed = test.run(&["output"]);
    assert_eq!(printed.code, 4);
    insta::assert_snapshot!(printed.stderr, @"
    error: there are no outputs of `.`
      help: they are kept when `imgc apply` or `imgc build` has ended; declare one with `output \"NAME\" { value = … }`
    ");
    assert_eq!(test.run(&["build", "."]).code, 0);
    insta::assert_snapshot!(test.run(&["output"]).stdout, @r#"
    apps = { one = "out/one.txt", two = "out/two.txt" }
    base = "out/base.txt"
    password = (sensitive value)
    "#);
    assert_eq!(test.run(&["output", "-raw", "base"]).stdout, "out/base.txt");
    assert_eq!(
        test.run(&["output", "-json", "base"]).stdout,
        "\"out/base.txt\"\n"
    );
    insta::assert_snapshot!(test.run(&["output", "-json"]).stdout, @r#"
    {
      "apps": {
        "value": {
          "one": "out/one.txt",
          "two": "out/two.txt"
        },
        "type": "object({one=string, two=string})",
        "sensitive": false,
        "description": null
      },
      "base": {
        "value": "out/base.txt",
        "type": "string",
        "sensitive": false,
        "description": "Where it is"
      },
      "password": {
        "value": null,
        "type": "string",
        "sensitive": true,
        "description": null
      }
    }
    "#);
    insta::assert_snapshot!(test.run(&["output", "bsae"]).stderr, @"
    error: there is no output `bsae`
      help: did you mean `base`?
    ");
    insta::assert_snapshot!(test.run(&["output", "password"]).stderr, @"
    error: the output `password` is sensitive: its value is kept nowhere
      help: a post-processor such as `shell-local` can hand it to where it is needed
    ");
    use std::os::unix::fs::PermissionsExt as _;
    let kept = std::fs::metadata(test.path(".imgc/outputs.json")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
}

#[test]
fn only_what_is_made_changes_outputs() {
    let test = Test::new(TEMPLATE);
    assert_eq!(test.run(&["build", "."]).code, 0);
    let printed = test.run(&["build", "-only=module.base.*", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(!printed.stdout.contains("app"), "{}", printed.stdout);
    let kept = test.run(&["output"]).stdout;
    assert!(kept.contains("out/two.txt"), "{kept}");
    // What was left out so far is said to be so.
    let test = Test::new(TEMPLATE);
    assert_eq!(test.run(&["build", "-only=module.base.*", "."]).code, 0);
    let printed = test.run(&["output", "apps"]);
    assert_eq!(printed.code, 4);
    insta::assert_snapshot!(printed.stderr, @"
    error: no run has made the output `apps` so far
      help: the builds it is made from were left out or failed: run `imgc apply` with them
    ");
    assert_eq!(test.run(&["build", "."]).code, 0);
    assert_eq!(test.run(&["output", "apps"]).code, 0);
    // A module's build brings in those of other modules whose outputs it uses.
    let test = Test::new(TEMPLATE);
    let printed = test.run(&["build", "-only=module.app[\"two\"].*", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(test.path("out/two.txt").exists() && !test.path("out/one.txt").exists());
}

#[test]
fn outputs_are_events() {
    let test = Test::new(TEMPLATE);
    let printed = test.run(&["build", "-json", "."]);
    assert!(
        printed.stdout.contains(
            r#""event":"output","name":"base","value":"out/base.txt","sensitive":false}"#
        ),
        "{}",
        printed.stdout
    );
    assert!(
        printed
            .stdout
            .contains(r#""event":"output","name":"password","value":null,"sensitive":true}"#),
        "{}",
        printed.stdout
    );
}
