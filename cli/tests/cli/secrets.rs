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

/// An option that is a secret by its nature: written out, in two languages, from a variable that nobody has called sensitive, and in the
/// text of other options.
#[test]
fn options_that_are_secrets_by_nature_are_shown_and_kept_nowhere() {
    let set = format!("password={SECRET}");
    let hcl = |password: &str| {
        format!(
            r#"
variable "password" {{
  default = ""
}}
source "null" "base" {{
  communicator = "none"
  ssh_password = {password}
}}
build {{
  sources = ["source.null.base"]
  provisioner "shell-local" {{
    execute_command = ["/bin/sh", "-c", "true {SECRET}; {{{{.Script}}}}"]
    inline          = ["echo the password is {SECRET}"]
  }}
}}
"#
        )
    };
    let literal = hcl(&format!("\"{SECRET}\""));
    let variable = hcl("var.password");
    let toml = format!(
        r#"
[source.null.base]
communicator = "none"
ssh_password = "{SECRET}"
[[build]]
sources = ["source.null.base"]
[[build.provisioner]]
type = "shell-local"
inline = ["echo the password is {SECRET}"]
"#
    );
    let templates: [(&str, &str, &[&str]); 3] = [
        ("main.pkr.hcl", &literal, &[]),
        ("main.pkr.hcl", &variable, &["-var", &set]),
        ("main.imgc.toml", &toml, &[]),
    ];
    for (name, template, vars) in templates {
        let test = Test::new("").env("PACKER_LOG", "1");
        test.write(name, template);
        let commands: [&[&str]; 11] = [
            &["validate", "-json"],
            &["plan", "-v", "-explain"],
            &["plan", "-json"],
            &["plan", "-out", "x.plan"],
            &["inspect", "-json"],
            &["apply", "-json", "x.plan"],
            &["plan", "-explain"],
            &["build", "-machine-readable"],
            &["show"],
            &["show", "-json"],
            &["logs"],
        ];
        for arguments in commands {
            let of_template = !["show", "logs"].contains(&arguments[0]);
            let path: &[&str] = match of_template && arguments[0] != "apply" {
                true => &["."],
                false => &[],
            };
            let vars = if of_template { vars } else { &[] };
            let printed = test.run(&[arguments, vars, path].concat());
            let text = printed.text();
            assert_eq!(printed.code, 0, "{arguments:?}\n{text}");
            assert!(!text.contains(SECRET), "{arguments:?}\n{text}");
        }
        for (path, bytes) in test.files() {
            let is_template = path.file_name().is_some_and(|file| file == name);
            let found = bytes
                .windows(SECRET.len())
                .any(|part| part == SECRET.as_bytes());
            assert!(is_template || !found, "{}", path.display());
        }
    }
}

#[test]
fn a_secret_by_nature_counts_as_an_input_and_an_everyday_word_hides_nothing() {
    let template = |password: &str| {
        format!(
            r#"
source "file" "vagrant" {{
  content = "a box for vagrant\n"
  target  = "out-vagrant/vagrant.txt"
}}
source "null" "base" {{
  communicator = "none"
  ssh_username = "vagrant"
  ssh_password = "{password}"
}}
build {{
  sources = ["source.file.vagrant", "source.null.base"]
  provisioner "shell-local" {{
    inline = ["echo vagrant was here"]
  }}
}}
"#
        )
    };
    let test = Test::new(&template("vagrant"));
    let printed = test.run(&["apply", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("vagrant was here"),
        "{}",
        printed.text()
    );
    assert!(
        !printed.text().contains("<sensitive>"),
        "{}",
        printed.text()
    );
    assert!(test.path("out-vagrant/vagrant.txt").is_file());
    let printed = test.run(&["plan", "-v", "."]);
    let text = printed.text();
    assert!(text.contains("ssh_password = (sensitive)"), "{text}");
    assert!(text.contains("ssh_username = \"vagrant\""), "{text}");
    assert!(text.contains("Nothing would change"), "{text}");

    test.write("main.pkr.hcl", template("other"));
    let printed = test.run(&["plan", "-explain", "."]);
    let text = printed.text();
    assert!(text.contains("option ssh_password"), "{text}");
    assert!(!text.contains("\"other\""), "{text}");
    assert!(text.contains("1 build would run"), "{text}");
}
