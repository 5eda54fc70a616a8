//! Masks secrets in text.
//!
//! In: secrets, added at any time, and texts. Out: the texts with every secret replaced by [`MASK`], also where it
//! stands in base64 (at any alignment), URL-, JSON- or shell-quoted form, and line by line for secrets of several lines.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};

use crate::event::Redact;

mod forms;

/// What stands for a secret; Packer's word.
pub const MASK: &str = "<sensitive>";
/// Shorter secrets are not masked: they would blot out ordinary text.
pub const SHORTEST: usize = 3;
/// Shorter lines of a secret of several lines are not masked by themselves.
const SHORTEST_LINE: usize = 6;

/// The redactor of a run.
#[derive(Debug, Default)]
pub struct Redactor {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    secrets: BTreeSet<String>,
    patterns: BTreeSet<String>,
    /// Rebuilt when it is next needed after `patterns` has grown.
    automaton: Option<AhoCorasick>,
}

impl Redactor {
    /// Knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn mask(&self, text: &str) -> Option<String> {
        loop {
            {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                if state.patterns.is_empty() {
                    return None;
                }
                if let Some(automaton) = &state.automaton {
                    return mask(automaton, text);
                }
            }
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if state.automaton.is_none() {
                let automaton = AhoCorasick::builder()
                    .match_kind(MatchKind::Standard)
                    .build(&state.patterns)
                    .expect("secrets are far fewer than an automaton can hold");
                state.automaton = Some(automaton);
            }
        }
    }
}

impl Redact for Redactor {
    fn redact(&self, text: &str) -> String {
        self.mask(text).unwrap_or_else(|| text.to_owned())
    }

    fn add(&self, secret: &str) {
        if secret.trim().len() < SHORTEST {
            return;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if !state.secrets.insert(secret.to_owned()) {
            return;
        }
        let mut wanted = vec![secret.to_owned()];
        wanted.push(secret.trim().to_owned());
        if secret.contains('\n') {
            wanted.extend(
                secret
                    .lines()
                    .map(|line| line.trim().to_owned())
                    .filter(|line| line.len() >= SHORTEST_LINE),
            );
        }
        for text in wanted {
            state.patterns.extend(forms::of(&text));
        }
        state.automaton = None;
    }
}

/// `None` where there is nothing to mask. Overlapping secrets become one mask, so that no end of one stays readable.
fn mask(automaton: &AhoCorasick, text: &str) -> Option<String> {
    if !automaton.is_match(text) {
        return None;
    }
    let mut ranges: Vec<(usize, usize)> = automaton
        .find_overlapping_iter(text)
        .map(|found| (found.start(), found.end()))
        .collect();
    ranges.sort_unstable();
    let mut result = String::with_capacity(text.len());
    let mut end = 0;
    for (start, stop) in ranges {
        if start >= end {
            result.push_str(&text[end..start]);
            result.push_str(MASK);
        }
        end = end.max(stop);
    }
    result.push_str(&text[end..]);
    Some(result)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn redacted(secrets: &[&str], text: &str) -> String {
        let redactor = Redactor::new();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor.redact(text)
    }

    #[test]
    fn plain_overlapping_and_adjacent() {
        assert_eq!(redacted(&[], "text"), "text");
        assert_eq!(
            redacted(&["hunter2"], "a hunter2, hunter2!"),
            "a <sensitive>, <sensitive>!"
        );
        assert_eq!(redacted(&["abcd", "cdef"], "-abcdef-"), "-<sensitive>-");
        assert_eq!(redacted(&["abcd", "abcdef"], "-abcdef-"), "-<sensitive>-");
        assert_eq!(
            redacted(&["abcd", "efgh"], "abcdefgh"),
            "<sensitive><sensitive>"
        );
        assert_eq!(redacted(&["é→secret"], "x é→secret y"), "x <sensitive> y");
    }

    #[test]
    fn very_short_ones_are_left() {
        assert_eq!(redacted(&["", "a", "ab", " x "], "a tab x "), "a tab x ");
    }

    #[test]
    fn in_base64_at_any_alignment() {
        let secret = "correct horse battery";
        for prefix in ["", "u", "us", "use", "user:"] {
            let text = STANDARD.encode(format!("{prefix}{secret}:rest"));
            let shown = redacted(&[secret], &text);
            assert!(shown.contains(MASK), "{prefix}: {shown}");
            // What stays are edges shared with neighbours: too little to read the secret from.
            let kept = shown.replace(MASK, "");
            assert!(
                text.len() - kept.len() >= secret.len() * 4 / 3 - 4,
                "{shown}"
            );
        }
    }

    #[test]
    fn quoted_for_urls_json_and_shells() {
        let secret = "p@ss w\"o'r$d<&>";
        let json = serde_json::to_string(secret).unwrap();
        for text in [
            "https://u:p%40ss%20w%22o%27r%24d%3C%26%3E@h/".to_owned(),
            "?q=p%40ss+w%22o%27r%24d%3C%26%3E".to_owned(),
            "?q=p%40ss%20w%22o%27r%24d%3c%26%3e".to_owned(),
            json,
            r#"{"a":"p@ss w\"o'r$d\u003c\u0026\u003e"}"#.to_owned(),
            r#"'p@ss w"o'\''r$d<&>'"#.to_owned(),
            r#"'p@ss w"o'"'"'r$d<&>'"#.to_owned(),
            r#""p@ss w\"o'r\$d<&>""#.to_owned(),
            r#"p@ss\ w\"o\'r\$d\<\&\>"#.to_owned(),
        ] {
            let shown = redacted(&[secret], &text);
            assert!(shown.contains(MASK), "{text} -> {shown}");
            assert!(!shown.contains("ss"), "{text} -> {shown}");
        }
    }

    #[test]
    fn several_lines_line_by_line() {
        let key = "-----BEGIN KEY-----\r\nMIIEpAIBAAKCAQEA\r\nab\r\n-----END KEY-----\r\n";
        assert_eq!(
            redacted(&[key], "  MIIEpAIBAAKCAQEA\nab\n"),
            "  <sensitive>\nab\n"
        );
        assert_eq!(
            redacted(&["one secret\n"], "is one secret."),
            "is <sensitive>."
        );
    }

    #[test]
    fn many_lines_are_quick() {
        let redactor = Redactor::new();
        for n in 0..200 {
            redactor.add(&format!("secret number {n:04}"));
        }
        let text =
            "an ordinary line of a log with nothing in it, 80 characters long or somewhat more\n"
                .repeat(20_000);
        let start = std::time::Instant::now();
        assert_eq!(redactor.redact(&text), text);
        // 1.6 MB; unoptimised builds on a loaded machine included.
        assert!(start.elapsed().as_secs() < 5);
    }
}
