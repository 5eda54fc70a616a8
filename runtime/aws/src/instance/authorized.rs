//! The public halves of the keys that imgc has made: taken from the disk that becomes an image, of all users, before it is captured.
//!
//! In: the keys, in base64, as they stand in a line of `authorized_keys`. Out: in which files they were, and where they stay. The
//! start-up of a machine (cloud-init) writes them for the login and, with a note, for root; a script may have copied them elsewhere.
//! Only lines that hold one of our keys go: by the key and not by its comment, which a template may have as well.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::machine::{Command, Machine};

/// How long it may take. A machine that somebody has told to go down does not answer, and that is no reason to wait for long.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs what comes on standard input with the rights of root, where the login has them or `sudo` gives them unasked. It is given the
/// home of the login: `sudo` has another one. `sudo` must not read what is meant for the shell.
const START: &str = "exec sh -c 'if [ \"$(id -u)\" = 0 ]; then exec sh -s \"$HOME\"; \
                     elif sudo -n true < /dev/null > /dev/null 2>&1; then exec sudo -n sh -s \"$HOME\"; \
                     else exec sh -s \"$HOME\"; fi'";

/// Lists the accounts: without `getent` those of the file.
const ACCOUNTS: &str = "accounts() { getent passwd 2> /dev/null || cat /etc/passwd; }\n";

