//! Legacy JSON templates from the command line, unchanged.

use imgc_testbed::{Options, Sshd};

use crate::harness::Test;

const LOCAL: &str = r#"//- web.json
{
  "_comment": "what Packer's users have had for years",
  "variables": {
    "day": "{{ isotime `2006-01-02` }}",
    "who": "{{ env `WHO` }}",
    "greeting": "hello {{ user `who` }}",
    "token": null
  },
  "sensitive-variables": ["token"],
  "builders": [
    { "type": "null", "communicator": "none" },
    { "type": "file", "name": "ubuntu-14.04 {{ user `day` }}", "target": "out.txt", "content": "{{ user `greeting` }} {{ build_name }}" }
  ],
  "provisioners": [
    { "type": "shell-local", "inline": ["echo '{{ user `greeting` }}: {{ build_name }} {{ build_type }} {{ `{{.ID}}` }}'", "test {{ user `token` }} = s3cret-t0ken"] },
    { "type": "shell-local", "inline": "echo for null alone", "only": ["null"] }
  ],
  "post-processors": [[{ "type": "checksum", "checksum_types": "md5", "output": "sum.{{ .ChecksumType }}", "only": "ubuntu-14.04 {{ user `day` }}" }]]
}
//- values.json
{ "token": "s3cret-t0ken" }
"#;

#[test]
fn a_legacy_template_runs_as_it_is() {
    let test = Test::new(LOCAL).env("WHO", "you");
    let printed = test.run(&["build", "-var-file=values.json", "web.json"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let day = "2023-11-14";
    for line in [
        "    null: hello you: null null {{.ID}}".to_owned(),
        "    null: for null alone".to_owned(),
        format!("Build 'ubuntu-14.04 {day}' finished"),
    ] {
        assert!(printed.stdout.contains(&line), "{line}\n{}", printed.text());
    }
    assert_eq!(
        test.read("out.txt"),
        format!("hello you ubuntu-14.04 {day}")
    );
    assert!(test.read("sum.md5").contains("out.txt"));
    let said = printed.text();
    assert!(!said.contains("s3cret-t0ken"), "{said}");
}

#[test]
fn builds_are_selected_by_their_names() {
    let test = Test::new(LOCAL).env("WHO", "you");
    let given = ["-var", "token=s3cret-t0ken", "web.json"];
    let printed = test.run(&[&["build", "-only=null"], &given[..]].concat());
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(printed.stdout.contains("==> null: "), "{}", printed.text());
    assert!(!test.path("out.txt").exists(), "{}", printed.text());

    let printed = test.run(&[&["build", "-except=null"], &given[..]].concat());
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(test.path("out.txt").exists(), "{}", printed.text());

    let printed = test.run(&[&["validate", "-only=ubuntu"], &given[..]].concat());
    assert_eq!(printed.code, 3, "{}", printed.text());
    assert!(
        printed.stderr.contains("`-only=ubuntu` matches no build"),
        "{}",
        printed.text()
    );
}

#[test]
fn a_variable_that_must_be_given_is_named() {
    let test = Test::new(LOCAL);
    let printed = test.run(&["validate", "web.json"]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    let said = "error[check/missing-variable]: the variable `token` has no value";
    assert!(printed.stderr.contains(said), "{}", printed.text());
    assert!(
        printed.stderr.contains("web.json:7:5"),
        "{}",
        printed.text()
    );
}

#[test]
fn a_legacy_template_configures_a_machine() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new("");
    test.write(
        "motd.sh",
        "#!/bin/sh\necho \"script of $PACKER_BUILD_NAME: $GREETING\" > \"$1\"\n",
    );
    test.write("upload.txt", "uploaded\n");
    test.write(
        "machine.json",
        r#"{
  "variables": { "port": "", "user": "", "key": "", "home": "" },
  "builders": [{
    "type": "null", "name": "machine.1",
    "ssh_host": "127.0.0.1", "ssh_port": "{{ user `port` }}", "ssh_username": "{{ user `user` }}",
    "ssh_private_key_file": "{{ user `key` }}", "ssh_timeout": "20s"
  }],
  "provisioners": [
    { "type": "file", "source": "upload.txt", "destination": "{{ user `home` }}/upload.txt" },
    {
      "type": "shell", "script": "motd.sh", "environment_vars": "GREETING=hello",
      "execute_command": "chmod +x {{ .Path }}; {{ .Vars }} {{ .Path }} {{ user `home` }}/motd"
    },
    { "type": "shell", "inline": ["echo on {{ build `Host` }}:{{ build `Port` }} as {{ build `User` }}"] }
  ]
}
"#,
    );
    test.write(
        "values.json",
        format!(
            r#"{{ "port": {}, "user": "{}", "key": "{}", "home": "{}" }}"#,
            sshd.port(),
            sshd.user(),
            sshd.key().display(),
            sshd.home().display()
        ),
    );
    let printed = test.run(&["build", "-var-file", "values.json", "machine.json"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let read = |name: &str| std::fs::read_to_string(sshd.home().join(name)).unwrap();
    assert_eq!(read("upload.txt"), "uploaded\n");
    assert_eq!(read("motd"), "script of machine.1: hello\n");
    let said = format!(
        "    machine.1: on 127.0.0.1:{} as {}",
        sshd.port(),
        sshd.user()
    );
    assert!(printed.stdout.contains(&said), "{}", printed.text());
}
