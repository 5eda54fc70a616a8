//! Private keys in files: what `ssh` would refuse is said before it is tried, with the way out.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use imgc_runtime::error::{Class, Error, Result};

/// The start of an unencrypted key in OpenSSH's own format: `openssh-key-v1`, NUL, and the cipher `none`, in base64.
const OPENSSH_UNENCRYPTED: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU";
/// The start of any key in that format.
const OPENSSH: &str = "b3BlbnNzaC1rZXktdjEA";

/// Checks that the file named by `option` is a private key that `ssh` can use without asking anybody.
pub(crate) fn check(path: &Path, option: &str) -> Result<()> {
    let shown = path.display();
    let problem = |message: String| Error::new(Class::Environment, "run/ssh-key-file", message);
    let metadata = fs::metadata(path).map_err(|error| {
        problem(format!("the private key `{shown}` cannot be read"))
            .because(error)
            .help(format!("check the path in `{option}`"))
    })?;
    if !metadata.is_file() {
        return Err(problem(format!("`{shown}` is not a file")).help(format!(
            "`{option}` wants the file with the private key, such as `~/.ssh/id_ed25519`"
        )));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 && metadata.uid() == nix::unistd::geteuid().as_raw() {
        return Err(problem(format!(
            "the private key `{shown}` can be read by others (mode {mode:04o}), so ssh refuses to use it"
        ))
        .help(format!("run `chmod 600 {shown}`")));
    }
    let content = fs::read(path).map_err(|error| {
        problem(format!("the private key `{shown}` cannot be read"))
            .because(error)
            .help(format!("check who owns the file in `{option}`"))
    })?;
    match judge(&String::from_utf8_lossy(&content)) {
        Verdict::Good => Ok(()),
        Verdict::Public => Err(problem(format!("`{shown}` is a public key, not a private one"))
            .help(format!("name the file without `.pub` in `{option}`"))),
        Verdict::Putty => Err(problem(format!("`{shown}` is a key in PuTTY's format"))
            .help(format!("convert it: `puttygen {shown} -O private-openssh -o NEW_FILE`"))),
        Verdict::Encrypted => Err(problem(format!("the private key `{shown}` needs a passphrase")).help(format!(
            "load it into an agent (`ssh-add {shown}`) and write `{}` instead, or take a key without a passphrase",
            option.replace("private_key_file", "agent_auth = true")
        ))),
        Verdict::Unknown => Err(problem(format!("`{shown}` is not a private key"))
            .help("a private key starts with a line like `-----BEGIN OPENSSH PRIVATE KEY-----`")),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Public,
    Putty,
    Encrypted,
    Unknown,
}

fn judge(text: &str) -> Verdict {
    let text = text.trim_start();
    let public = ["ssh-", "ecdsa-", "sk-", "---- BEGIN SSH2 PUBLIC"];
    if public.iter().any(|start| text.starts_with(start))
        || text.starts_with("-----BEGIN PUBLIC KEY")
    {
        return Verdict::Public;
    }
    if text.starts_with("PuTTY-User-Key-File") {
        return Verdict::Putty;
    }
    let first = text.lines().next().unwrap_or_default();
    if !first.starts_with("-----BEGIN ") || !first.contains("PRIVATE KEY-----") {
        return Verdict::Unknown;
    }
    let body = text.lines().nth(1).unwrap_or_default();
    let encrypted = first.contains("ENCRYPTED")
        || body.starts_with("Proc-Type: 4,ENCRYPTED")
        || (body.starts_with(OPENSSH) && !body.starts_with(OPENSSH_UNENCRYPTED));
    if encrypted {
        Verdict::Encrypted
    } else {
        Verdict::Good
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn generate(kind: &str, passphrase: &str, extra: &[&str]) -> Verdict {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let status = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", passphrase, "-f"])
            .arg(&path)
            .args(extra)
            .status()
            .unwrap();
        assert!(status.success());
        judge(&fs::read_to_string(path).unwrap())
    }

    #[test]
    fn keys_of_ssh_keygen_are_told_apart() {
        assert_eq!(generate("ed25519", "", &[]), Verdict::Good);
        assert_eq!(generate("ed25519", "secret", &[]), Verdict::Encrypted);
        assert_eq!(generate("ecdsa", "", &["-m", "PEM"]), Verdict::Good);
        assert_eq!(
            generate("ecdsa", "secret", &["-m", "PEM"]),
            Verdict::Encrypted
        );
        assert_eq!(
            generate("ecdsa", "secret", &["-m", "PKCS8"]),
            Verdict::Encrypted
        );
    }

    #[test]
    fn what_is_no_private_key_is_told_apart() {
        assert_eq!(judge("ssh-ed25519 AAAA me@home"), Verdict::Public);
        assert_eq!(judge("PuTTY-User-Key-File-3: ssh-ed25519"), Verdict::Putty);
        assert_eq!(judge("hello"), Verdict::Unknown);
        assert_eq!(judge(""), Verdict::Unknown);
    }

    #[test]
    fn a_file_others_can_read_is_refused_with_the_command_that_helps() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = check(&path, "ssh_private_key_file").unwrap_err();
        assert!(error.message.contains("mode 0644"), "{}", error.message);
        assert_eq!(
            error.help.unwrap(),
            format!("run `chmod 600 {}`", path.display())
        );
    }
}
