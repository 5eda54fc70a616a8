//! Pieces of secrets: what is left of one when a program breaks its lines, or shows a part.
//!
//! In: the forms of secrets. Out: where a text holds [`WINDOW`] bytes of one in a row, and, where the text is a line of
//! output, whether it begins with the end of one or ends with the beginning of one.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

/// So many bytes in a row are no coincidence.
const WINDOW: usize = 16;
/// Forms longer than this are known by their exact text only.
const LONGEST: usize = 256 * 1024;
/// At the edge of a line, a piece of this length is one, of shorter forms half of it.
const EDGE: usize = 8;
/// Shorter pieces are never one.
const SHORTEST_EDGE: usize = 4;
/// Bits of the filter that most windows of ordinary text do not pass.
const FILTER_BITS: u32 = 20;

/// What pieces are recognised by.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    windows: HashSet<u128>,
    /// One bit for each hash of a window.
    filter: Vec<u64>,
    /// Forms by how they begin and by how they end.
    begins: BTreeMap<[u8; SHORTEST_EDGE], Vec<String>>,
    ends: BTreeMap<[u8; SHORTEST_EDGE], Vec<String>>,
    /// Lines too short to be secrets anywhere else, and parts of one where they stand alone.
    lines: HashSet<String>,
    longest: usize,
}

impl Pieces {
    /// Any part of this form is a secret.
    pub(super) fn add(&mut self, form: &str) {
        let bytes = form.as_bytes();
        if bytes.len() > LONGEST {
            return;
        }
        if self.filter.is_empty() {
            self.filter = vec![0; 1 << (FILTER_BITS - 6)];
        }
        for window in bytes.windows(WINDOW) {
            let window = number(window);
            self.windows.insert(window);
            let at = hash(window);
            self.filter[at / 64] |= 1 << (at % 64);
        }
        // What begins or ends with blanks is found by the rest of it.
        let form = form.trim();
        if form.len() <= SHORTEST_EDGE {
            return;
        }
        let key = |bytes: &[u8]| <[u8; SHORTEST_EDGE]>::try_from(bytes).ok();
        let (first, last) = (
            key(&form.as_bytes()[..SHORTEST_EDGE]),
            key(&form.as_bytes()[form.len() - SHORTEST_EDGE..]),
        );
        self.longest = self.longest.max(form.len());
        for (map, key) in [(&mut self.begins, first), (&mut self.ends, last)] {
            map.extend_at(key, form);
        }
    }

    /// Where this text is a line of its own it is secret.
    pub(super) fn add_line(&mut self, line: &str) {
        self.lines.insert(line.to_owned());
    }

    /// Where parts of secrets stand in a text.
    pub(super) fn within(&self, text: &str, found: &mut Vec<Range<usize>>) {
        if self.windows.is_empty() {
            return;
        }
        for (at, window) in text.as_bytes().windows(WINDOW).enumerate() {
            let window = number(window);
            let hash = hash(window);
            if self.filter[hash / 64] & 1 << (hash % 64) != 0 && self.windows.contains(&window) {
                // A piece may begin within a character.
                let start = text.floor_char_boundary(at);
                found.push(start..text.ceil_char_boundary(at + WINDOW));
            }
        }
    }

    /// Where a line of output ends with the beginning of a secret, or begins with the end of one.
    pub(super) fn at_edges(&self, line: &str, found: &mut Vec<Range<usize>>) {
        let inner = line.trim();
        let from = line.len() - line.trim_start().len();
        let place = |range: Range<usize>| from + range.start..from + range.end;
        if self.lines.contains(inner) {
            found.push(place(0..inner.len()));
            return;
        }
        let bytes = inner.as_bytes();
        if bytes.len() < SHORTEST_EDGE {
            return;
        }
        let first = bytes.len().saturating_sub(self.longest);
        let last = bytes.len() - SHORTEST_EDGE;
        let tail = (first..=last).find(|at| {
            let mut forms = self.begins.at(&bytes[*at..*at + SHORTEST_EDGE]);
            let piece = &bytes[*at..];
            forms.any(|form| piece.len() >= least(form) && form.as_bytes().starts_with(piece))
        });
        let head = (SHORTEST_EDGE..=bytes.len().min(self.longest))
            .rev()
            .find(|end| {
                let mut forms = self.ends.at(&bytes[*end - SHORTEST_EDGE..*end]);
                let piece = &bytes[..*end];
                forms.any(|form| piece.len() >= least(form) && form.as_bytes().ends_with(piece))
            });
        found.extend(tail.map(|at| place(inner.floor_char_boundary(at)..inner.len())));
        found.extend(head.map(|end| place(0..inner.ceil_char_boundary(end))));
    }
}

/// Bytes that a piece of a form has at least.
fn least(form: &str) -> usize {
    (form.len().div_ceil(2)).clamp(SHORTEST_EDGE, EDGE)
}

fn number(window: &[u8]) -> u128 {
    u128::from_le_bytes(window.try_into().expect("windows are of this length"))
}

fn hash(window: u128) -> usize {
    let folded = (window as u64) ^ (window >> 64) as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS)) as usize
}

/// Forms by a few of their bytes.
trait ByBytes {
    fn extend_at(&mut self, key: Option<[u8; SHORTEST_EDGE]>, form: &str);
    fn at(&self, key: &[u8]) -> std::slice::Iter<'_, String>;
}

impl ByBytes for BTreeMap<[u8; SHORTEST_EDGE], Vec<String>> {
    fn extend_at(&mut self, key: Option<[u8; SHORTEST_EDGE]>, form: &str) {
        if let Some(key) = key {
            self.entry(key).or_default().push(form.to_owned());
        }
    }

    fn at(&self, key: &[u8]) -> std::slice::Iter<'_, String> {
        self.get(key).map(Vec::as_slice).unwrap_or_default().iter()
    }
}
