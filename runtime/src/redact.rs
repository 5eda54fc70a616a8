//! Masks secrets in text.
//!
//! In: secrets, added at any time, and texts. Out: the texts with every secret replaced by [`MASK`], also where it
//! stands in base64 (at any alignment), hexadecimal, URL-, JSON- or shell-quoted form, with any of its characters
//! escaped, line by line for secrets of several lines, in pieces where lines are broken, and with colours and other
//! steering of a terminal in the middle.
//!
//! A secret that has another one in it, such as a command with a password, is known by its whole text only: its other
//! parts stand in ordinary output as well.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::plan::Plan;
use imgc_compiler::value::Value;

use crate::event::Redact;

mod controls;
mod escapes;
mod forms;
mod pieces;

use escapes::Escapes;
use pieces::Pieces;

/// What stands for a secret; Packer's word.
pub const MASK: &str = "<sensitive>";
/// Shorter secrets are not masked: they would blot out ordinary text.
pub const SHORTEST: usize = 3;
/// Shorter lines of a secret of several lines are masked only where they stand alone.
const SHORTEST_LINE: usize = 6;

/// Masks the texts of a problem; places and fixes stay as they are.
pub fn diagnostic(diagnostic: &mut Diagnostic, redact: &dyn Redact) {
    let texts = [diagnostic.label.as_mut(), diagnostic.help.as_mut()];
    let labels = diagnostic.labels.iter_mut().map(|label| &mut label.text);
    let fixes = diagnostic.fixes.iter_mut().map(|fix| &mut fix.title);
    let all = texts.into_iter().flatten().chain(labels).chain(fixes);
    for text in all.chain([&mut diagnostic.message]) {
        *text = redact.redact(text);
    }
}

/// The redactor of a run.
#[derive(Debug, Default)]
pub struct Redactor {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    secrets: BTreeSet<String>,
    /// Made when it is next needed after `secrets` has grown.
    known: Option<Known>,
}

/// What secrets are recognised by.
#[derive(Debug)]
struct Known {
    whole: AhoCorasick,
    escapes: Escapes,
    pieces: Pieces,
}

impl Redactor {
    /// Knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows what a template declares as sensitive, and what follows from it; and of what is a secret by its option what is
    /// distinctive.
    pub fn declared(plan: &Plan) -> Self {
        let redactor = Self::new();
        let variables = plan.variables.iter().map(|variable| &variable.value);
        redactor.add_all(variables.chain(&plan.secrets));
        for secret in options(plan).flat_map(crate::options::undeclared_secrets) {
            redactor.add(&secret);
        }
        redactor
    }

    /// Knows what is declared, and what is secret among the options of all components: what one build says may hold what
    /// another has as its secret.
    pub fn of(plan: &Plan) -> Self {
        let redactor = Self::declared(plan);
        let outputs = plan.outputs.iter().map(|output| output.value.value());
        redactor.add_all(options(plan).chain(outputs));
        redactor
    }

    fn add_all<'a>(&self, values: impl Iterator<Item = &'a Value>) {
        for secret in values.flat_map(crate::options::secrets) {
            self.add(&secret);
        }
    }

    fn mask(&self, text: &str, line: bool) -> Option<String> {
        loop {
            {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                if state.secrets.is_empty() {
                    return None;
                }
                if let Some(known) = &state.known {
                    return known.mask(text, line);
                }
            }
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if state.known.is_none() {
                state.known = Some(Known::of(&state.secrets));
            }
        }
    }
}

/// The options of all components.
fn options(plan: &Plan) -> impl Iterator<Item = &Value> {
    let sources = plan.builds.iter().map(|build| build.source.value());
    let steps = plan.steps.iter().map(|step| step.options.value());
    let inside = plan.builds.iter();
    let inside = inside.flat_map(|build| build.checks.iter().chain(&build.cleanup));
    let inside = inside.map(|step| step.options.value());
    sources.chain(steps).chain(inside)
}

impl Redact for Redactor {
    fn redact(&self, text: &str) -> String {
        self.mask(text, false).unwrap_or_else(|| text.to_owned())
    }

    fn redact_line(&self, text: &str) -> String {
        self.mask(text, true).unwrap_or_else(|| text.to_owned())
    }

