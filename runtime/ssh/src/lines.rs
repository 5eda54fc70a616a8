//! Bytes to lines, as they come.

use std::borrow::Cow;

/// The longest line passed on in one piece; longer ones are broken.
const LONGEST: usize = 64 * 1024;

/// Collects bytes until a line is complete.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes bytes; gives each line that is complete now. Bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(Cow<'_, str>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            if self.rest.is_empty() {
                line(String::from_utf8_lossy(&bytes[..end]));
            } else {
                self.rest.extend_from_slice(&bytes[..end]);
                line(String::from_utf8_lossy(&self.rest));
                self.rest.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.rest.extend_from_slice(bytes);
        while self.rest.len() > LONGEST {
            let end = boundary(&self.rest, LONGEST);
            line(String::from_utf8_lossy(&self.rest[..end]));
            self.rest.drain(..end);
        }
    }

    /// Gives the last line where it has no end.
    pub(crate) fn finish(&mut self, line: impl FnOnce(Cow<'_, str>)) {
        if !self.rest.is_empty() {
            line(String::from_utf8_lossy(&self.rest));
            self.rest.clear();
        }
    }
}

/// The largest index up to `limit` that does not lie within a character.
fn boundary(bytes: &[u8], limit: usize) -> usize {
    let is_start = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    (limit.saturating_sub(3)..=limit)
        .rev()
        .find(is_start)
        .unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for part in parts {
            lines.push(part, |line| seen.push(line.into_owned()));
        }
        lines.finish(|line| seen.push(line.into_owned()));
        seen
    }

    #[test]
    fn lines_are_whole_whatever_the_pieces() {
        assert_eq!(lines(&[b"a\nb", b"c\n", b"\nd"]), ["a", "bc", "", "d"]);
        assert_eq!(
            lines(&["é\n".as_bytes().split_at(1).0, &"é\n".as_bytes()[1..]]),
            ["é"]
        );
    }

    #[test]
    fn bad_bytes_and_long_lines_pass() {
        assert_eq!(lines(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
        let long = format!("a{}", "é".repeat(LONGEST));
        let seen = lines(&[long.as_bytes()]);
        assert_eq!(seen.concat(), long);
        assert_eq!(seen.len(), 3);
    }
}
