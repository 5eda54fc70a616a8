//! `validate -sarif` as somebody else reads it: Microsoft's SARIF validator, with the form's own schema.
//!
//! Needs `sarif-multitool-linux` (`xtask/setup.sh` installs it), which exists for this architecture.
#![cfg(target_arch = "x86_64")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::Test;

const OWN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/testbed/sarif/node_modules/.bin/sarif-multitool-linux"
);

/// What the validator advises and a program without a home page, or a file that cannot be read, does not have.
const ADVICE: [&str; 2] = ["SARIF2005", "SARIF2017"];

/// Templates whose problems have every part that a problem can have.
const TEMPLATES: &[(&str, &str)] = &[
    ("nothing.pkr.hcl", "locals {\n  a = 1\n}\n"),
    // Corrections, several lines, letters of more than one unit.
    (
        "fixes.pkr.hcl",
        "variable \"näme😀\" {\n  default = 1\n}\nlocals {\n  \"a\" = \"😀 ${var.näm}\"\n  b = [\n    1,\n    loca.a\n  ]\n}\n",
    ),
    // Other places: in the same file, in none.
    (
        "places.pkr.hcl",
        "locals {\n  a = local.b\n  b = local.a\n}\nlocals {\n  a = 2\n}\n",
    ),
    ("syntax.pkr.hcl", "build {\n  sources = [\n"),
    ("empty.pkr.hcl", ""),
    (
        "in json/with blank.pkr.json",
        "{\"locals\": {\"a\": \"${var.x}\",}, \"build\": {\"sources\": [\"source.null.x\"]}}\n",
    ),
    ("in.imgc.toml", "[locals]\na = \"${var.x}\"\nb: 1\n"),
    (
        "legacy.json",
        "{\"builders\": [{\"type\": \"nul\", \"communicator\": \"none\"}], \"provisioners\": {}}\n",
    ),
];

#[test]
fn somebody_else_finds_no_mistake() {
    let test = Test::new("");
    let mut reports = Vec::new();
    let paths = TEMPLATES.iter().map(|(path, text)| {
        test.write(path, text);
        *path
    });
    for path in paths.chain(["missing.pkr.hcl"]).collect::<Vec<_>>() {
        let said = test.run(&["validate", "-sarif", path]).stdout;
        reports.push((path, said));
    }
    // Somebody else looks at what it is given.
    let damaged = reports[1].1.replace("\"startLine\"", "\"startline\"");
    reports.push(("damaged", damaged));
    let names: Vec<String> = (0..reports.len()).map(|at| format!("{at}.sarif")).collect();
    for (name, (_, report)) in names.iter().zip(&reports) {
        test.write(name, report);
    }
    let verdicts = validate(&test, &names);
    for (at, (path, report)) in reports.iter().enumerate() {
        let file = format!("{at}.sarif");
        let own = |verdict: &&(String, String, String)| verdict.0 == file;
        let rules: Vec<&str> = verdicts
            .iter()
            .filter(own)
            .map(|(_, rule, _)| rule.as_str())
            .collect();
        if *path == "damaged" {
            assert!(rules.contains(&"JSON1005"), "{rules:?}");
            continue;
        }
        // This one it says of each file that it understands.
        assert!(rules.contains(&"SARIF2005"), "{path} was not read");
        let wrong: Vec<_> = verdicts
            .iter()
            .filter(own)
            .filter(|(_, rule, _)| !ADVICE.contains(&rule.as_str()))
            .collect();
        assert!(wrong.is_empty(), "{path}: {wrong:#?}\n{report}");
    }
}

/// File, rule and arguments of everything that the validator says.
fn validate(test: &Test, names: &[String]) -> Vec<(String, String, String)> {
    let program = match Path::new(OWN).exists() {
        true => OWN,
        false => "sarif-multitool-linux",
    };
    let output = Command::new(program)
        .arg("validate")
        .args(names)
        .args(["--output", "verdict.json", "--log", "ForceOverwrite"])
        .current_dir(test.path("."))
        // It needs no library for languages then.
        .env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
        .output()
        .expect("the SARIF validator is installed; xtask/setup.sh does that");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let verdict = test.read("verdict.json");
    let verdict: Value = serde_json::from_str(verdict.trim_start_matches('\u{feff}')).unwrap();
    let results = verdict["runs"][0]["results"].as_array().unwrap();
    let of = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        let uri = match place["uri"].as_str() {
            Some(uri) => uri.to_owned(),
            None => {
                let index = place["index"].as_u64().unwrap() as usize;
                let artifact = &verdict["runs"][0]["artifacts"][index]["location"]["uri"];
                artifact.as_str().unwrap().to_owned()
            }
        };
        let file = uri.rsplit('/').next().unwrap().to_owned();
        let rule = result["ruleId"].as_str().unwrap().to_owned();
        (file, rule, result["message"].to_string())
    };
    results.iter().map(of).collect()
}
