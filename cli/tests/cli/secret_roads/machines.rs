//! Secrets on their way to a machine behind sshd. It is this very machine, so that its command lines and files are seen, too.

use std::path::Path;

use imgc_testbed::{ORDINARY_USER, Options, PASSWORD, Sshd};

use super::search::{Watch, assert_clean_files, plain, secret};
use super::{looked_at, no_scratch};
use crate::harness::Test;

/// The template of a machine, with the ways to log in and the body of its build.
pub(super) fn template(sshd: &Sshd, login: &str, build: &str) -> String {
    format!(
        r#"variable "token" {{ sensitive = true }}
variable "password" {{
  default   = "{password}"
  sensitive = true
}}
source "null" "machine" {{
  ssh_host     = "127.0.0.1"
  ssh_port     = {port}
  ssh_username = "{user}"
  ssh_timeout  = "30s"
  {login}
}}
build {{
  sources = ["null.machine"]
{build}}}
"#,
        password = plain("sudo"),
        port = sshd.port(),
        user = sshd.user(),
    )
}

fn key(sshd: &Sshd) -> String {
    format!("ssh_private_key_file = \"{}\"", sshd.key().display())
}

fn left(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.collect()
}

#[test]
fn nothing_on_the_way_to_a_machine_shows_a_secret() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let folder = sshd.home().join("uploads");
    std::fs::create_dir(&folder).unwrap();
    let folder_name = folder.display();
    let test = Test::new("")
        .env("PKR_VAR_token", &secret("token"))
        .env("PACKER_LOG", "1");
    test.write(
        "setup.sh",
        "#!/bin/sh\necho a script has \"$TOKEN\"; sleep 0.2\n",
    );
    let build = format!(
        r#"  provisioner "shell" {{
    remote_folder = "{folder_name}"
    env           = {{ TOKEN = var.token }}
    inline        = ["echo by env $TOKEN; echo \"$TOKEN\" | base64", "sleep 0.2"]
  }}
  provisioner "shell" {{
    remote_folder = "{folder_name}"
    env           = {{ TOKEN = var.token }}
    scripts       = ["setup.sh"]
  }}
  provisioner "shell" {{
    remote_folder = "{folder_name}"
    inline        = ["echo inline ${{base64encode(var.token)}}; sleep 0.2"]
  }}
  provisioner "shell" {{
    remote_folder   = "{folder_name}"
    execute_command = "echo '${{var.password}}' | cat; sleep 0.2; {{{{.Vars}}}} {{{{.Path}}}}; sleep 0.2"
    inline          = ["echo with a password before"]
  }}
  provisioner "shell" {{
    remote_folder    = "{folder_name}"
    use_env_var_file = true
    skip_clean       = true
    env              = {{ TOKEN = var.token }}
    inline           = ["echo from a file $TOKEN; sleep 0.2"]
  }}
  provisioner "file" {{
    content     = "token=${{var.token}}"
    destination = "{folder_name}/kept"
    mode        = "0600"
  }}
  provisioner "shell" {{
    inline = ["cat {folder_name}/kept", "exit 7"]
  }}
"#
    );
    test.write("main.pkr.hcl", template(&sshd, &key(&sshd), &build));
    let watch = Watch::start(test.path("."), vec![folder.clone()]);
    for words in [
        &["plan", "-v"] as &[&str],
        &["build"],
        &["build", "-json"],
        &["apply", "-auto-approve"],
    ] {
        let text = looked_at(&test, &[words, &["."]].concat());
        if words[0] != "plan" {
            for wanted in [
                "by env",
                "a script has",
                "with a password before",
                "from a file",
                "exit code 7",
            ] {
                assert!(text.contains(wanted), "{words:?}: no {wanted}\n{text}");
            }
        }
        assert_eq!(words[0] == "plan", left(&folder).is_empty(), "{words:?}");
    }
    let seen = watch.stop();
    seen.assert_private();
    let names: Vec<String> = seen
        .files
        .keys()
        .map(|path| path.display().to_string())
        .collect();
    for wanted in ["script_", "varfile_", "command_", "kept"] {
        assert!(
            names.iter().any(|name| name.contains(wanted)),
            "no {wanted}: {names:?}"
        );
    }
    assert_eq!(left(&folder), ["kept"]);
    assert_clean_files(&test.files(), &["main.pkr.hcl"]);
    no_scratch(&test.path("."));
}

