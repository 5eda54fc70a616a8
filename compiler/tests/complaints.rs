//! What implementations say about options: no secret in it, and nothing that has been said.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::{ComponentKind, Components, Problem};
use imgc_compiler::diagnostic::plain;
use imgc_compiler::source::{FixedWorld, Memory, World};
use imgc_compiler::value::Value;

/// Looks at a few options as implementations do, and shows what it does not like, whole, cut and converted.
struct Strict;

impl Components for Strict {
    fn has(&self, _: ComponentKind, _: &str) -> bool {
        true
    }

    fn check(&self, kind: ComponentKind, _: &str, options: &Value) -> Vec<Problem> {
        if kind == ComponentKind::Communicator {
            return Vec::new();
        }
        let problem = |option: &str, message: String| {
            let help = format!("change this: {message}");
            Problem::new(message).of(option).help(help)
        };
        let text = |name: &str| options.get(name).and_then(Value::as_str);
        let mut problems = Vec::new();
        if let Some(timeout) = text("ssh_timeout").filter(|text| !text.ends_with('m')) {
            problems.push(problem("ssh_timeout", format!("`{timeout}` is no length")));
        }
        if let Some(host) = text("ssh_host").filter(|text| text.len() > 4) {
            problems.push(problem("ssh_host", format!("`{}…` is long", &host[..4])));
        }
        if text("ssh_password").is_some() && text("ssh_username") == Some("root") {
            let message = "no password for `root`, please".to_owned();
            problems.push(problem("ssh_password", message));
        }
        if let Some(port) = options.get("ssh_port").and_then(Value::as_number) {
            let message = format!("{port} is taken");
            problems.push(Problem {
                options: Vec::new(),
                ..problem("", message)
            });
        }
        for ty in options
            .get("checksum_types")
            .and_then(Value::as_slice)
            .unwrap_or_default()
        {
            let ty = ty.as_str().unwrap().to_uppercase();
            problems.push(problem("checksum_types", format!("`{ty}` is no sum")));
        }
        if kind == ComponentKind::Provisioner
            && text("script").is_none()
            && options.get("inline").is_none()
        {
            let message = "provisioner needs the option `script`".to_owned();
            problems.push(problem("script", message));
        }
        problems
    }

    fn read(&self, name: &str, options: &Value) -> Result<Value, Problem> {
        let url = options.get("url").and_then(Value::as_str).unwrap();
        Err(Problem::new(format!("{name}: nothing at {url}")).help(format!("try {url} yourself")))
    }
}

fn problems(file: &str, text: &str) -> String {
    let request = Request {
        path: file.into(),
        online: true,
        vars: vec!["given=GIVEN-hunter3".to_owned()],
        undeclared_allowed: true,
        ..Request::default()
    };
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    let compilation = compile(&request, &Memory::new([(file, text)]), &world, &Strict);
    let text = plain::render(&compilation.sources, &compilation.diagnostics);
    for secret in ["hunter", "HUNTER", "hunt", "2222"] {
        let shown = text.lines().any(|line| line.contains(secret));
        assert!(!shown, "`{secret}` is shown in\n{text}");
    }
    text
}

const SECRETS: &str = r#"
variable "pw" {
  default   = "h\u0075nter2"
  sensitive = true
}
variable "given" {
  type      = string
  sensitive = true
}
variable "port" {
  default   = 2221 + 1
  sensitive = true
}
"#;

#[test]
fn nothing_that_components_say_shows_a_secret() {
    let text = format!(
        r#"{SECRETS}
source "null" "whole" {{
  ssh_host    = var.pw
  ssh_timeout = "${{var.given}}m0"
  ssh_port    = var.port
}}
build {{
  sources = ["null.whole"]
  post-processor "checksum" {{
    checksum_types = [var.pw]
  }}
}}
"#
    );
    let text = problems("main.pkr.hcl", &text);
    assert_eq!(text.matches("check/invalid-option").count(), 3, "{text}");
    assert!(
        text.contains("cannot use this value of `ssh_host`"),
        "{text}"
    );
    assert!(text.contains("cannot use these options"), "{text}");
    assert!(
        text.contains("cannot use this value of `checksum_types`"),
        "{text}"
    );
    assert_eq!(text.matches("check/invalid-duration").count(), 1, "{text}");
}

#[test]
fn a_legacy_template_keeps_its_secrets_as_well() {
    let text = r#"{
  "variables": {"pw": "h\u0075nter2"},
  "sensitive-variables": ["pw"],
  "builders": [{"type": "null", "ssh_host": "a-{{user `pw`}}", "communicator": "none"}],
  "post-processors": [{"type": "checksum", "checksum_types": ["{{user `pw`}}"]}]
}"#;
    let text = problems("main.json", text);
    assert_eq!(text.matches("check/invalid-option").count(), 2, "{text}");
}

#[test]
fn what_does_not_depend_on_a_secret_is_said() {
    let text = format!(
        r#"{SECRETS}
source "null" "x" {{
  ssh_host     = "h"
  ssh_username = "root"
  ssh_password = var.given
}}
build {{
  sources = ["null.x"]
}}
"#
    );
    let text = problems("main.pkr.hcl", &text);
    assert!(text.contains("no password for `root`, please"), "{text}");
}

#[test]
fn a_data_source_that_fails_shows_no_secret() {
    let text = r#"
variable "given" {
  type      = string
  sensitive = true
}
data "http" "x" {
  url = "http://${var.given}/"
}
source "null" "x" {
  communicator = "none"
}
build {
  sources = ["null.x"]
  provisioner "shell-local" {
    inline = [data.http.x.body]
  }
}
"#;
    let text = problems("main.pkr.hcl", text);
    assert!(text.contains("data/failed"), "{text}");
    assert!(text.contains("nothing at (sensitive)"), "{text}");
}

#[test]
fn a_mistake_is_said_once() {
    let text = r#"
source "null" "x" {
  ssh_host       = "long-enough"
  ssh_timeout    = "5 min"
  ssh_username   = "admin"
  ssh_agent_auth = true
}
build {
  sources = ["null.x"]
  provisioner "shell" {}
}
"#;
    let text = problems("main.pkr.hcl", text);
    let ids = [
        "check/invalid-duration",
        "check/missing-option",
        "check/invalid-option",
    ];
    let counts = ids.map(|id| text.matches(id).count());
    assert_eq!(counts, [1, 1, 1], "{text}");
    assert!(text.contains("`long…` is long"), "{text}");
}
