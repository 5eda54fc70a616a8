//! Data sources, read for runs and left open in plans.

use crate::harness::Test;

const TEMPLATE: &str = r#"
data "null" "greeting" {
  input = "hello ${uuidv4()}"
}
locals {
  text = "${data.null.greeting.output}\n"
}
source "file" "note" {
  content = local.text
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
}
"#;

#[test]
fn data_is_read_for_a_run_and_not_for_a_plan() {
    let test = Test::new(TEMPLATE);
    let offline = test.run(&["plan", "-v"]);
    assert_eq!(offline.code, 0, "{}", offline.text());
    assert!(!offline.stdout.contains("hello"), "{}", offline.stdout);
    let online = test.run(&["plan", "-v", "-online"]);
    assert_eq!(online.code, 0, "{}", online.text());
    assert!(online.stdout.contains("hello"), "{}", online.stdout);
    let applied = test.run(&["apply"]);
    assert_eq!(applied.code, 0, "{}", applied.text());
    assert!(test.read("note.txt").starts_with("hello "));
}

#[test]
fn a_plan_made_offline_is_checked_and_then_read_for() {
    let test = Test::new(TEMPLATE);
    assert_eq!(test.run(&["plan", "-out", "p.plan"]).code, 0);
    let applied = test.run(&["apply", "p.plan"]);
    assert_eq!(applied.code, 0, "{}", applied.text());
    assert!(test.read("note.txt").starts_with("hello "));
    test.write("main.pkr.hcl", TEMPLATE.replace("hello", "goodbye"));
    let stale = test.run(&["apply", "p.plan"]);
    assert_eq!(stale.code, 7, "{}", stale.text());
}

#[test]
fn a_plan_made_online_is_refused_when_the_data_has_changed() {
    let test = Test::new(&TEMPLATE.replace("hello ${uuidv4()}", "${file(\"now.txt\")}"));
    test.write("now.txt", "first");
    assert_eq!(test.run(&["plan", "-online", "-out", "p.plan"]).code, 0);
    test.write("now.txt", "second");
    let stale = test.run(&["apply", "p.plan"]);
    assert_eq!(stale.code, 7, "{}", stale.text());
}

#[test]
fn data_over_http_decides_what_is_built() {
    let mut server = std::process::Command::new("python3")
        .args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = server.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    let port = line.split_whitespace().nth(5).unwrap().to_owned();
    let test = Test::new(
        r#"
variable "port" {}
data "http" "manifest" {
  url = "http://127.0.0.1:${var.port}/Cargo.toml"
}
source "file" "note" {
  content = regex("name = \"([a-z]+)\"", data.http.manifest.body)[0]
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
}
"#,
    );
    let applied = test.run(&["apply", "-var", &format!("port={port}")]);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(applied.code, 0, "{}", applied.text());
    assert_eq!(test.read("note.txt"), "imgc");
    let failed = test.run(&["apply", "-force", "-var", &format!("port={port}")]);
    assert_eq!(failed.code, 3, "{}", failed.text());
    assert!(failed.stderr.contains("data/failed"), "{}", failed.text());
}
