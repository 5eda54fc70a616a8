//! Text for the remote shell.

/// A word that the shell takes as it stands. A leading `~/` stays the home directory.
pub(crate) fn path(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => format!("\"$HOME\"/{}", word(rest)),
        None if path == "~" => "\"$HOME\"".to_owned(),
        // A path that starts with a dash would be an option.
        None if path.starts_with('-') => word(&format!("./{path}")),
        None => word(path),
    }
}

/// A word that the shell takes as it stands.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A line that runs `script` with `sh`, whatever the login shell, with arguments that are already quoted.
pub(crate) fn script(script: &str, arguments: &[String]) -> String {
    format!("exec sh -c {} sh {}", word(script), arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for text in [
            "plain",
            "",
            "a b",
            "it's",
            "$HOME `x` \\ \"",
            "*",
            "-n",
            "ü\n!",
            "~",
        ] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", word(text))])
                .output()
                .expect("there is a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), text);
        }
    }

    #[test]
    fn home_is_the_remote_one() {
        assert_eq!(path("~/a b"), "\"$HOME\"/'a b'");
        assert_eq!(path("-rf"), "./-rf");
        assert_eq!(path("/etc/motd"), "/etc/motd");
    }
}
