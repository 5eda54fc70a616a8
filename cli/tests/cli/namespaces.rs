//! The program in a mount namespace of the test: other disks, and an ordinary user. Only root can make one.

use std::process::{Child, Command};

use crate::harness::{Printed, Test};

/// Starts the program in a mount namespace that a script has prepared, in the test's directory. The script may change the
/// command, which is its arguments.
pub(crate) fn spawn(test: &Test, preparation: &str, arguments: &[&str]) -> Child {
    let inner = test.command(arguments);
    let script = format!("set -e\n{preparation}\nexec \"$@\"");
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private"])
        .args(["sh", "-c", &script, "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(test.path("."))
        .env_clear()
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.spawn().unwrap()
}

/// The same, to its end.
pub(crate) fn run(test: &Test, preparation: &str, arguments: &[&str]) -> Printed {
    test.finish(spawn(test, preparation, arguments))
}

/// The preparation that makes the program that of user 4242, who exists and has subordinate ids in the namespace only. What
/// is in the directory belongs to that user afterwards.
pub(crate) fn as_user(test: &Test) -> String {
    let directory = test.path("");
    let directory = directory.display().to_string();
    let directory = directory.trim_end_matches('/');
    format!(
        "chmod 755 .
         mkdir -p user
         printf '4242:500000:65536\\n' > user/ids
         (cat /etc/passwd; echo imgc-test:x:4242:4242::{directory}:/bin/sh) > user/passwd
         for file in subuid subgid; do test -e /etc/$file || touch /etc/$file; mount --bind user/ids /etc/$file; done
         mount --bind user/passwd /etc/passwd
         test -e user/imgc || touch user/imgc
         program=$1
         mount --bind \"$program\" user/imgc
         shift
         chown 4242:4242 . *
         chown -R 4242:4242 base
         set -- setpriv --reuid 4242 --regid 4242 --clear-groups {directory}/user/imgc \"$@\""
    )
}
