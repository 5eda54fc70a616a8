//! Positions of the protocol and byte offsets. Encodings other than UTF-8 exist only here.
//!
//! In: a text, and where its lines start. Out: offsets for positions and positions for offsets, in the encoding that was
//! agreed on. What lies outside of the text is moved to the nearest place in it, as the protocol asks.

use gen_lsp_types::{Position, PositionEncodingKind, Range};
use imgc_ide::TextRange;

/// What a column counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 units: what every client knows.
    #[default]
    Utf16,
    /// Characters.
    Utf32,
}

impl Encoding {
    /// The first that both sides know.
    pub(crate) fn agree(offered: &[PositionEncodingKind]) -> Self {
        let known = offered.iter().filter_map(|kind| match kind {
            kind if *kind == PositionEncodingKind::UTF8 => Some(Self::Utf8),
            kind if *kind == PositionEncodingKind::UTF16 => Some(Self::Utf16),
            kind if *kind == PositionEncodingKind::UTF32 => Some(Self::Utf32),
            _ => None,
        });
        known.into_iter().next().unwrap_or_default()
    }

    /// Its name in the protocol.
    pub(crate) fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
            Self::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    /// How many units a text has.
    pub(crate) fn units(self, text: &str) -> u32 {
        let units = match self {
            Self::Utf8 => text.len(),
            _ if text.is_ascii() => text.len(),
            Self::Utf16 => text.chars().map(char::len_utf16).sum(),
            Self::Utf32 => text.chars().count(),
        };
        units as u32
    }

    /// How many bytes the first `units` of a text are; a place inside of a character is the place before it.
    fn bytes(self, text: &str, units: u32) -> usize {
        let mut left = units as usize;
        for (at, character) in text.char_indices() {
            let width = match self {
                Self::Utf8 => character.len_utf8(),
                Self::Utf16 => character.len_utf16(),
                Self::Utf32 => 1,
            };
            if left < width {
                return at;
            }
            left -= width;
        }
        text.len()
    }
}

/// Where the lines of a text start. A line ends with `\n`, `\r\n` or `\r`.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    starts: Vec<u32>,
}

impl Lines {
    /// Those of a text.
    pub(crate) fn new(text: &str) -> Self {
        let mut lines = Self { starts: vec![0] };
        lines.scan(text, 0);
        lines
    }

    /// Adds the lines that start after `from`.
    fn scan(&mut self, text: &str, from: usize) {
        let bytes = text.as_bytes();
        for at in memchr::memchr2_iter(b'\n', b'\r', &bytes[from..]) {
            let at = from + at;
            // The second half of `\r\n` says it for both.
            if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
                self.starts.push(at as u32 + 1);
            }
        }
    }

    /// The text has changed from an offset on.
    pub(crate) fn changed(&mut self, text: &str, from: usize) {
        // One line more than seems needed: an edit may split or join the two bytes of `\r\n`.
        let line = self.line(from as u32).saturating_sub(1);
        self.starts.truncate(line + 1);
        self.scan(text, self.starts[line] as usize);
    }

    fn line(&self, offset: u32) -> usize {
        self.starts.partition_point(|start| *start <= offset) - 1
    }

    /// The text of a line without its end, and where it starts.
    fn content<'a>(&self, text: &'a str, line: usize) -> (usize, &'a str) {
        let start = self.starts[line] as usize;
        let end = self
            .starts
            .get(line + 1)
            .map_or(text.len(), |next| *next as usize);
        let content = &text[start..end];
        (start, content.trim_end_matches(['\n', '\r']))
    }

    /// The position of an offset.
    pub(crate) fn position(&self, text: &str, offset: u32, encoding: Encoding) -> Position {
        let mut offset = (offset as usize).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line(offset as u32);
        let (start, content) = self.content(text, line);
        let before = &content[..(offset - start).min(content.len())];
        Position::new(line as u32, encoding.units(before))
    }

    /// The offset of a position.
    pub(crate) fn offset(&self, text: &str, position: Position, encoding: Encoding) -> u32 {
        let line = position.line as usize;
        if line >= self.starts.len() {
            return text.len() as u32;
        }
        let (start, content) = self.content(text, line);
        (start + encoding.bytes(content, position.character)) as u32
    }

    /// The offsets of a range; one that is the wrong way round is turned.
    pub(crate) fn text_range(&self, text: &str, range: Range, encoding: Encoding) -> TextRange {
        let start = self.offset(text, range.start, encoding);
        let end = self.offset(text, range.end, encoding);
        TextRange::new(start.min(end), start.max(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\r\nü😀b\rc\n\nend";

    #[test]
    fn columns_count_what_was_agreed_on() {
        let lines = Lines::new(TEXT);
        let b = TEXT.find('b').map_or(0, |at| at as u32);
        for (encoding, column) in [
            (Encoding::Utf8, 6),
            (Encoding::Utf16, 3),
            (Encoding::Utf32, 2),
        ] {
            let position = lines.position(TEXT, b, encoding);
            assert_eq!(position, Position::new(1, column));
            assert_eq!(lines.offset(TEXT, position, encoding), b);
        }
    }

    #[test]
    fn every_place_comes_back() {
        let lines = Lines::new(TEXT);
        for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
            for (at, character) in TEXT.char_indices() {
                let back = lines.offset(TEXT, lines.position(TEXT, at as u32, encoding), encoding);
                // Inside of `\r\n` there is no position.
                let expected = if character == '\n' && TEXT[..at].ends_with('\r') {
                    at - 1
                } else {
                    at
                };
                assert_eq!(back, expected as u32);
            }
        }
    }

    #[test]
    fn places_outside_of_the_text_are_moved_into_it() {
        let lines = Lines::new(TEXT);
        let offset =
            |line, column| lines.offset(TEXT, Position::new(line, column), Encoding::Utf16);
        assert_eq!(offset(0, 99), 1);
        assert_eq!(offset(99, 0), TEXT.len() as u32);
        // In the middle of a surrogate pair.
        assert_eq!(offset(1, 2), TEXT.find('😀').map_or(0, |at| at as u32));
        let beyond = lines.position(TEXT, 999, Encoding::Utf8);
        assert_eq!(beyond, Position::new(4, 3));
    }

    #[test]
    fn lines_follow_the_text() {
        let pieces = ["", "\r", "\n", "x", "\r\n", "ü\n"];
        let mut text = String::from("one\r\ntwo\nthree\r");
        let mut lines = Lines::new(&text);
        let mut seed = 7_usize;
        for _ in 0..500 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut ends = [
                (seed >> 20) % (text.len() + 1),
                (seed >> 34) % (text.len() + 1),
            ];
            ends.sort_unstable();
            let [start, end] = ends.map(|at| (0..=at).rev().find(|at| text.is_char_boundary(*at)));
            let (start, end) = (
                start.unwrap_or(0),
                end.unwrap_or(0).min(start.unwrap_or(0) + 3),
            );
            let end = (start..=end.max(start))
                .rev()
                .find(|at| text.is_char_boundary(*at));
            text.replace_range(
                start..end.unwrap_or(start),
                pieces[(seed >> 50) % pieces.len()],
            );
            lines.changed(&text, start);
            assert_eq!(lines.starts, Lines::new(&text).starts, "{text:?}");
        }
    }
}
