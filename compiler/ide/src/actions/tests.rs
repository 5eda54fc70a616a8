//! Changes and what they make of files.
#![allow(clippy::unwrap_used)]

use crate::fixture::{Seen, fixture, name};

/// The titles of all actions between the marks, and the files after the one whose title has `wanted` in it.
fn act(text: &str, wanted: &str) -> String {
    let f = fixture(text);
    let actions = f.analysis.code_actions(&f.path, f.range).unwrap();
    let mut shown: String = actions
        .iter()
        .map(|action| format!("* {}\n", action.title))
        .collect();
    let Some(action) = actions.iter().find(|action| action.title.contains(wanted)) else {
        return shown;
    };
    for (path, edits) in &action.edit.edits {
        let mut text = f.analysis.text(path).unwrap().to_string();
        for edit in edits.iter().rev() {
            let range = edit.range.start as usize..edit.range.end as usize;
            text.replace_range(range, &edit.text);
        }
        shown.push_str(&format!("//- {}\n{text}", name(path)));
    }
    for (path, text) in &action.edit.create {
        shown.push_str(&format!("//- new {}\n{text}", name(path)));
    }
    for path in &action.edit.delete {
        shown.push_str(&format!("//- without {}\n", name(path)));
    }
    shown
}

fn check(test: &str, cases: &[(&str, &str)]) {
    let mut seen = Seen::default();
    for (case, wanted) in cases {
        seen.add(&format!("{case}\n<- {wanted}"), &act(case, wanted));
    }
    seen.check(test);
}

#[test]
fn fixes_of_problems() {
    check(
        "fixes_of_problems",
        &[
            (
                "source \"null\" \"a\" {\n  communicat$0r = \"none\"\n}\n",
                "change",
            ),
            (
                "variable \"region\" { default = 1 }\nlocals { a = var.regi$0n }\n",
                "change",
            ),
            (
                "//- a.pkr.hcl\nlocals { a = 1 }\nlocals { b = local.$0aa }\nlocals { c = local.aa }\n",
                "Solve all",
            ),
        ],
    );
}

#[test]
fn missing_options() {
    check(
        "missing_options",
        &[
            (
                "source \"amazon-ebs\" \"a\" {$0\n  region = \"x\"\n}\n",
                "required",
            ),
            (
                "build {\n  sources = [\"null.a\"]\n  provisioner \"she$0ll\" {}\n}\n",
                "required",
            ),
            (
                "source \"amazon-ebs\" \"a\" {\n  ami_name = \"x\"\n  source_ami_filter {\n    $0\n  }\n}\n",
                "required",
            ),
            (
                "build {\n  provisioner \"shell\" {\n    $0script = \"x\"\n  }\n}\n",
                "required",
            ),
        ],
    );
}

#[test]
fn values_with_names() {
    check(
        "values_with_names",
        &[
            (
                "source \"amazon-ebs\" \"a\" {\n  region = \"eu-$0west-1\"\n}\n",
                "variable",
            ),
            (
                "# about it\nsource \"null\" \"a\" {\n  ssh_password = \"pw$0\"\n}\n",
                "variable",
            ),
            (
                "variable \"region\" {}\nsource \"amazon-ebs\" \"a\" {\n  region = \"x-${var.r}$0\"\n}\n",
                "local",
            ),
            (
                "source \"amazon-ebs\" \"a\" {\n  tags = {$0\n    a = \"1\"\n  }\n}\n",
                "local",
            ),
            ("locals { a = [for x in [1] : x $0+ 1] }\n", "local"),
            ("variable \"x\" { default = \"a$0\" }\n", "variable"),
            (
                "build {\n  provisioner \"shell\" {\n    inline = [\"echo $0${build.ID}\"]\n  }\n}\n",
                "local",
            ),
        ],
    );
}

#[test]
fn unused_names_go_away() {
    check(
        "unused_names_go_away",
        &[
            (
                "variable \"a\" {}\n\nvariable \"$0x\" {\n  default = 1\n}\n\nlocals {\n  b = var.a\n}\n//- a.auto.pkrvars.hcl\nx = 1\na = 2\n",
                "Remove",
            ),
            ("locals {\n  a = 1 # one\n  $0b = local.a\n}\n", "Remove"),
            ("locals { $0a = 1 }\n", "Remove"),
            (
                "variable \"$0x\" {\n  validation {\n    condition = var.x > 1\n    error_message = \"no\"\n  }\n}\n",
                "Remove",
            ),
        ],
    );
}

#[test]
fn other_languages_become_hcl() {
    check(
        "other_languages_become_hcl",
        &[
            (
                "//- a.json\n{\"variables\": {\"v\": \"1\"}, \"builders\": [{\"type\": \"null\", \"ssh_host\": \"{{user `v`}}\"}$0]}\n",
                "Convert",
            ),
            ("//- a.imgc.toml\n$0[locals]\na = 1\n", "Convert"),
            (
                "//- a.json\n{\"builders\": [{\"type\": \"null\"}$0]}\n//- a.pkr.hcl\n",
                "Convert",
            ),
        ],
    );
}

