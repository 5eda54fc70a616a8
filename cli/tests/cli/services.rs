//! Functions that ask services: asked by a run, once, and left open in a plan.

use imgc_testbed::Moto;

use crate::harness::{Printed, Test};

const TEMPLATE: &str = r#"
variable "token" {
  type    = string
  default = aws_secretsmanager("web/database", "token")
}
locals {
  password = aws_secretsmanager("web/database", "password")
  same     = aws_secretsmanager("web/database", "password")
  only     = aws_secretsmanager("web/only", "")
  plain    = aws_secretsmanager("web/plain", null)
  raw      = aws_secretsmanager_raw("web/only")
}
source "file" "note" {
  content = "${var.token} ${local.password} ${local.same} ${local.only} ${local.plain} ${local.raw}"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
  provisioner "shell-local" {
    inline = ["echo the password is ${local.password}"]
  }
}
"#;

const NOTE: &str =
    r#"t0ken-of-the-web hunter2-horse hunter2-horse one-only plain-text {"key": "one-only"}"#;

fn moto() -> Moto {
    let moto = Moto::start().unwrap();
    for (name, text) in [
        (
            "web/database",
            r#"{\"password\": \"hunter2-horse\", \"token\": \"t0ken-of-the-web\"}"#,
        ),
        ("web/only", r#"{\"key\": \"one-only\"}"#),
        ("web/plain", "plain-text"),
    ] {
        let body = format!(r#"{{"Name": "{name}", "SecretString": "{text}"}}"#);
        moto.call("secretsmanager", "CreateSecret", &body).unwrap();
    }
    moto
}

fn test(moto: &Moto, template: &str) -> Test {
    moto.env()
        .into_iter()
        .fold(Test::new(template), |test, (name, value)| {
            test.env(name, &value)
        })
}

fn no_secret(printed: &Printed) {
    let text = printed.text();
    for secret in ["hunter2-horse", "t0ken-of-the-web", "plain-text"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn secrets_of_aws_are_asked_by_a_run() {
    let moto = moto();
    let test = test(&moto, TEMPLATE);
    let applied = test.run(&["apply"]);
    assert_eq!(applied.code, 0, "{}", applied.text());
    assert_eq!(test.read("note.txt"), NOTE);
    assert!(
        applied.text().contains("the password is <sensitive>"),
        "{}",
        applied.text()
    );
    no_secret(&applied);
}

#[test]
fn a_secret_in_the_middle_of_a_text_is_hidden_where_a_program_prints_it() {
    let moto = moto();
    let template = r#"
source "file" "note" {
  content = "x"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
  provisioner "shell-local" {
    inline = [
      "T=${aws_secretsmanager_raw("web/plain")}; echo using $T now",
      "U=${upper(aws_secretsmanager("web/database", "token"))}; echo with $U too",
    ]
  }
  # Only the run knows which secret this is.
  provisioner "shell-local" {
    inline = ["V=${aws_secretsmanager("web/${substr(build.PackerRunUUID, 0, 0)}only", "key")}; echo and $V at last"]
  }
}
output "joined" {
  value     = join("/", [aws_secretsmanager("web/database", "password"), "x"])
  sensitive = true
}
"#;
    let test = test(&moto, template);
    for words in [&["plan", "-v", "-online"] as &[&str], &["build", "."]] {
        let printed = test.run(words);
        assert_eq!(printed.code, 0, "{}", printed.text());
        no_secret(&printed);
        if words[0] == "build" {
            let text = printed.text();
            assert!(text.contains("using <sensitive> now"), "{text}");
            assert!(text.contains("with <sensitive> too"), "{text}");
            assert!(text.contains("and <sensitive> at last"), "{text}");
        }
    }
    for (path, bytes) in test.files() {
        let text = String::from_utf8_lossy(&bytes);
        for secret in [
            "hunter2-horse",
            "T0KEN-OF-THE-WEB",
            "plain-text",
            "one-only",
        ] {
            assert!(!text.contains(secret), "{}: {secret}", path.display());
        }
    }
}

#[test]
fn a_plan_made_offline_asks_when_it_is_applied() {
    let moto = moto();
    let test = test(&moto, TEMPLATE);
    let planned = test.run(&["plan", "-out", "p.plan"]);
    assert_eq!(planned.code, 0, "{}", planned.text());
    let applied = test.run(&["apply", "p.plan"]);
    assert_eq!(applied.code, 0, "{}", applied.text());
    assert_eq!(test.read("note.txt"), NOTE);
    no_secret(&applied);
}

#[test]
fn nothing_is_asked_offline() {
    // Nobody answers there, and nobody is asked.
    let test = Test::new(TEMPLATE)
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        .env("AWS_REGION", "us-east-1");
    for arguments in [
        &["validate", "."] as &[&str],
        &["plan", "-v"],
        &["plan", "--json"],
        &["inspect", "."],
        &["graph"],
    ] {
        let printed = test.run(arguments);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
}

#[test]
fn what_goes_wrong_is_shown_at_the_call() {
    let moto = moto();
    let missing = r#"
locals {
  password = aws_secretsmanager("web/nothing", "password")
  key      = aws_secretsmanager("web/database", "user")
  vault    = vault("secret/data/web", "password")
}
source "null" "base" {
  communicator = "none"
}
build {
  sources = ["source.null.base"]
  provisioner "shell-local" {
    inline = [local.password, local.key, local.vault]
  }
}
"#;
    let test = test(&moto, missing);
    let printed = test.run(&["plan", "-online"]);
    let text = printed.text();
    assert_eq!(printed.code, 3, "{text}");
    for wanted in [
        "AWS Secrets Manager answered ResourceNotFoundException for the secret `web/nothing`",
        "the secret `web/database` has no key `user`",
        "Vault cannot be asked without a token; set `VAULT_TOKEN`, and `VAULT_ADDR`",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
}
