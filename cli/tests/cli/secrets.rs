//! A sensitive value reaches nothing that is shown or kept.

use crate::harness::Test;

const SECRET: &str = "hunter2-correct-horse";

const TEMPLATE: &str = r#"
variable "password" {
  type      = string
  sensitive = true
}
source "null" "base" {
  communicator = "none"
}
build {
  sources = ["source.null.base"]
  provisioner "shell-local" {
    environment_vars = ["PASSWORD=${var.password}"]
    inline           = ["echo the password is $PASSWORD", "printf %s \"$PASSWORD\" | base64", "echo ${var.password}; exit 3"]
  }
}
"#;

#[test]
fn nothing_shown_and_nothing_written_holds_a_secret() {
    let set = format!("password={SECRET}");
    let commands: [&[&str]; 9] = [
        &["validate", "-var", &set, "."],
        &["validate", "--json", "-var", &set, "."],
        &["plan", "-v", "-var", &set],
        &["plan", "--json", "-var", &set],
        &["plan", "-out", "x.plan", "-var", &set],
        &["inspect", "-var", &set, "."],
        &["build", "-var", &set, "."],
        &["build", "-machine-readable", "-var", &set, "."],
        &["apply", "x.plan", "--json", "-var", &set],
    ];
    let test = Test::new(TEMPLATE).env("PACKER_LOG", "1");
    for arguments in commands {
        let printed = test.run(arguments);
        let text = printed.text();
        assert!(!text.contains(SECRET), "{arguments:?}\n{text}");
        // `aHVudGVyMi1jb3JyZWN0LWhvcnNl` is the secret in base64.
        assert!(
            !text.contains("aHVudGVyMi1jb3JyZWN0"),
            "{arguments:?}\n{text}"
        );
        if arguments[0] == "build" {
            assert!(text.contains("the password is "), "{text}");
        }
    }
    for (path, bytes) in test.files() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(SECRET), "{}\n{text}", path.display());
    }
}

#[test]
fn sensitive_locals_are_hidden_in_output() {
    let test = Test::new(
        r#"
local "token" {
  sensitive  = true
  expression = "hunter2-correct-horse"
}
source "null" "base" {
  communicator = "none"
}
build {
  sources = ["source.null.base"]
  provisioner "shell-local" {
    inline = ["echo the token is ${local.token}", "echo ${base64encode(local.token)}"]
  }
}
"#,
    );
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("the token is <sensitive>\n"),
        "{}",
        printed.stdout
    );
    for (path, bytes) in test.files() {
        let text = String::from_utf8_lossy(&bytes);
        let template = path.extension().is_some_and(|extension| extension == "hcl");
        assert!(
            template || !text.contains(SECRET),
            "{}\n{text}",
            path.display()
        );
    }
}

#[test]
fn problems_in_variables_files_show_no_secret() {
    let test = Test::new(
        "variable \"password\" {\n  type      = string\n  sensitive = true\n}\nvariable \"port\" {\n  type = number\n}\n",
    );
    let other = format!("port = \"web\"\npassword = \"{SECRET}\"\nport = 2\n");
    let same = format!("port = 1\npassword = \"{SECRET}\" 3\n");
    let misspelt = format!("port = 1\npasword = \"{SECRET}\"\n");
    let json = format!("{{ \"port\": \"web\", \"password\": \"{SECRET}\" }}");
    let files = [
        ("other.pkrvars.hcl", other),
        ("same.pkrvars.hcl", same),
        ("misspelt.pkrvars.hcl", misspelt),
        ("one.pkrvars.json", json),
    ];
    for (name, text) in files {
        test.write(name, &text);
        for form in [
            &["validate"][..],
            &["validate", "-json"],
            &["validate", "-sarif"],
        ] {
            let flag = format!("-var-file={name}");
            let printed = test.run(&[form, &[flag.as_str(), "."]].concat());
            let text = printed.text();
            assert!(text.contains(name), "{text}");
            assert!(!text.contains(SECRET), "{text}");
        }
    }
}

/// What is written down so that it is found again cannot be masked.
#[test]
fn paths_of_what_is_made_hold_no_secret() {
    let test = Test::new(
        r#"
variable "token" {
  sensitive = true
  default   = "hunter2-correct-horse"
}
source "file" "f" {
  content = "${var.token}"
  target  = "out-${var.token}.txt"
}
source "file" "g" {
  content = "x"
  target  = "g.txt"
}
source "rootfs" "r" {
  from             = "scratch"
  output_directory = "r-${var.token}"
}
build {
  sources = ["source.file.f", "source.file.g", "source.rootfs.r"]
  post-processor "checksum" {
    output = "${var.token}.sum"
  }
  post-processor "compress" {
    output = "${upper(var.token)}.tar.gz"
  }
  post-processor "artifice" {
    files = ["g.txt", "${var.token}.txt"]
  }
}
"#,
    );
    for words in [&["validate", "."], &["apply", "."]] {
        let printed = test.run(words);
        assert_eq!(printed.code, 3, "{}", printed.text());
        let text = printed.text().to_lowercase();
        assert!(!text.contains(SECRET), "{text}");
        for option in ["target", "output_directory", "output", "files"] {
            let message = format!("`{option}` has a sensitive value in it");
            assert!(text.contains(&message), "{option}: {text}");
        }
        assert_eq!(
            text.matches("has a sensitive value in it").count(),
            5,
            "{text}"
        );
    }
    let (open, json) = (
        Test::new(""),
        r#"{
  "variables": {"token": "hunter2-correct-horse"},
  "sensitive-variables": ["token"],
  "builders": [{"type": "file", "content": "x", "target": "out.txt"}],
  "post-processors": [{"type": "compress", "output": "{{user `token`}}.tar.gz"}]
}"#,
    );
    open.write("old.json", json.as_bytes());
    let printed = open.run(&["build", "old.json"]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    assert!(
        printed.text().contains("`output` has a sensitive value"),
        "{}",
        printed.text()
    );
    for (path, bytes) in test.files().into_iter().chain(open.files()) {
        let text = format!("{}{}", path.display(), String::from_utf8_lossy(&bytes));
        let template = path
            .extension()
            .is_some_and(|name| name == "hcl" || name == "json");
        assert!(template || !text.contains(SECRET), "{text}");
    }
}