    fn add(&self, secret: &str) {
        if secret.trim().len() < SHORTEST {
            return;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.secrets.insert(secret.to_owned()) {
            state.known = None;
        }
    }
}

impl Known {
    fn of(secrets: &BTreeSet<String>) -> Self {
        let bare: BTreeSet<&str> = secrets.iter().map(|secret| secret.trim()).collect();
        let made = made_of_others(&bare);
        let mut patterns = BTreeSet::new();
        let mut pieces = Pieces::default();
        let mut quoted = bare.clone();
        for secret in secrets {
            for text in [secret.as_str(), secret.trim()] {
                patterns.extend(forms::of(text));
            }
        }
        for secret in &bare {
            for line in secret.lines().filter(|_| secret.contains('\n')) {
                match line.trim() {
                    line if line.len() >= SHORTEST_LINE => {
                        patterns.extend(forms::of(line));
                        quoted.insert(line);
                    }
                    line if line.chars().any(char::is_alphanumeric) => pieces.add_line(line),
                    _ => {}
                }
            }
            if !made.contains(secret) {
                for form in forms::whole(secret) {
                    pieces.add(&form);
                }
            }
        }
        Self {
            whole: automaton(&patterns),
            escapes: Escapes::of(quoted),
            pieces,
        }
    }

    /// `None` where there is nothing to mask. Overlapping secrets become one mask, so that no end of one stays readable.
    fn mask(&self, text: &str, line: bool) -> Option<String> {
        let mut ranges = self.within(text, line);
        let views = controls::views(text);
        for view in &views {
            let seen = self.within(&view.text, line);
            ranges.extend(seen.iter().filter_map(|range| view.original(range)));
        }
        if ranges.is_empty() {
            return None;
        }
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        let mut result = String::with_capacity(text.len());
        let mut end = 0;
        for range in ranges {
            if range.start >= end {
                result.push_str(&text[end..range.start]);
                result.push_str(MASK);
            }
            let new = range.start.max(end)..range.end;
            if !views.is_empty() && !new.is_empty() {
                result.push_str(&controls::styles(&text[new]));
            }
            end = end.max(range.end);
        }
        result.push_str(&text[end..]);
        Some(result)
    }

    /// Where secrets stand in a text.
    fn within(&self, text: &str, line: bool) -> Vec<Range<usize>> {
        let mut ranges: Vec<Range<usize>> = match self.whole.is_match(text) {
            false => Vec::new(),
            true => {
                let found = self.whole.find_overlapping_iter(text);
                found.map(|found| found.start()..found.end()).collect()
            }
        };
        self.escapes.within(text, &mut ranges);
        self.pieces.within(text, &mut ranges);
        if line {
            let mut from = 0;
            for one in text.split_inclusive('\n') {
                let before = ranges.len();
                self.pieces.at_edges(one, &mut ranges);
                for range in &mut ranges[before..] {
                    *range = range.start + from..range.end + from;
                }
                from += one.len();
            }
        }
        ranges
    }
}

/// The secrets that have another one in them.
fn made_of_others<'a>(secrets: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let all = automaton(secrets);
    let has_other = |secret: &&&str| {
        let mut found = all.find_overlapping_iter(**secret);
        found.any(|found| found.len() < secret.len())
    };
    secrets.iter().filter(has_other).copied().collect()
}

