//! `imgc convert`: files in another language beside the original, compared before they are written.

use crate::harness::Test;

const TEMPLATE: &str = r#"
# What the image is called.
variable "name" {
  type = string
}

source "null" "base" {
  communicator = "none"
}

build {
  sources = ["source.null.base"]

  provisioner "shell-local" {
    inline = ["echo ${var.name}", "echo $HOME"] # says both
  }

  post-processor "manifest" {}
}
"#;

/// What commands print, and what is in files afterwards.
fn transcript(test: &Test, commands: &[&str], files: &[&str]) -> String {
    let mut out = String::new();
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        out.push_str(&format!("$ imgc {command}\n{}\n", test.run(&words).text()));
    }
    for file in files {
        out.push_str(&format!("==> {file}\n{}\n", test.read(file)));
    }
    let mut names: Vec<String> = test
        .files()
        .iter()
        .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    out.push_str(&format!("there are: {}\n", names.join(", ")));
    out
}

#[test]
fn a_template_goes_to_json_and_back() {
    let test = Test::new(TEMPLATE);
    let commands = [
        "convert -to json main.pkr.hcl",
        "convert main.pkr.json -output-file=back.pkr.hcl -with-annotations",
        "convert main.pkr.hcl",
    ];
    let files = ["main.pkr.json", "back.pkr.hcl"];
    insta::assert_snapshot!("json_and_back", transcript(&test, &commands, &files));
}

#[test]
fn nothing_is_overwritten_without_being_asked() {
    let test = Test::new(TEMPLATE);
    test.write("main.pkr.json", "{}");
    let commands = [
        "convert -to=json main.pkr.hcl",
        "convert -to=json -check main.pkr.hcl",
        "convert -to=json -force main.pkr.hcl",
        "convert -to=json -check main.pkr.hcl",
    ];
    insta::assert_snapshot!("not_overwritten", transcript(&test, &commands, &[]));
}

#[test]
fn a_check_names_what_differs() {
    let test = Test::new(TEMPLATE);
    test.run(&["convert", "-to=json", "main.pkr.hcl"]);
    let changed = test.read("main.pkr.json").replace("$HOME", "there");
    test.write("main.pkr.json", changed);
    let commands = ["convert -to=json -check main.pkr.hcl"];
    insta::assert_snapshot!("check_differs", transcript(&test, &commands, &[]));
}

#[test]
fn files_of_variables_are_converted_too() {
    let test = Test::new(
        "//- a.auto.pkrvars.hcl\n# Where.\nplace = \"$${not} a template\"\nlist = [1, { b = null }]\n",
    );
    let commands = [
        "convert -to=json a.auto.pkrvars.hcl",
        "convert a.auto.pkrvars.json -output-file -",
    ];
    insta::assert_snapshot!(
        "variables",
        transcript(&test, &commands, &["a.auto.pkrvars.json"])
    );
}

#[test]
fn a_directory_is_converted_file_by_file() {
    let test = Test::new(TEMPLATE);
    test.write("more.pkr.hcl", "locals {\n  a = 1\n}\n");
    let commands = [
        "convert -to=json -remove .",
        "convert -to=json .",
        "convert -output-file=x.pkr.hcl .",
        "convert .",
    ];
    insta::assert_snapshot!("directory", transcript(&test, &commands, &[]));
}

#[test]
fn a_file_that_cannot_be_read_is_not_converted() {
    let test = Test::new("locals {\n  a = [1, \n}\n");
    let commands = [
        "convert -to=json main.pkr.hcl",
        "convert -to=json nowhere.pkr.hcl",
    ];
    insta::assert_snapshot!("not_readable", transcript(&test, &commands, &[]));
}

const LEGACY: &str = r#"//- old.json
{
  "_comment": "What the team builds.",
  "variables": { "name": "web", "image": "{{user `name`}}-image", "my.var": "1" },
  "builders": [
    { "type": "file", "name": "note", "target": "{{user `image`}}.txt", "content": "{{user `my.var`}}" }
  ],
  "provisioners": [
    { "type": "shell-local", "inline": "echo {{user `name`}}", "only": "note" }
  ],
  "post-processors": [["manifest"]]
}
"#;

#[test]
fn a_legacy_template_is_upgraded_as_packer_names_it() {
    let test = Test::new(LEGACY);
    let commands = [
        "hcl2_upgrade old.json",
        "hcl2_upgrade -output-file=old.json.pkr.hcl old.json",
        "convert -check old.json",
        "convert -to=toml old.json",
        "convert -output-file=again.pkr.hcl old.imgc.toml",
    ];
    let files = ["old.json.pkr.hcl", "old.imgc.toml"];
    insta::assert_snapshot!("legacy", transcript(&test, &commands, &files));
    assert_eq!(test.read("old.json.pkr.hcl"), test.read("again.pkr.hcl"));
}

#[test]
fn what_is_printed_is_in_the_language_that_was_asked_for() {
    let test = Test::new(
        "source \"null\" \"a\" {\n  communicator = \"none\"\n}\nbuild {\n  sources = [\"source.null.a\"]\n}\n",
    );
    for to in ["toml", "json"] {
        let printed = test.run(&["convert", "-to", to, "-output-file", "-", "main.pkr.hcl"]);
        assert_eq!(printed.code, 0, "{}", printed.text());
        assert!(printed.text().contains("same plan: "), "{}", printed.text());
        let checked = test.run(&[
            "convert",
            "-to",
            to,
            "-check",
            "-output-file",
            "-",
            "main.pkr.hcl",
        ]);
        assert_eq!(checked.code, 0, "{}", checked.text());
        assert!(
            checked.stdout.starts_with("same plan: "),
            "{}",
            checked.text()
        );
    }
}

#[test]
fn a_letter_is_completed_to_the_only_flag_that_begins_so() {
    let said = Test::new("").run(&["convert", "-o", "-", "main.pkr.hcl"]);
    assert_eq!(said.code, 2, "{}", said.text());
    assert!(
        said.text().contains("did you mean `-output-file`?"),
        "{}",
        said.text()
    );
}
