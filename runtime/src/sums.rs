//! Files of checksums, as the post-processor `checksum` writes them: lines of `digest<TAB>name`.

use std::path::Path;

/// Lengths of digests in hexadecimal, from MD5 to SHA-512.
const LENGTHS: [usize; 6] = [32, 40, 56, 64, 96, 128];

/// A line without its end, from digest and name.
pub(crate) fn line((digest, name): &(&str, &str)) -> String {
    format!("{digest}\t{name}")
}

/// Digest and name of a line; `None` where it is not one.
pub(crate) fn split(line: &str) -> Option<(&str, &str)> {
    let (digest, name) = line.split_once('\t')?;
    let is_digest =
        LENGTHS.contains(&digest.len()) && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then_some((digest, name))
}

/// Whether a file has nothing else than lines of checksums, so that the post-processor `checksum` drops nothing of it that is not a
/// checksum; one that cannot be read may have. Blocks.
pub fn has_checksums_only(path: &Path) -> bool {
    let text = std::fs::read_to_string(path);
    text.is_ok_and(|text| text.lines().all(|line| split(line).is_some()))
}

/// Whether a file of checksums has these lines, each once and none beside it that says another digest of that length of the same
/// name, and has nothing else than checksums. One that cannot be read has not. Blocks.
pub(crate) fn hold(path: &Path, lines: &[String]) -> bool {
    let Ok(text) = std::fs::read_to_string(path) else {
        return false;
    };
    let mut found: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        match split(line) {
            Some(one) => found.push(one),
            None => return false,
        }
    }
    lines.iter().all(|line| {
        let Some((digest, name)) = split(line) else {
            return false;
        };
        let same = |one: &&(&str, &str)| one.1 == name && one.0.len() == digest.len();
        let same: Vec<_> = found.iter().filter(same).collect();
        same == [&(digest, name)]
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ONE: &str = "49f68a5c8493ec2c0bf489821c21fc3b\tone";

    #[test]
    fn lines_of_others_do_not_matter_and_others_about_the_same_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("SUMS");
        let holds = |text: &str| {
            std::fs::write(&path, text).unwrap();
            hold(&path, &[ONE.to_owned()])
        };
        let two = "b1946ac92492d2347c6235b4d2611184\ttwo";
        let sha1 = "c22b5f9178342609428d6f51b2c5af4c0bde6a42\tone";
        assert!(holds(&format!("{two}\n{ONE}\n{sha1}\n")));
        assert!(holds(ONE));
        assert!(!holds(two));
        assert!(!holds(&format!(
            "{ONE}\nb1946ac92492d2347c6235b4d2611184\tone\n"
        )));
        assert!(!holds(&format!("{ONE}\n{ONE}\n")));
        assert!(!holds(&format!("{ONE}\ngarbage\n")));
        assert!(!hold(&directory.path().join("none"), &[ONE.to_owned()]));
    }
}
