//! Marked secrets go down every road, and everything that is written, shown or put on a command line is searched.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::Test;

/// What every secret begins with, and the two halves that are written one after the other.
const MARK: &str = "zq8Marked";

const TEMPLATE: &str = r#"
variable "flag"        { sensitive = true }
variable "file"        { sensitive = true }
variable "environment" { sensitive = true }
variable "error"       { sensitive = true }
locals {
  joined = "local-${var.file}"
}
local "own" {
  expression = "zq8Marked-own local"
  sensitive  = true
}
source "file" "note" {
  content = "kept here on purpose"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
  provisioner "shell-local" {
    env = { TOKEN = var.flag, OTHER = local.own }
    inline = [
      "echo plain $TOKEN '${var.file}' \"$OTHER\"",
      "printf 'user:%s' \"$TOKEN\" | base64 -w0; echo",
      "printf %s \"$TOKEN\" | cut -c1-12 | tr -d '\\n'; sleep 0.2; printf %s \"$TOKEN\" | cut -c13-",
      "sleep 0.3",
    ]
  }
  provisioner "shell-local" {
    inline          = ["echo ${var.environment} >&2; echo '${local.joined}'; exit 3"]
    valid_exit_codes = [3]
  }
  post-processor "shell-local" {
    env    = { TOKEN = var.error }
    inline = ["echo failing with $TOKEN >&2; exit 9"]
  }
}
"#;

fn secrets() -> Vec<String> {
    ["flag 'q'\"", "file", "environment", "error", "own local"]
        .iter()
        .map(|name| format!("{MARK}-{name}"))
        .collect()
}

/// Command lines of all processes, as long as it is wanted.
fn watch(stop: Arc<AtomicBool>) -> std::thread::JoinHandle<BTreeSet<String>> {
    std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !stop.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                if line.contains(MARK) {
                    seen.insert(line);
                }
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        seen
    })
}

#[test]
fn no_road_leads_a_secret_out() {
    let secrets = secrets();
    let test = Test::new(TEMPLATE)
        .env("PKR_VAR_environment", &secrets[2])
        .env("PKR_VAR_error", &secrets[3])
        .env("PKR_VAR_flag", &secrets[0])
        .env("PACKER_LOG", "1");
    test.write("secret.pkrvars.hcl", format!("file = \"{}\"\n", secrets[1]));
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = watch(stop.clone());
    let file = ["-var-file=secret.pkrvars.hcl", "."];
    let commands: [&[&str]; 9] = [
        &["plan", "-v"],
        &["plan", "-json"],
        &["plan", "-out=x.plan"],
        &["build", "-trace=trace.json"],
        &["build", "-json", "-force"],
        &["build", "-machine-readable", "-force"],
        &["apply", "-auto-approve"],
        &["show", "last"],
        &["logs", "last"],
    ];
    for words in commands {
        let mut arguments = words.to_vec();
        if !matches!(words[0], "show" | "logs") {
            arguments.extend(file);
        }
        let text = test.run(&arguments).text();
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{words:?}: {secret}\n{text}"
            );
        }
        assert!(
            !text.contains("enE4TWFya2Vk"),
            "{words:?} in base64\n{text}"
        );
        if words[0] == "build" {
            assert!(
                text.contains("failing with"),
                "{words:?} got that far\n{text}"
            );
        }
    }
    stop.store(true, Ordering::Relaxed);
    let lines = watcher.join().unwrap();
    assert!(lines.is_empty(), "on command lines: {lines:?}");
    for (path, bytes) in test.files() {
        // What the test itself has written, and nothing else.
        let ours = ["main.pkr.hcl", "secret.pkrvars.hcl"];
        if ours.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(MARK), "{}: {text}", path.display());
    }
}