/// Needs root: only then has the testbed accounts with passwords.
#[test]
fn as_root_the_password_of_a_login_is_seen_nowhere() {
    imgc_testbed::require_root();
    let accounts = Options {
        accounts: true,
        ..Options::default()
    };
    let sshd = Sshd::start(accounts).unwrap();
    let build = "  provisioner \"shell\" {\n    inline = [\"echo '${build.Password}' is it; sleep 0.2\"]\n  }\n  \
                   provisioner \"shell-local\" {\n    inline = [\"echo local ${build.Password}\"]\n  }\n";
    let test = Test::new("")
        .env("PKR_VAR_token", PASSWORD)
        .env("PACKER_LOG", "1");
    test.write(
        "main.pkr.hcl",
        template(&sshd, "ssh_password = var.token", build),
    );
    let needles = vec![PASSWORD.to_owned()];
    let watch = Watch::of(needles, test.path("."), Vec::new());
    for words in [
        &["plan", "-v"] as &[&str],
        &["plan", "-json"],
        &["build"],
        &["build", "-json"],
        &["show", "last"],
    ] {
        let place: &[&str] = if words[0] == "show" { &[] } else { &["."] };
        let text = test.run(&[words, place].concat()).text();
        assert!(
            !text.contains(PASSWORD) && text.ends_with("[exit 0]"),
            "{words:?}\n{text}"
        );
    }
    let seen = watch.stop();
    seen.assert_private();
    assert!(
        seen.files.keys().any(|path| path.ends_with("p")),
        "the password was handed to ssh: {seen:?}"
    );
    for (path, bytes) in test.files() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(PASSWORD), "{}: {text}", path.display());
    }
    no_scratch(&test.path("."));
}

/// Needs root: only then has the testbed accounts.
#[test]
fn as_root_a_secret_host_and_login_stand_on_no_command_line() {
    secret_host(|_| String::new());
}

/// Needs root: only then has the testbed accounts.
#[test]
fn as_root_a_secret_host_behind_a_bastion_stands_on_no_command_line() {
    secret_host(|sshd| {
        format!(
            "  ssh_bastion_host     = \"127.0.0.1\"\n  ssh_bastion_port     = {}\n  \
             ssh_bastion_username = \"{ORDINARY_USER}\"\n  ssh_bastion_password = \"{PASSWORD}\"\n",
            sshd.port()
        )
    });
}

/// A machine whose host, written as nobody else writes it, and login are secrets, with more options.
fn secret_host(options: impl Fn(&Sshd) -> String) {
    const HOST: &str = "0177.0.0.1";
    imgc_testbed::require_root();
    let accounts = Options {
        accounts: true,
        ..Options::default()
    };
    let sshd = Sshd::start(accounts).unwrap();
    let test = Test::new("").env("PACKER_LOG", "1");
    test.write(
        "main.pkr.hcl",
        format!(
            r#"variable "host" {{
  default   = "{HOST}"
  sensitive = true
}}
variable "login" {{
  default   = "{ORDINARY_USER}"
  sensitive = true
}}
source "null" "machine" {{
  ssh_host     = var.host
  ssh_port     = {}
  ssh_username = var.login
  ssh_password = "{PASSWORD}"
  ssh_timeout  = "30s"
  {}}}
build {{
  sources = ["null.machine"]
  provisioner "shell" {{
    inline = ["echo here is $(id -un | tr a-z A-Z)", "sleep 0.5"]
  }}
}}
"#,
            sshd.port(),
            options(&sshd),
        ),
    );
    // Where there are known hosts, they are looked into.
    test.write(".ssh/known_hosts", "# none yet\n");
    let needles = vec![HOST.to_owned(), format!("-l {ORDINARY_USER}")];
    let watch = Watch::of(needles, test.path("."), Vec::new());
    let text = test.run(&["build", "."]).text();
    let mut seen = watch.stop();
    // Open (`docs/design/durable-rest.md`): OpenSSH hands the program that it asks for a password its prompt, with login and host
    // in it, as an argument, and that can be seen for the moment until the program begins.
    seen.commands.retain(|line| !line.contains("/askpass "));
    assert!(
        text.contains("here is TESTER") && !text.contains(HOST),
        "{text}"
    );
    seen.assert_private();
    assert!(
        seen.files.keys().any(|path| path.ends_with("options")),
        "the host was handed to ssh: {seen:?}"
    );
    no_scratch(&test.path("."));
}
