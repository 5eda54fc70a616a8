//! What a merge leaves in a text where two sides changed the same lines.
//!
//! In: a text with `<<<<<<<`, `=======` and `>>>>>>>` at the beginnings of lines. Out: one problem for each conflict, and
//! the same text with blanks for the markers and for all but the first side, so that everything keeps its place and what
//! is left can be read. No language that templates are written in has a meaning for these lines outside of texts that go
//! over several lines and of comments; whoever reads the text knows which are inside of such.

use std::ops::Range;

use crate::hcl::SyntaxError;

/// How many characters a marker has.
const LEN: usize = 7;

/// A conflict, or a line that is left of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The line with its first marker, without the line end.
    pub first: Range<usize>,
    /// The line with its last marker; the same where only one line is left.
    pub last: Range<usize>,
    /// The numbers of the two lines, from 1.
    pub lines: (usize, usize),
    /// What is not read: markers and the sides behind the first.
    blank: [Range<usize>; 2],
}

/// A marker: its character, its line, the line's number.
type Marker = (u8, Range<usize>, usize);

/// The conflicts of a text in their order; linear.
pub fn find(text: &str) -> Vec<Conflict> {
    let mut found = Vec::new();
    // Markers of a conflict that is not whole yet.
    let mut open: Vec<Marker> = Vec::new();
    for marker in markers(text) {
        let begun = open.iter().any(|(sign, ..)| *sign == b'<');
        let divided = open.iter().any(|(sign, ..)| *sign == b'=');
        match marker.0 {
            b'<' => {
                found.extend(open.drain(..).map(left_over));
                open.push(marker);
            }
            b'|' if begun && open.len() == 1 => open.push(marker),
            b'=' if begun && !divided => open.push(marker),
            b'>' if begun && divided => {
                found.push(whole(&open, marker));
                open.clear();
            }
            b'>' => {
                found.extend(open.drain(..).map(left_over));
                found.push(left_over(marker));
            }
            _ => found.push(left_over(marker)),
        }
    }
    found.extend(open.into_iter().map(left_over));
    found.sort_by_key(|conflict| conflict.first.start);
    found
}

/// The text with blanks for what is not read of `conflicts`: as long as before, line ends where they were.
pub fn without(text: &str, conflicts: &[Conflict]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in conflicts.iter().flat_map(|conflict| &conflict.blank) {
        out.push_str(&text[at..range.start]);
        out.extend(text[range.clone()].bytes().map(|byte| match byte {
            b'\n' | b'\r' => char::from(byte),
            _ => ' ',
        }));
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

impl Conflict {
    /// What is wrong, with its place.
    pub fn error(&self) -> SyntaxError {
        let place = |range: &Range<usize>| {
            let offset = |at| u32::try_from(at).unwrap_or(u32::MAX);
            (offset(range.start), offset(range.end))
        };
        let (first, last) = self.lines;
        if first == last {
            return SyntaxError::new(
                "syntax/merge-conflict",
                place(&self.first),
                format!("line {first} is left of a merge conflict"),
            )
            .help("remove it, and look whether what stands around it is what it should be");
        }
        SyntaxError::new(
            "syntax/merge-conflict",
            place(&self.first),
            format!("lines {first} to {last} are a merge conflict that is not resolved"),
        )
        .help("keep one of the sides, or what should be of both, and remove the lines with the markers")
        .related(place(&self.last), "it ends here")
    }
}

fn whole(open: &[Marker], last: Marker) -> Conflict {
    let (_, first, number) = &open[0];
    let (_, second, _) = &open[1];
    Conflict {
        first: first.clone(),
        last: last.1.clone(),
        lines: (*number, last.2),
        blank: [first.clone(), second.start..last.1.end],
    }
}

fn left_over((_, line, number): Marker) -> Conflict {
    Conflict {
        first: line.clone(),
        last: line.clone(),
        lines: (number, number),
        blank: [line.clone(), line.end..line.end],
    }
}

/// The lines that are markers.
fn markers(text: &str) -> impl Iterator<Item = Marker> {
    let mut start = 0;
    (1..)
        .zip(text.split_inclusive('\n'))
        .filter_map(move |(number, line)| {
            let begin = start;
            start += line.len();
            let line = line.trim_end_matches(['\r', '\n']);
            is_marker(line).map(|sign| (sign, begin..begin + line.len(), number))
        })
}

/// The character of a marker, if the line is one: seven of it, and a blank before what follows.
fn is_marker(line: &str) -> Option<u8> {
    let sign = *line.as_bytes().first()?;
    let rest = line.get(LEN..)?;
    let is_sign = match sign {
        b'<' | b'>' | b'|' => rest.is_empty() || rest.starts_with(' '),
        b'=' => rest.is_empty(),
        _ => false,
    };
    (is_sign && line.bytes().take(LEN).all(|byte| byte == sign)).then_some(sign)
}

#[cfg(test)]
mod tests {
    use super::{find, without};

    fn read(text: &str) -> (Vec<(usize, usize)>, String) {
        let found = find(text);
        let rest = without(text, &found);
        assert_eq!(rest.len(), text.len());
        assert_eq!(rest.lines().count(), text.lines().count());
        let rest: Vec<_> = rest.lines().map(str::trim_end).collect();
        (
            found.iter().map(|conflict| conflict.lines).collect(),
            rest.join("|"),
        )
    }

    #[test]
    fn the_first_side_stays() {
        let text = "a\n<<<<<<< HEAD\nb\n=======\nc é\n>>>>>>> other\nd\n";
        assert_eq!(read(text), (vec![(2, 6)], "a||b||||d".to_owned()));
    }

    #[test]
    fn a_base_between_the_sides_goes_too() {
        let text = "<<<<<<< ours\r\nb\r\n||||||| base\r\nx\r\n=======\r\nc\r\n>>>>>>> theirs\r\n";
        assert_eq!(read(text), (vec![(1, 7)], "|b|||||".to_owned()));
    }

    #[test]
    fn what_is_left_of_one_stands_alone() {
        let text = "<<<<<<< HEAD\na\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> x\n=======\n>>>>>>> y\n";
        let lines = vec![(1, 1), (3, 7), (8, 8), (9, 9)];
        assert_eq!(read(text), (lines, "|a||b|||||".to_owned()));
    }

    #[test]
    fn other_lines_are_none() {
        for text in [
            "<<<<<<<<\n========\n",
            "  <<<<<<< HEAD\n",
            "======= x\n",
            "<<<<<<<HEAD\n",
            "éééé\n<<<\n",
            "",
        ] {
            assert!(find(text).is_empty(), "{text}");
        }
    }
}
