//! Marked secrets go down every road, and everything that is written, shown or put on a command line is searched: for
//! their beginning and their end, as they are and encoded.

mod machines;
mod search;
mod services;
mod temporary;

use std::path::Path;

use search::{Watch, assert_clean, assert_clean_files, plain, secret};
use services::Services;

use crate::harness::Test;

/// Roads: `-var`, a variables file, the environment, a default, a sensitive local, a data source, Vault, Consul,
/// a module's input and output, `for_each`, options of provisioners and post-processors, a failing command.
const TEMPLATE: &str = r#"
variable "flag"        { sensitive = true }
variable "file"        { sensitive = true }
variable "environment" { sensitive = true }
variable "address"     {}
variable "key" {
  type      = string
  sensitive = true
}
variable "map" {
  type      = map(string)
  sensitive = true
}
variable "default" {
  default   = "zq8Marked-default-Kx4Tail"
  sensitive = true
}
data "http" "page" {
  url             = "${var.address}/page"
  request_headers = { Authorization = "Bearer ${var.default}" }
}
locals {
  joined  = "local-${var.file}"
  encoded = base64encode("user:${var.flag}")
  object  = { name = "x", token = var.environment }
  vault   = vault("secret/data/web", "password")
}
local "own" {
  expression = "zq8Marked-own local-Kx4Tail"
  sensitive  = true
}
local "consul" {
  expression = consul_key("web/token")
  sensitive  = true
}
local "page" {
  expression = data.http.page.body
  sensitive  = true
}
module "inner" {
  source = "./inner"
  token  = var.flag
}
source "file" "note" {
  content = "kept here on purpose: ${local.page}"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
  provisioner "shell-local" {
    env = {
      TOKEN = var.flag
      OTHER = local.own
      PAGE  = local.page
      KEY   = var.key
      INNER = module.inner.token
      OBJECT = local.object.token
    }
    environment_vars = ["FROM_FILE=${var.file}", "DEFAULT=${var.default}"]
    inline = [
      "echo plain $TOKEN \"$OTHER\" $PAGE $INNER $FROM_FILE $DEFAULT",
      "printf 'user:%s' \"$TOKEN\" | base64 -w0; echo; printf 'a:%s:z' \"$TOKEN\" | base64; printf 'ab%s' \"$TOKEN\" | base64",
      "printf %s \"$TOKEN\" | base64 | tr '+/' '-_' | tr -d '='",
      "printf %s \"$TOKEN\" | od -An -tx1 -v | tr -d ' \\n'; echo; printf %s \"$TOKEN\" | od -An -tx1 -v -w64",
      "printf %s \"$TOKEN\" | cut -c1-12 | tr -d '\\n'; sleep 0.2; printf %s \"$TOKEN\" | cut -c13-",
      "printf %s \"$TOKEN\" | fold -w 24; echo",
      "echo \"$KEY\"; echo \"$KEY\" | base64; printf %s \"$KEY\" | base64 -w 20",
      "echo '${local.encoded}' \"$OBJECT\"",
      "sleep 0.4",
    ]
  }
  provisioner "shell-local" {
    inline           = ["echo '${local.vault}' '${local.consul}' >&2; exit 3"]
    valid_exit_codes = [3]
  }
  provisioner "shell-local" {
    execute_command = ["/bin/sh", "-c", "echo '${var.default}' | cat; sleep 0.2; {{.Vars}} {{.Script}}"]
    inline          = ["echo ran by a command with a secret"]
  }
  provisioner "shell-local" {
    for_each = { first = 1 }
    env      = { VALUE = var.map[each.key] }
    inline   = ["set -x; echo ${each.key} \"$VALUE\" '${local.joined}'"]
  }
  post-processor "manifest" {
    output      = "manifest.json"
    custom_data = { token = local.own }
  }
  post-processor "checksum" {
    checksum_types = ["sha256"]
    output         = "sums.txt"
  }
  post-processor "shell-local" {
    env    = { TOKEN = var.environment }
    inline = ["echo failing with \"$TOKEN\" >&2; exit 9"]
  }
}
output "secret" {
  value     = module.inner.token
  sensitive = true
}
output "unmarked" {
  value = "a page: ${data.http.page.body}"
}
//- inner/inner.pkr.hcl
variable "token" { sensitive = true }
source "null" "inner" { communicator = "none" }
build {
  sources = ["null.inner"]
  provisioner "shell-local" {
    env    = { INNER = var.token }
    inline = ["echo inner $INNER"]
  }
}
output "token" {
  value     = "inner-${var.token}"
  sensitive = true
}
"#;

