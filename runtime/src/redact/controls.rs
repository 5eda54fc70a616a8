//! Secrets with control characters in them: colours in the middle of one, as `grep --color` sets them, backspaces, what is
//! written over what stood there.
//!
//! In: a text. Out: the same text as somebody reads it, without what steers the terminal, and for each part of that where it
//! stands in the original. There are three such views: all characters in their order; the same with what belongs to control
//! sequences, as in an editor; and what is left on the screen after the cursor has gone back.

use std::ops::Range;

/// Columns beyond this are taken for this one: nobody reads so far, and the cursor can be sent anywhere.
const WIDEST: usize = 64 * 1024;

/// A text as it is read.
#[derive(Debug)]
pub(super) struct View {
    /// What is read.
    pub(super) text: String,
    /// Where each character of `text` begins, and its place in the original.
    places: Vec<(usize, Range<usize>)>,
}

/// Something in a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// A character that is seen.
    Seen(char),
    /// The cursor goes to the start of the line.
    Return,
    /// It goes so far back.
    Back(usize),
    /// It goes so far on.
    On(usize),
    /// It goes to a column, counted from 0.
    To(usize),
    /// Colours and the like.
    Style,
    /// Nothing that is seen.
    Other,
}

/// The views of a text; none where nothing in it steers a terminal.
pub(super) fn views(text: &str) -> Vec<View> {
    if !steers(text) {
        return Vec::new();
    }
    let pieces: Vec<_> = Pieces { text, at: 0 }.collect();
    let mut in_order = Screen::default();
    let mut on_screen = Screen::default();
    let mut moves = false;
    for (piece, place) in &pieces {
        match piece {
            Piece::Seen(c) => {
                in_order.put(*c, place);
                on_screen.put(*c, place);
                continue;
            }
            Piece::Return => on_screen.column = 0,
            Piece::Back(by) => on_screen.column = on_screen.column.saturating_sub(*by),
            Piece::On(by) => on_screen.column = on_screen.column.saturating_add(*by).min(WIDEST),
            Piece::To(column) => on_screen.column = (*column).min(WIDEST),
            Piece::Style | Piece::Other => continue,
        }
        moves = true;
    }
    let mut bare = Screen::default();
    for (at, c) in text.char_indices() {
        if !c.is_control() || matches!(c, '\n' | '\t') {
            bare.put(c, &(at..at + c.len_utf8()));
        }
    }
    let mut views = vec![in_order.read(), bare.read()];
    if moves {
        views.push(on_screen.read());
    }
    views
}

/// The colours and the like that a part of a text sets: they stay where that part does not.
pub(super) fn styles(part: &str) -> String {
    let styles = Pieces { text: part, at: 0 }.filter(|(piece, _)| *piece == Piece::Style);
    styles.map(|(_, place)| &part[place]).collect()
}

impl View {
    /// Where a part of the view stands in the original, with all that is between its characters there.
    pub(super) fn original(&self, part: &Range<usize>) -> Option<Range<usize>> {
        let from = self.places.partition_point(|(at, _)| *at < part.start);
        let to = self.places.partition_point(|(at, _)| *at < part.end);
        let places = self.places[from..to].iter().map(|(_, place)| place);
        let start = places.clone().map(|place| place.start).min()?;
        let end = places.map(|place| place.end).max()?;
        Some(start..end)
    }
}

/// Whether a text has more control characters than those between its lines.
fn steers(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'\n' | b'\t' => false,
        b'\r' => !matches!(bytes.get(at + 1), None | Some(b'\n')),
        0x7f => true,
        // The second set of control characters is U+0080 to U+009F.
        0xc2 => bytes.get(at + 1).is_some_and(|next| *next < 0xa0),
        byte => *byte < b' ',
    })
}

/// A character, and where it stands in the text.
type Cell = Option<(char, Range<usize>)>;

/// What is written where.
#[derive(Debug, Default)]
struct Screen {
    /// Lines that are done, and the one that is written.
    rows: Vec<Vec<Cell>>,
    column: usize,
}