fn automaton<T: AsRef<[u8]>>(patterns: &BTreeSet<T>) -> AhoCorasick {
    AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .build(patterns)
        .expect("secrets are far fewer than an automaton can hold")
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
    fn quoted_twice_and_byte_by_byte() {
        let secret = "quo\"te\\back-P\u{e4}ss";
        let once = serde_json::to_string(secret).unwrap();
        for text in [
            serde_json::to_string(&once).unwrap(),
            r#""\"quo\\\"te\\\\back-P\\u00e4ss\"""#.to_owned(),
            r#"b'quo"te\back-P\xc3\xa4ss'"#.to_owned(),
            r#"$'quo"te\back-P\303\244ss'"#.to_owned(),
        ] {
            let shown = redacted(&[secret], &text);
            assert!(shown.contains(MASK), "{text} -> {shown}");
            assert!(!shown.contains("back"), "{text} -> {shown}");
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

    fn line(secrets: &[&str], text: &str) -> String {
        let redactor = Redactor::new();
        for secret in secrets {
            redactor.add(secret);
        }
        redactor.redact_line(text)
    }

    #[test]
    fn short_lines_of_a_longer_secret_where_they_stand_alone() {
        let key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nab=\n}\n";
        assert_eq!(line(&[key], "  ab=\n"), "  <sensitive>\n");
        assert_eq!(line(&[key], "x ab=\n}\n"), "x ab=\n}\n");
    }

    #[test]
    fn broken_lines() {
        let secret = "Tr0ub4dor-and-a-staple-of-correct-horses";
        for width in 8..30 {
            let broken: Vec<&str> = secret
                .as_bytes()
                .chunks(width)
                .map(|part| std::str::from_utf8(part).unwrap())
                .collect();
            let last = broken.len() - 1;
            for (at, part) in broken.iter().enumerate() {
                // Of pieces in the middle those of sixteen characters are told from other text.
                let known = at == 0 || at == last || part.len() >= 16;
                if part.len() >= 8 && known {
                    assert_eq!(line(&[secret], part), MASK, "{part}");
                }
            }
        }
        assert_eq!(line(&["hunter2-horse"], "is hunter2"), "is <sensitive>");
        assert_eq!(line(&["hunter2-horse"], "2-horse."), "<sensitive>.");
        assert_eq!(line(&["hunter2-horse"], "is hunte"), "is hunte");
    }

    #[test]
    fn encoded_and_broken_as_programs_do() {
        let secret =
            "0123456789 the whole of a key that is longer than one line of base64 has room for";
        let encoded = STANDARD.encode(format!("key: {secret}\n"));
        let mut kept = String::new();
        for part in encoded.as_bytes().chunks(76) {
            kept.push_str(&line(&[secret], std::str::from_utf8(part).unwrap()));
        }
        let kept = kept.replace(MASK, "");
        assert!(kept.len() < 16, "{kept}");
    }

    #[test]
    fn in_digits() {
        assert_eq!(redacted(&["hunter2"], "68756e74657232"), MASK);
        assert_eq!(redacted(&["hunter2"], "68756E74657232"), MASK);
        assert_eq!(
            redacted(&["hunter2"], " 68 75 6e 74 65 72 32 0a"),
            " <sensitive> 0a"
        );
    }

    #[test]
    fn what_a_longer_secret_has_besides_a_shorter_one_stays() {
        let secrets = [
            "hunter2",
            "docker login --username somebody --password hunter2",
        ];
        assert_eq!(
            redacted(&secrets, "usage: docker login --username NAME"),
            "usage: docker login --username NAME"
        );
        assert_eq!(redacted(&secrets, secrets[1]), MASK);
    }

    #[test]
    fn with_steering_of_the_terminal_in_the_middle() {
        let secret = "LegacySECRET77";
        for text in [
            "\x1b[1mLegacy\x1b[0mSECRET77",
            "is \x1b[01;31m\x1b[KLegacySECRET77\x1b[m\x1b[K.",
            "\x1b[01;31m\x1b[KLegacy\x1b[m\x1b[KSECRET77",
            "L\x1b[38;5;1me\x1b[38;2;1;2;3mgacySE\x1b(BCRET7\x1b[0m7",
            "Legacy\x08SECRET77",
            "Legacx\x08ySECRET77",
            "Legacy\rSECRET77",
            "xxxxxxSECRET77\rLegacy",
            "xxxxxxSECRET77\x1b[14DLegacy",
            "xxxxxxSECRET77\x1b[1GLegacy",
            "Legacy\x1b]0;a title\x07SECRET77",
            "Legacy\x1b]8;;https://example\x1b\\SECRET77\x1b]8;;\x1b\\",
            "\x1b]0;LegacySECRET77\x07 in a title",
            "Legacy\u{9b}1mSECRET77",
            "Leg\0acySECRET77",
            "Legacy\x1bSECRET77",
            "Legacy\x7fSECRET77",
            "TGVnYWN5U0V\x1b[1mDUkVUNzc=",
            "Legacy\x1b[0m\\x53ECRET77",
        ] {
            let shown = line(&[secret], text);
            assert!(shown.contains(MASK), "{text:?} -> {shown:?}");
            for part in ["SECRET77", "CRET7", "UkVUN"] {
                assert!(!shown.contains(part), "{text:?} -> {shown:?}");
            }
            let inside = format!("before\n{text}\nafter");
            let shown = redacted(&[secret], &inside);
            assert!(shown.starts_with("before\n"), "{shown:?}");
            assert!(shown.ends_with("\nafter"), "{shown:?}");
            assert!(shown.contains(MASK), "{inside:?} -> {shown:?}");
        }
    }

    #[test]
    fn colours_go_on_as_they_were() {
        assert_eq!(
            redacted(&["hunter2"], "a \x1b[1mhun\x1b[0mter2 b"),
            "a \x1b[1m<sensitive>\x1b[0m b"
        );
        let plain =
            "\x1b[32m10%\x1b[0m\r\x1b[32m20%\x1b[0m\x1b[K\x1b[9999999999999999999999C done\r\n";
        assert_eq!(line(&["hunter2"], plain), plain);
        let ended = "broken \x1b[ \x1b] \x1b( \x1b";
        assert_eq!(line(&["hunter2"], ended), ended);
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