/// Several lines, the last one short.
fn key() -> String {
    let body =
        search::base64(format!("{} and more of it, {}", plain("key"), "x".repeat(90)).as_bytes());
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {MARK} KEY-----\n{}\nzq8=\n-----END KEY {TAIL}-----\n",
        lines.join("\n"),
        MARK = search::MARK,
        TAIL = search::TAIL
    )
}

/// Runs a command and looks at what it says.
fn looked_at(test: &Test, words: &[&str]) -> String {
    let text = test.run(words).text();
    assert_clean(&format!("{words:?}"), &text);
    text
}

#[test]
fn no_road_leads_a_secret_out() {
    let vault = format!(
        r#"{{"data": {{"data": {{"password": "{}"}}}}}}"#,
        plain("vault")
    );
    let services = Services::start(vec![
        ("/page", plain("page")),
        ("/v1/secret/data/web", vault),
        ("/v1/kv/web/token", plain("consul")),
    ]);
    let test = Test::new(TEMPLATE)
        .env("PKR_VAR_environment", &secret("environment"))
        .env("PKR_VAR_key", &key())
        .env("VAULT_ADDR", &services.address)
        .env("VAULT_TOKEN", &plain("vault-token"))
        .env("CONSUL_HTTP_ADDR", &services.address)
        .env("PACKER_LOG", "1")
        .env("PACKER_LOG_PATH", "debug.log");
    test.write(
        "secret.pkrvars.hcl",
        format!(
            "file = \"{}\"\nmap = {{ first = \"{}\" }}\n",
            plain("file"),
            plain("map")
        ),
    );
    let flag = format!("flag={}", secret("flag"));
    let address = format!("address={}", services.address);
    let given = [
        "-var",
        &flag,
        "-var",
        &address,
        "-var-file=secret.pkrvars.hcl",
        ".",
    ];
    let watch = Watch::start(test.path("."), Vec::new());
    let commands: [&[&str]; 16] = [
        &["validate"],
        &["validate", "-json"],
        &["inspect"],
        &["inspect", "-json"],
        &["graph"],
        &["plan", "-v"],
        &["plan", "-json"],
        &["plan", "-online", "-v"],
        &["plan", "-online", "-json"],
        &["plan", "-online", "-out=x.plan"],
        &["build", "-trace=trace.json"],
        &["build", "-json", "-force"],
        &["build", "-machine-readable", "-force"],
        &["build", "-color", "-force", "-timestamp-ui"],
        &["apply", "-auto-approve"],
        &["plan", "-online", "-explain"],
    ];
    for words in commands {
        let text = looked_at(&test, &[words, &given].concat());
        if matches!(words[0], "build" | "apply") {
            for wanted in ["failing with", "ran by a command", "inner "] {
                assert!(
                    text.contains(wanted),
                    "{words:?} got as far as `{wanted}`\n{text}"
                );
            }
        } else {
            assert!(text.ends_with("[exit 0]"), "{words:?}\n{text}");
        }
    }
    let seen = watch.stop();
    for words in [
        &["show", "last"] as &[&str],
        &["show", "last", "-json"],
        &["logs", "last"],
        &["history", "-json"],
        &["images", "-json"],
        &["output"],
        &["output", "-json"],
        &["output", "secret"],
        &["gc"],
    ] {
        looked_at(&test, words);
    }
    test.write(
        "expressions.txt",
        "var.flag\nlocal.own\nupper(var.file)\nlocal.object\nbase64encode(local.own)\nmodule.inner.token\nregex(\"(\", var.flag)\n",
    );
    let expressions = std::fs::File::open(test.path("expressions.txt")).unwrap();
    let mut console = test.command(&[&["console"], &given[..]].concat());
    let printed = test.finish(console.stdin(expressions).spawn().unwrap());
    assert!(printed.stdout.contains("<sensitive>"), "{}", printed.text());
    assert_clean("console", &printed.text());
    let asked = services.asked().concat();
    assert!(
        asked.contains(&plain("default")),
        "the header was sent: {asked}"
    );
    assert!(asked.contains(&plain("vault-token")), "{asked}");
    seen.assert_private();
    assert!(!seen.files.is_empty(), "no script with a secret was seen");
    assert_clean_files(
        &test.files(),
        &[
            "main.pkr.hcl",
            "secret.pkrvars.hcl",
            "note.txt",
            "manifest.json",
        ],
    );
    no_scratch(&test.path("."));
}