/// Goes through the homes twice: what holds a key is cleaned, then whatever still holds one is told. The file is written and not
/// replaced, so that its owner, mode and label stay. A home may be a link (`/root` is one on some systems): whoever could put it there
/// owns the directory around it. What is inside belongs to the user: a link there is told and not followed, since it may lead to
/// another's file.
const SCRIPT: &str = r#"each() {
    seen=
    while IFS=: read -r _ _ _ _ _ home _; do
        seen=1
        case $home in /*) ;; *) continue ;; esac
        [ -d "$home" ] || continue
        if [ ! -x "$home" ]; then unseen "$1" "$home"; continue; fi
        [ -d "$home/.ssh" ] || continue
        if [ ! -x "$home/.ssh" ]; then unseen "$1" "$home/.ssh"; continue; fi
        for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
            [ -f "$file" ] || continue
            if [ -r "$file" ]; then "$1" "$file"; else unseen "$1" "$file"; fi
        done
    done << END
$accounts
END
    # Some shells write it into a file, for which there may be no place.
    [ -n "$seen" ] || exit 1
}
unseen() { if [ "$1" = look ]; then printf 'unseen %s\n' "$2"; fi; }
look() { if holds "$1"; then printf 'stays %s\n' "$1"; fi; }
clean() {
    if [ -L "${1%/*}" ] || [ -L "$1" ]; then return; fi
    holds "$1" || return 0
    if [ -z "$copy" ]; then copy=$(mktemp) || exit 1; fi
    without "$1" > "$copy" || return 0
    # Not every sed says that it could not write. It may leave the last line without an end.
    rest=$(others "$1")
    is=$(size "$copy")
    [ "$is" -eq "$rest" ] || [ "$is" -eq $((rest - 1)) ] || return 0
    { cat "$copy" > "$1"; } 2> /dev/null
    if holds "$1"; then return; fi
    if [ "$(size "$1")" -eq "$is" ]; then
        printf 'gone %s\n' "$1"
        sync "$1" 2> /dev/null || sync
    else
        printf 'broken %s\n' "$1"
    fi
}
size() { wc -c < "$1"; }
main() {
    umask 077
    copy=
    trap 'if [ -n "$copy" ]; then rm -f "$copy"; fi' EXIT
    trap 'exit 1' HUP INT TERM
    accounts=$(accounts; printf '\n:::::%s:\n' "$1")
    each clean
    each look
    exit 0
}
main "$@" < /dev/null
"#;

/// What has become of the keys, by file or directory of the machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// They were in these and are not any more.
    gone: BTreeSet<String>,
    /// They are still in these.
    stays: BTreeSet<String>,
    /// The login may not look into these.
    unseen: BTreeSet<String>,
    /// They are not in these any more, and maybe nothing else is: there was no place to write.
    broken: BTreeSet<String>,
}

impl Outcome {
    fn read(said: &str) -> Self {
        let mut outcome = Self::default();
        for line in said.lines() {
            let Some((what, path)) = line.trim_end().split_once(' ') else {
                continue;
            };
            let paths = match what {
                "gone" => &mut outcome.gone,
                "stays" => &mut outcome.stays,
                "unseen" => &mut outcome.unseen,
                "broken" => &mut outcome.broken,
                _ => continue,
            };
            // Accounts share homes.
            paths.insert(path.to_owned());
        }
        outcome
    }

    /// What whoever uses the image has to know, and what can be done about it. `name`: the account's name for the key pair.
    fn warnings(&self, name: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.stays.is_empty() {
            warnings.push(format!(
                "the temporary key `{name}` stays in the image: it could not be removed from {}; let the login have `sudo` without a \
                 password, or remove it there in the last provisioner",
                words(&self.stays)
            ));
        }
        if !self.unseen.is_empty() {
            warnings.push(format!(
                "the temporary key `{name}` may stay in the image: the login may not look into {}; let it have `sudo` without a \
                 password, or remove the key there in the last provisioner",
                words(&self.unseen)
            ));
        }
        if !self.broken.is_empty() {
            warnings.push(format!(
                "the temporary key `{name}` was taken out of {}, and what else was in there could not be written any more: is the disk full?",
                words(&self.broken)
            ));
        }
        warnings
    }
}

fn words(paths: &BTreeSet<String>) -> String {
    paths
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Removes the keys, and says what has become of them; whether it came to its end. Nothing that goes wrong is a failure of the build.
/// `name`: the account's name for the key pair. `keys`: in base64.
pub(crate) async fn remove(
    cx: &Context,
    machine: &dyn Machine,
    name: &str,
    keys: &[String],
) -> bool {
    let asked = ask(machine, keys);
    let asked = tokio::time::timeout(LIMIT, asked).await;
    let failure = match asked {
        Ok(Ok(outcome)) => {
            for file in &outcome.gone {
                cx.output
                    .detail(format!("removed the temporary key `{name}` from {file}"));
            }
            for warning in outcome.warnings(name) {
                cx.output.warn(warning);
            }
            return true;
        }
        Ok(Err(error)) => error.chain(),
        Err(_) => format!("the machine has not answered for {} s", LIMIT.as_secs()),
    };
    cx.output.warn(format!(
        "the temporary key `{name}` may stay in the image: removing it from the authorized_keys of all users failed: {failure}; \
         look for it in the image, or remove it in the last provisioner"
    ));
    false
}

async fn ask(machine: &dyn Machine, keys: &[String]) -> Result<Outcome> {
    let command = Command {
        line: START.to_owned(),
        stdin: script(ACCOUNTS, keys)?.into_bytes(),
    };
    let said = machine.query(&command).await?;
    Ok(Outcome::read(&String::from_utf8_lossy(&said)))
}

/// A command that lets the login in again by a key. `line`: as in `authorized_keys`, without a comment.
pub(crate) fn add(line: &str) -> Command {
    // On standard input, since every word of a command line would have to survive whatever shell the login has.
    Command {
        line: "exec sh -c 'umask 077; mkdir -p \"$HOME/.ssh\" && cat >> \"$HOME/.ssh/authorized_keys\"'".to_owned(),
        stdin: format!("{line}\n").into_bytes(),
    }
}

/// The script for these keys. `accounts`: defines the function that lists the accounts, as in `/etc/passwd`.
fn script(accounts: &str, keys: &[String]) -> Result<String> {
    let (mut finds, mut drops) = (String::new(), String::new());
    for key in keys {
        check(key)?;
        // In base64 nothing has a meaning for either of them. Writing to a text cannot fail.
        let _ = write!(finds, " -e {key}");
        let _ = write!(drops, " -e '\\,{key},d'");
    }
    Ok(format!(
        "LC_ALL=C; export LC_ALL\nholds() {{ grep -q -F{finds} -- \"$1\" 2> /dev/null; }}\nothers() {{ grep -v -F{finds} -- \
         \"$1\" | wc -c; }}\nwithout() {{ sed{drops} < \"$1\"; }}\n{accounts}{SCRIPT}"
    ))
}

/// What is written into a script must be a key.
fn check(key: &str) -> Result<()> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    if key.len() > 32 && key.bytes().all(is_base64) {
        return Ok(());
    }
    Err(Error::new(
        Class::Bug,
        "run/state",
        "what is recorded as a public key is none",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::{self, File, Permissions};
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
    use std::os::unix::process::CommandExt as _;
    use std::path::{Path, PathBuf};
    use std::process::{Command as Process, Stdio};
    use std::time::SystemTime;

    use super::*;

    const OURS: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIKjz2b/7+R4OURSOURSOURSOURSOURSOURSOURSOURS12";
    const EARLIER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIEARLIER+EARLIER/EARLIEREARLIEREARLIEREARL==";
    const FOREIGN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFOREIGNFOREIGNFOREIGN ops\n";
    /// No user of the machine that runs the tests.
    const SOMEBODY: u32 = 64_321;

    /// A machine's homes, and a list of accounts that names them.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            fs::set_permissions(tree.0.path(), Permissions::from_mode(0o755)).unwrap();
            fs::create_dir(tree.path("tmp")).unwrap();
            fs::set_permissions(tree.path("tmp"), Permissions::from_mode(0o777)).unwrap();
            fs::write(tree.path("passwd"), "").unwrap();
            tree
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Whether root runs the tests, who may do everything.
        fn is_of_root(&self) -> bool {
            fs::metadata(self.0.path()).unwrap().uid() == 0
        }

        /// Adds an account.
        fn account(&self, name: &str, home: &str) {
            let mut passwd = File::options()
                .append(true)
                .open(self.path("passwd"))
                .unwrap();
            writeln!(
                passwd,
                "{name}:x:1000:1000:{name}, of this machine:{home}:/bin/sh"
            )
            .unwrap();
        }

        /// Adds an account with a file in its home; gives the file.
        fn user(&self, name: &str, file: &str, text: &str) -> PathBuf {
            self.account(name, self.path(name).to_str().unwrap());
            self.file(name, file, text)
        }

        /// A file in a home.
        fn file(&self, home: &str, file: &str, text: &str) -> PathBuf {
            let file = self.path(home).join(".ssh").join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
            let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
            File::options()
                .append(true)
                .open(&file)
                .unwrap()
                .set_modified(old)
                .unwrap();
            file
        }

        /// Runs the script for both keys as a login with this home; it leaves no file.
        fn run(&self, shell: &Shell, login: &str, user: Option<u32>) -> Outcome {
            let accounts = format!(
                "accounts() {{ cat '{}'; }}\n",
                self.path("passwd").display()
            );
            let keys = [OURS.to_owned(), EARLIER.to_owned()];
            let mut process = Process::new(&shell.program);
            process
                .args(["-s", self.path(login).to_str().unwrap()])
                .env_clear()
                .env("PATH", &shell.path)
                .env("TMPDIR", self.path("tmp"))
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            if let Some(user) = user {
                process.uid(user).gid(user);
            }
            let mut process = process.spawn().unwrap();
            let script = script(&accounts, &keys).unwrap();
            process
                .stdin
                .take()
                .unwrap()
                .write_all(script.as_bytes())
                .unwrap();
            let output = process.wait_with_output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(
                output.status.success(),
                "{}: {said}{errors}",
                shell.program.display()
            );
            assert_eq!(errors, "", "{}", shell.program.display());
            assert_eq!(fs::read_dir(self.path("tmp")).unwrap().count(), 0);
            Outcome::read(&said)
        }

        fn texts<const N: usize>(&self, names: [&str; N]) -> BTreeSet<String> {
            names
                .map(|name| self.path(name).display().to_string())
                .into()
        }
    }

    struct Shell {
        program: PathBuf,
        path: String,
        _tools: Option<tempfile::TempDir>,
    }

    /// The system's shell with its tools, and busybox with its own where it is there.
    fn shells() -> Vec<Shell> {
        let mut shells = vec![Shell {
            program: "/bin/sh".into(),
            path: "/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            _tools: None,
        }];
        let tools = tempfile::tempdir().unwrap();
        fs::set_permissions(tools.path(), Permissions::from_mode(0o755)).unwrap();
        let install = Process::new("busybox")
            .args(["--install", "-s"])
            .arg(tools.path())
            .output();
        if install.is_ok_and(|output| output.status.success()) {
            shells.push(Shell {
                program: tools.path().join("sh"),
                path: tools.path().display().to_string(),
                _tools: Some(tools),
            });
        }
        shells
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn our_keys_go_from_the_files_of_all_users_and_nothing_else_does() {
        for shell in shells() {
            let tree = Tree::new();
            let ours = format!("ssh-ed25519 {OURS} imgc-1234\n");
            let both = format!("{FOREIGN}{ours}# a note\n\nssh-rsa {EARLIER}\n{FOREIGN}");
            let login = tree.user("ubuntu", "authorized_keys", &both);
            let noted =
                format!("no-pty,command=\"echo 'log in as \\\"ubuntu\\\"'\" {ours}{FOREIGN}");
            let root = tree.user("root", "authorized_keys", &noted);
            let second = tree.user("with a blank", "authorized_keys2", &ours);
            let foreign = tree.user("other", "authorized_keys", FOREIGN);
            let ino = fs::metadata(&login).unwrap().ino();
            if tree.is_of_root() {
                chown(&login, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
            }
            // What is no account of the list has only the login's own home.
            let own = tree.file("somewhere", "authorized_keys", &ours);
            let unlisted = tree.file("unlisted", "authorized_keys", &ours);
            // A home may be a link.
            tree.file("data", "authorized_keys", &ours);
            symlink(tree.path("data"), tree.path("linked-home")).unwrap();
            tree.account("moved", tree.path("linked-home").to_str().unwrap());
            for home in ["", "relative", "/nonexistent", "/dev/null"] {
                tree.account("strange", home);
            }
            // Nobody waits for somebody to write into a pipe.
            fs::create_dir_all(tree.path("pipe/.ssh")).unwrap();
            let made = Process::new("mkfifo")
                .arg(tree.path("pipe/.ssh/authorized_keys"))
                .status();
            assert!(made.unwrap().success());
            tree.account("pipe", tree.path("pipe").to_str().unwrap());

            let outcome = tree.run(&shell, "somewhere", None);
            let gone = tree.texts([
                "linked-home/.ssh/authorized_keys",
                "root/.ssh/authorized_keys",
                "somewhere/.ssh/authorized_keys",
                "ubuntu/.ssh/authorized_keys",
                "with a blank/.ssh/authorized_keys2",
            ]);
            assert_eq!(
                outcome,
                Outcome {
                    gone,
                    ..Outcome::default()
                }
            );
            assert_eq!(read(&login), format!("{FOREIGN}# a note\n\n{FOREIGN}"));
            assert_eq!(read(&root), FOREIGN);
            for empty in [&second, &own, &tree.path("data/.ssh/authorized_keys")] {
                assert_eq!(read(empty), "");
            }
            assert_eq!(read(&unlisted), ours);
            let is = fs::metadata(&login).unwrap();
            assert_eq!((is.ino(), is.mode() & 0o777), (ino, 0o640));
            if tree.is_of_root() {
                assert_eq!((is.uid(), is.gid()), (SOMEBODY, SOMEBODY));
            }
            assert_eq!(read(&foreign), FOREIGN);
            assert_eq!(fs::metadata(&foreign).unwrap().mtime(), 1_000_000);
            let beside = fs::read_dir(login.parent().unwrap()).unwrap();
            assert_eq!(beside.count(), 1, "no copy is left");
            // A second time there is nothing to do.
            assert_eq!(tree.run(&shell, "somewhere", None), Outcome::default());
        }
    }

    #[test]
    fn a_list_without_its_last_newline_hides_no_home() {
        for shell in shells() {
            let tree = Tree::new();
            fs::write(tree.path("passwd"), "x:x:1:1::/nonexistent:/bin/sh").unwrap();
            let ours = format!("ssh-ed25519 {OURS} imgc-1234\n");
            // What shells see in a text that they expand.
            let home = "odd $(id) `id` \\ home";
            let own = tree.file(home, "authorized_keys", &ours);
            let gone = tree.texts([&format!("{home}/.ssh/authorized_keys")]);
            let expected = Outcome {
                gone,
                ..Outcome::default()
            };
            assert_eq!(tree.run(&shell, home, None), expected);
            assert_eq!(read(&own), "");
        }
    }

    #[test]
    fn where_nothing_can_be_written_it_is_said() {
        let script = script(ACCOUNTS, &[OURS.to_owned()]).unwrap();
        for shell in shells() {
            let tree = Tree::new();
            let ours = format!("ssh-ed25519 {OURS} imgc-1234\n{FOREIGN}");
            let own = tree.file("ubuntu", "authorized_keys", &ours);
            // A limit of the size of files stands for a full disk.
            let line = format!(
                "ulimit -f 0; trap '' XFSZ; exec {} -s \"$0\"",
                shell.program.display()
            );
            let mut process = Process::new(&shell.program)
                .args(["-c", &line])
                .arg(tree.path("ubuntu"))
                .env("TMPDIR", tree.path("tmp"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut input = process.stdin.take().unwrap();
            input.write_all(script.as_bytes()).unwrap();
            drop(input);
            let output = process.wait_with_output().unwrap();
            let outcome = Outcome::read(&String::from_utf8_lossy(&output.stdout));
            // Whatever could not be done: it failed, or it is said where the key stays or what else may be missing.
            let is_told = !outcome.stays.is_empty() || !outcome.broken.is_empty();
            assert!(!output.status.success() || is_told, "{outcome:?}");
            assert!(read(&own) == ours || is_told, "{outcome:?}");
        }
    }

    #[test]
    fn a_link_of_a_user_is_told_and_not_followed() {
        for shell in shells() {
            let tree = Tree::new();
            let ours = format!("ssh-ed25519 {OURS}\n");
            let target = tree.path("target");
            fs::write(&target, &ours).unwrap();
            fs::create_dir_all(tree.path("file/.ssh")).unwrap();
            symlink(&target, tree.path("file/.ssh/authorized_keys")).unwrap();
            tree.account("file", tree.path("file").to_str().unwrap());
            fs::create_dir(tree.path("directory")).unwrap();
            let elsewhere = tree.file("elsewhere", "authorized_keys", &ours);
            symlink(tree.path("elsewhere/.ssh"), tree.path("directory/.ssh")).unwrap();
            tree.account("directory", tree.path("directory").to_str().unwrap());
            // What a link leads to may be cleaned where it is.
            let owner = tree.user("owner", "authorized_keys", &ours);
            fs::create_dir_all(tree.path("guest/.ssh")).unwrap();
            symlink(&owner, tree.path("guest/.ssh/authorized_keys")).unwrap();
            tree.account("guest", tree.path("guest").to_str().unwrap());

            let outcome = tree.run(&shell, "file", None);
            let expected = Outcome {
                gone: tree.texts(["owner/.ssh/authorized_keys"]),
                stays: tree.texts([
                    "directory/.ssh/authorized_keys",
                    "file/.ssh/authorized_keys",
                ]),
                unseen: BTreeSet::new(),
                ..Outcome::default()
            };
            assert_eq!(outcome, expected);
            assert_eq!((read(&target), read(&elsewhere)), (ours.clone(), ours));
            assert!(tree.path("file/.ssh/authorized_keys").is_symlink());
        }
    }

    #[test]
    fn what_the_login_may_not_change_or_see_is_named() {
        for shell in shells() {
            let tree = Tree::new();
            let user = tree.is_of_root().then_some(SOMEBODY);
            let ours = format!("ssh-ed25519 {OURS}\n");
            let own = tree.user("own", "authorized_keys", &ours);
            let fixed = tree.user("fixed", "authorized_keys", &ours);
            let hidden = tree.user("hidden", "authorized_keys", &ours);
            chown(&own, user, user).unwrap();
            fs::set_permissions(&fixed, Permissions::from_mode(0o444)).unwrap();
            fs::set_permissions(&hidden, Permissions::from_mode(0o000)).unwrap();
            let closed = tree.path("closed");
            fs::create_dir(&closed).unwrap();
            fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
            tree.account("closed", closed.to_str().unwrap());
            let outcome = tree.run(&shell, "own", user);
            fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
            let expected = Outcome {
                gone: tree.texts(["own/.ssh/authorized_keys"]),
                stays: tree.texts(["fixed/.ssh/authorized_keys"]),
                unseen: tree.texts(["closed", "hidden/.ssh/authorized_keys"]),
                ..Outcome::default()
            };
            assert_eq!(outcome, expected);
            assert_eq!(read(&fixed), ours);
            let warnings = outcome.warnings("imgc-1234").join("\n");
            let warnings = warnings.replace(tree.0.path().to_str().unwrap(), "");
            assert_eq!(
                warnings,
                "the temporary key `imgc-1234` stays in the image: it could not be removed from /fixed/.ssh/authorized_keys; let the \
                 login have `sudo` without a password, or remove it there in the last provisioner\n\
                 the temporary key `imgc-1234` may stay in the image: the login may not look into /closed, \
                 /hidden/.ssh/authorized_keys; let it have `sudo` without a password, or remove the key there in the last provisioner"
            );
        }
    }

    #[test]
    fn the_way_to_a_shell_takes_its_home_along() {
        let tree = Tree::new();
        let home = tree.path("own");
        let run = |command: &Command| {
            let mut process = Process::new("sh")
                .args(["-c", &command.line])
                .env("HOME", &home)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            process
                .stdin
                .take()
                .unwrap()
                .write_all(&command.stdin)
                .unwrap();
            let output = process.wait_with_output().unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap()
        };
        fs::create_dir(&home).unwrap();
        run(&add(&format!("ssh-ed25519 {OURS}")));
        let file = tree.path("own/.ssh/authorized_keys");
        assert_eq!(read(&file), format!("ssh-ed25519 {OURS}\n"));
        let keys = [OURS.to_owned()];
        let said = run(&Command {
            line: START.to_owned(),
            stdin: script("accounts() { :; }\n", &keys).unwrap().into_bytes(),
        });
        assert_eq!(said, format!("gone {}\n", file.display()));
        assert_eq!(read(&file), "");
    }

    #[test]
    fn only_a_key_gets_into_a_script() {
        for text in ["", "AAAA", "AAAAC3NzaC1lZDI1NTE5AAAAIKjz2b'; rm -rf /; '"] {
            let refused = script(ACCOUNTS, &[text.to_owned()]).unwrap_err();
            assert_eq!(refused.class, Class::Bug);
        }
    }
}