impl Screen {
    fn put(&mut self, c: char, place: &Range<usize>) {
        if self.rows.is_empty() {
            self.rows.push(Vec::new());
        }
        let row = self.rows.last_mut().expect("one has just been put there");
        if c == '\n' {
            row.push(Some((c, place.clone())));
            self.rows.push(Vec::new());
            self.column = 0;
            return;
        }
        if row.len() <= self.column {
            row.resize(self.column + 1, None);
        }
        row[self.column] = Some((c, place.clone()));
        self.column += 1;
    }

    fn read(self) -> View {
        let mut view = View {
            text: String::new(),
            places: Vec::new(),
        };
        for cell in self.rows.into_iter().flatten() {
            let (c, place) = cell.unwrap_or((' ', 0..0));
            if place.end > 0 {
                view.places.push((view.text.len(), place));
            }
            view.text.push(c);
        }
        view
    }
}

/// Goes through a text.
struct Pieces<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Pieces<'_> {
    type Item = (Piece, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let c = rest.chars().next()?;
        let (piece, length) = match c {
            '\x1b' => sequence(&rest[1..]).map_or((Piece::Other, 1), |(p, len)| (p, len + 1)),
            '\u{9b}' => control(&rest[2..]).map_or((Piece::Other, 2), |(p, len)| (p, len + 2)),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => {
                (Piece::Other, 2 + string(&rest[2..]).unwrap_or(0))
            }
            '\r' => (Piece::Return, 1),
            '\x08' => (Piece::Back(1), 1),
            '\n' | '\t' => (Piece::Seen(c), 1),
            c if c.is_control() => (Piece::Other, c.len_utf8()),
            c => (Piece::Seen(c), c.len_utf8()),
        };
        let start = self.at;
        self.at += length;
        Some((piece, start..self.at))
    }
}

/// What follows an escape character, and how long it is.
fn sequence(rest: &str) -> Option<(Piece, usize)> {
    let first = rest.chars().next()?;
    match first {
        '[' => Some(control(&rest[1..]).map_or((Piece::Other, 1), |(p, len)| (p, len + 1))),
        ']' | 'P' | 'X' | '^' | '_' => Some((Piece::Other, 1 + string(&rest[1..]).unwrap_or(0))),
        // Character sets and the like have a character more.
        ' '..='/' => {
            let middle = rest.bytes().take_while(|byte| (b' '..=b'/').contains(byte));
            let middle = middle.count();
            let last = rest.as_bytes().get(middle).copied();
            let last = last.filter(|byte| (b'0'..=b'~').contains(byte));
            Some((Piece::Other, middle + usize::from(last.is_some())))
        }
        '0'..='~' => Some((Piece::Other, 1)),
        _ => None,
    }
}

/// A control sequence behind its introducer, and how long it is; `None` where it is none.
fn control(rest: &str) -> Option<(Piece, usize)> {
    let bytes = rest.as_bytes();
    let parameters = bytes.iter().take_while(|byte| (0x30..0x40).contains(*byte));
    let parameters = parameters.count();
    let middle = bytes[parameters..]
        .iter()
        .take_while(|byte| (0x20..0x30).contains(*byte));
    let length = parameters + middle.count();
    let last = *bytes
        .get(length)
        .filter(|byte| (0x40..0x7f).contains(*byte))?;
    let number = || -> usize { rest[..parameters].parse().unwrap_or(1) };
    let piece = match last {
        b'm' => Piece::Style,
        b'D' => Piece::Back(number().max(1)),
        b'C' => Piece::On(number().max(1)),
        b'G' | b'`' => Piece::To(number().saturating_sub(1)),
        _ => Piece::Other,
    };
    Some((piece, length + 1))
}

/// The length of a string for the terminal (a title, a link), with its end; `None` where it has none on this line.
fn string(rest: &str) -> Option<usize> {
    let end = rest.find(['\x07', '\x1b', '\u{9c}', '\n'])?;
    let terminator = &rest[end..];
    match terminator.chars().next()? {
        '\x07' => Some(end + 1),
        '\u{9c}' => Some(end + 2),
        '\x1b' if terminator.starts_with("\x1b\\") => Some(end + 2),
        _ => None,
    }
}