#[test]
fn unknown_names_can_be_declared() {
    check(
        "unknown_names_can_be_declared",
        &[
            ("# c\nlocals { a = var.$0x }\n", "Declare"),
            (
                "build {\n  sources = [\"source.null.$0web\"]\n}\n",
                "Declare",
            ),
            (
                "variable \"a\" {}\n//- a.auto.pkrvars.hcl\n$0x = 1\n",
                "Declare",
            ),
            ("variable \"a\" {}\nlocals { b = var.$0a }\n", "Declare"),
        ],
    );
}

#[test]
fn blocks_are_written_in_the_language_of_the_file() {
    check(
        "blocks_are_written_in_the_language_of_the_file",
        &[
            // What is required.
            (
                "//- a.imgc.toml\n[source.amazon-ebs.a]\nregi$0on = \"x\"\n\n[source.amazon-ebs.a.run_tags]\na = \"b\"\n\n[[build]]\nsources = [\"amazon-ebs.a\"]\n",
                "required",
            ),
            (
                "//- a.pkr.json\n{\n  \"source\": {\n    \"amazon-ebs\": {\n      \"a\": {\n        \"regi$0on\": \"x\"\n      }\n    }\n  }\n}\n",
                "required",
            ),
            (
                "//- a.pkr.json\n{\"build\": {\"provisioner\": {\"fi$0le\": {}}}}\n",
                "required",
            ),
            (
                "//- a.json\n{\n  \"builders\": [\n    {\"type\": \"null\"}\n  ],\n  \"provisioners\": [\n    {\n      \"type\": \"fi$0le\",\n      \"source\": \"x\"\n    }\n  ]\n}\n",
                "required",
            ),
            // A value gets a name.
            (
                "//- a.imgc.toml\n[source.null.a]\nssh_host = \"h$0\"\n",
                "variable",
            ),
            (
                "//- a.imgc.toml\n[locals]\na = 1\n\n[source.null.a]\nssh_host = \"h$0\"\n",
                "local",
            ),
            (
                "//- a.imgc.toml\n[source.null.a]\nssh_password = \"h$0\"\n",
                "variable",
            ),
            (
                "//- a.pkr.json\n{\n  \"source\": {\"null\": {\"a\": {\"ssh_port\": 2$02}}}\n}\n",
                "variable",
            ),
            (
                "//- a.pkr.json\n{\n  \"variable\": {\n    \"x\": {}\n  },\n  \"source\": {\"null\": {\"a\": {\"ssh_host\": \"$0h\"}}}\n}\n",
                "variable",
            ),
            (
                "//- a.pkr.json\n{\"locals\": {\"a\": 1}, \"source\": {\"null\": {\"a\": {\"ssh_host\": \"$0h-${local.a}\"}}}}\n",
                "local",
            ),
            (
                "//- a.json\n{\n  \"builders\": [\n    {\"type\": \"null\", \"ssh_host\": \"h$0\"}\n  ]\n}\n",
                "variable",
            ),
            // A name gets a declaration.
            (
                "//- a.imgc.toml\n[locals]\na = \"${var.r$0egion}\"\n",
                "Declare",
            ),
            (
                "//- a.pkr.json\n{\n  \"locals\": {\n    \"a\": \"${local.b$0}\"\n  }\n}\n",
                "Declare",
            ),
            (
                "//- a.pkr.json\n{\n  \"build\": {\"sources\": [\"source.null.b$0\"]}\n}\n",
                "Declare",
            ),
            // What nothing uses goes.
            (
                "//- a.imgc.toml\n[variable.x$0]\ntype = \"string\"\n\n[[variable.x.validation]]\ncondition = true\nerror_message = \"No.\"\n\n[locals]\na = 1\n//- a.auto.pkrvars.toml\nx = 1\n",
                "Remove",
            ),
            (
                "//- a.imgc.toml\n[locals]\na$0 = [\n  1\n]\nb = \"${local.b}\"\n",
                "Remove",
            ),
            (
                "//- a.pkr.json\n{\n  \"variable\": {\n    \"x$0\": {\n      \"default\": 1\n    },\n    \"y\": {}\n  },\n  \"locals\": {\"a\": \"${var.y}\"}\n}\n",
                "Remove",
            ),
            (
                "//- a.pkr.json\n{\"locals\": {\"a\": 1, \"b$0\": 2}}\n",
                "Remove",
            ),
            (
                "//- a.pkr.json\n{\n  \"locals\": {\n    \"a$0\": 1\n  }\n}\n//- a.auto.pkrvars.json\n{}\n",
                "Remove",
            ),
        ],
    );
}