/// No directory of a run is left.
fn no_scratch(directory: &Path) {
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let left: Vec<String> = names.filter(|name| name.starts_with("imgc-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn templates_in_other_languages_mark_secrets_as_well() {
    let legacy = r#"{
  "variables": { "token": null, "other": "zq8Marked-other-Kx4Tail" },
  "sensitive-variables": ["token", "other"],
  "builders": [{ "type": "null", "communicator": "none" }],
  "provisioners": [{
    "type": "shell-local",
    "environment_vars": ["TOKEN={{user `token`}}"],
    "execute_command": ["/bin/sh", "-c", "echo {{user `other`}} | cat; sleep 0.1; {{.Vars}} {{.Script}}"],
    "inline": ["echo token $TOKEN; printf %s \"$TOKEN\" | base64"]
  }]
}"#;
    let toml = r#"
[variable.token]
sensitive = true

[local.other]
expression = "other-${var.token}"
sensitive = true

[source.null.base]
communicator = "none"

[[build]]
sources = ["null.base"]

[[build.provisioner]]
type = "shell-local"
inline = ['echo token ${var.token}; echo ${local.other} | base64']
"#;
    for (name, text) in [("legacy.json", legacy), ("main.pkr.toml", toml)] {
        let test = Test::new("");
        test.write(name, text);
        test.write(
            "secret.pkrvars.json",
            format!(r#"{{ "token": "{}" }}"#, plain("token")),
        );
        let watch = Watch::start(test.path("."), Vec::new());
        for words in [
            &["validate"] as &[&str],
            &["inspect"],
            &["plan", "-v"],
            &["plan", "-json"],
            &["build"],
            &["build", "-json"],
            &["build", "-machine-readable"],
        ] {
            let text = looked_at(
                &test,
                &[words, &["-var-file=secret.pkrvars.json", name]].concat(),
            );
            assert!(text.ends_with("[exit 0]"), "{name} {words:?}\n{text}");
            assert!(
                words[0] != "build" || text.contains("token <sensitive>"),
                "{text}"
            );
        }
        watch.stop().assert_private();
        assert_clean_files(&test.files(), &[name, "secret.pkrvars.json"]);
    }
}

/// What is written after `locals { x = `; the mistake is in it.
const MISTAKES: &[&str] = &[
    "tonumber(var.token)",
    "tobool(\"${var.token}\")",
    "regex(\"(\", var.token)",
    "regex(var.token, \"x\")",
    "jsondecode(var.token)",
    "yamldecode(\"a: [${var.token}\")",
    "base64decode(var.token)",
    "file(var.token)",
    "parseint(var.token, 10)",
    "formatdate(var.token, timestamp())",
    "timeadd(timestamp(), var.token)",
    "cidrhost(var.token, 1)",
    "lookup({ a = 1 }, var.token)",
    "{ a = 1 }[var.token]",
    "[1, 2][var.token]",
    "var.token + 1",
    "var.token ? 1 : 2",
    "var.token.name",
    "[for x in var.token : x]",
    "{ for x in [var.token, var.token] : x => 1 }",
    "templatefile(var.token, {})",
    "element([], var.token)",
    "var.object.zq",
    "index([\"a\"], var.token)",
    "format(\"%d\", var.token)",
    "coalesce(var.token...)",
    "strcontains(var.token)",
];

/// What is written after `for_each = `: keys are shown, so they may be no secrets.
const KEYS: &[&str] = &[
    "{ (var.token) = 1 }",
    "{ for x in [1] : var.token => x }",
    "convert([var.token], set(string))",
    "[var.token]",
    "split(\"-\", var.token)",
];

#[test]
fn no_key_of_an_instance_is_a_secret() {
    for keys in KEYS {
        let test = Test::new(&format!(
            "variable \"token\" {{ sensitive = true }}\nsource \"null\" \"base\" {{\n  communicator = \"none\"\n  for_each = {keys}\n}}\n\
             build {{\n  sources = [\"null.base\"]\n  provisioner \"shell-local\" {{ inline = [\"echo x\"] }}\n}}\n"
        ))
        .env("PKR_VAR_token", &plain("token"));
        for words in [&["validate"] as &[&str], &["plan"], &["build"]] {
            let text = looked_at(&test, &[words, &["."]].concat());
            assert!(text.contains("check/sensitive-key"), "{keys}\n{text}");
        }
    }
}

#[test]
fn messages_about_mistakes_show_no_secret() {
    for mistake in MISTAKES {
        let test = Test::new(&format!(
            "variable \"token\" {{ sensitive = true }}\nvariable \"object\" {{\n  default   = {{ name = \"zq8Marked\" }}\n  sensitive = true\n}}\n\
             locals {{\n  x = {mistake}\n}}\nsource \"null\" \"base\" {{ communicator = \"none\" }}\nbuild {{\n  sources = [\"null.base\"]\n  \
             provisioner \"shell-local\" {{ inline = [\"echo ${{jsonencode(local.x)}}\"] }}\n}}\n"
        ))
        .env("PKR_VAR_token", &plain("token"));
        for form in [
            &["validate"] as &[&str],
            &["validate", "-json"],
            &["validate", "-sarif"],
            &["build"],
        ] {
            let text = looked_at(&test, &[form, &["."]].concat());
            assert!(!text.ends_with("[exit 0]"), "{mistake} is none\n{text}");
        }
        assert_clean_files(&test.files(), &["main.pkr.hcl"]);
    }
}

#[test]
fn lines_around_a_mistake_show_no_secret() {
    let cases = [
        "variable \"a\" {\n  default   = \"zq8Marked-a\"\n  type = numbr\n  sensitive = true\n}\n",
        "variable \"a\" {\n  type = number\n  default   = \"zq8Marked-a\"\n  sensitive = true\n}\n",
        "variable \"a\" {\n  sensitve = true\n  sensitive = true\n  default   = { b = \"zq8Marked-a\" }\n}\n",
        "local \"a\" {\n  expression = \"zq8Marked-a\"\n  sensitve = true\n  sensitive = true\n}\n",
        "variable \"a\" {\n  default = \"zq8Marked-a\"\n  sensitive = true\n  validation {\n    condition = var.a == \"x\"\n    error_message = \"Not ${var.a}.\"\n  }\n}\n",
    ];
    for case in cases {
        let test = Test::new(case);
        for form in [
            &["validate"] as &[&str],
            &["validate", "-json"],
            &["validate", "-sarif"],
        ] {
            let text = looked_at(&test, &[form, &["."]].concat());
            assert!(!text.ends_with("[exit 0]"), "{text}");
        }
    }
    let test = Test::new("variable \"a\" {\n  type = number\n  sensitive = true\n}\n");
    for form in [&["validate"] as &[&str], &["validate", "-json"], &["plan"]] {
        let text = looked_at(&test, &[form, &["-var", "a=zq8Marked-a", "."]].concat());
        assert!(!text.ends_with("[exit 0]"), "{text}");
    }
}

#[test]
fn a_secret_that_only_an_argument_could_carry_is_refused() {
    let test = Test::new(
        r#"
variable "token" {
  default   = "zq8Marked-argument"
  sensitive = true
}
source "null" "base" { communicator = "none" }
build {
  sources = ["null.base"]
  provisioner "shell-local" {
    execute_command = ["env", "TOKEN=${var.token}", "/bin/sh", "{{.Script}}"]
    inline          = ["echo never"]
  }
}
"#,
    );
    let watch = Watch::start(test.path("."), Vec::new());
    let text = looked_at(&test, &["build", "."]);
    watch.stop().assert_private();
    assert!(
        text.contains("a secret in an argument") && text.ends_with("[exit 3]"),
        "{text}"
    );
    assert!(!text.contains("never\n"), "{text}");
}
