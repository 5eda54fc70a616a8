//! Reads the escapes of a text.
//!
//! In: a text, a secret or a line. Out: its bytes as they are meant, each with the place where it stands, and apart from
//! them the [`Mark`]s, which may only quote. What is no escape stands for itself, so that no text is refused.

use std::ops::Range;

/// A byte as it is meant.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) value: u8,
    /// It was written as a number or name, such as `\xNN` or `&lt;`.
    pub(super) escaped: bool,
    /// Bytes of the text.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A character that quotes others in some language: one of `\`, `'`, `"`, `$`, `%`.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) value: u8,
    /// It stands before the token of this number.
    at: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A text with its escapes read.
#[derive(Debug, Default)]
pub(super) struct Plain {
    pub(super) tokens: Vec<Token>,
    pub(super) marks: Vec<Mark>,
}

impl Plain {
    pub(super) fn of(text: &str) -> Self {
        let mut plain = Self::default();
        read(text.as_bytes(), |value, escaped, Range { start, end }| {
            if is_mark(value) {
                let at = plain.tokens.len();
                plain.marks.push(Mark {
                    value,
                    at,
                    start,
                    end,
                });
            } else {
                plain.tokens.push(Token {
                    value,
                    escaped,
                    start,
                    end,
                });
            }
        });
        plain
    }

    /// The marks that stand before the token of this number.
    pub(super) fn gap(&self, at: usize) -> &[Mark] {
        let start = self.marks.partition_point(|mark| mark.at < at);
        let count = self.marks[start..].partition_point(|mark| mark.at == at);
        &self.marks[start..start + count]
    }

    /// What the text is looked for by, a byte for each token.
    pub(super) fn key(&self) -> Vec<u8> {
        self.tokens.iter().map(|token| fold(token.value)).collect()
    }
}

/// The key of a text alone.
pub(super) fn key(text: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(text.len());
    read(text.as_bytes(), |value, _, _| {
        if !is_mark(value) {
            key.push(fold(value));
        }
    });
    key
}

/// What follows the backslash where this control character is escaped.
pub(super) fn letter(value: u8) -> Option<u8> {
    Some(match value {
        0x07 => b'a',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0b => b'v',
        0x0c => b'f',
        b'\r' => b'r',
        0x1b => b'e',
        _ => return None,
    })
}

/// Makes those the same that may be written for one another.
fn fold(value: u8) -> u8 {
    match value {
        b'+' => b' ',
        b'E' => b'e',
        _ => letter(value).unwrap_or(value),
    }
}

fn is_mark(value: u8) -> bool {
    matches!(value, b'\\' | b'\'' | b'"' | b'$' | b'%')
}

/// Gives each byte that is meant, whether it is escaped, and where it stands.
fn read(text: &[u8], mut give: impl FnMut(u8, bool, Range<usize>)) {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escape = match byte {
            b'\\' => {
                // Where something was quoted twice, all backslashes but the last quote each other.
                let last = at + backslashes(&text[at..]) - 1;
                for one in at..last {
                    give(b'\\', false, one..one + 1);
                }
                at = last;
                character(&text[at..])
            }
            b'%' => percent(&text[at..]),
            b'&' => entity(&text[at..]),
            _ => None,
        };
        match escape {
            Some((bytes, length)) => {
                for byte in bytes.as_slice() {
                    give(*byte, true, at..at + length);
                }
                at += length;
            }
            None => {
                give(byte, false, at..at + 1);
                at += 1;
            }
        }
    }
}

/// The bytes of one character, or one byte.
#[derive(Clone, Copy)]
struct Bytes {
    bytes: [u8; 4],
    count: usize,
}

impl Bytes {
    fn one(byte: u8) -> Self {
        let bytes = [byte, 0, 0, 0];
        Self { bytes, count: 1 }
    }

    fn of(number: u32) -> Option<Self> {
        let mut bytes = [0; 4];
        let count = char::from_u32(number)?.encode_utf8(&mut bytes).len();
        Some(Self { bytes, count })
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.count]
    }
}

/// What an escape means, and how long it is.
type Escape = Option<(Bytes, usize)>;

fn backslashes(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b'\\').count()
}

/// A backslash with a number.
fn character(text: &[u8]) -> Escape {
    match *text.get(1)? {
        b'x' => {
            let byte = hexadecimal(text.get(2..4)?)? as u8;
            if byte.is_ascii() {
                return Some((Bytes::one(byte), 4));
            }
            // Python shows bytes like this, and characters below 256 as well.
            encoded(text, byte).or_else(|| Some((Bytes::of(byte.into())?, 4)))
        }
        b'u' if text.get(2) == Some(&b'{') => {
            let digits = &text[3..text.len().min(10)];
            let count = digits.iter().position(|byte| *byte == b'}')?;
            Some((Bytes::of(hexadecimal(&digits[..count])?)?, count + 4))
        }
        b'u' => {
            let unit = hexadecimal(text.get(2..6)?)?;
            match unit {
                0xd800..0xdc00 => {
                    let rest = &text[6..];
                    let slashes = backslashes(rest);
                    let rest = rest.get(slashes..slashes + 5)?;
                    let low = hexadecimal(rest.strip_prefix(b"u").filter(|_| slashes > 0)?)?;
                    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    let number = 0x10000 + ((unit - 0xd800) << 10) + low;
                    Some((Bytes::of(number)?, 6 + slashes + 5))
                }
                _ => Some((Bytes::of(unit)?, 6)),
            }
        }
        b'U' => Some((Bytes::of(hexadecimal(text.get(2..10)?)?)?, 10)),
        b'0'..=b'3' => {
            let digits = std::str::from_utf8(text.get(1..4)?).ok()?;
            let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
            let byte = u8::from_str_radix(digits, 8).ok().filter(|_| plain)?;
            Some((Bytes::one(byte), 4))
        }
        _ => None,
    }
}

/// A character of which each byte is written `\xNN`, and this is the first.
fn encoded(text: &[u8], first: u8) -> Escape {
    let count = match first {
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return None,
    };
    let mut bytes = Bytes {
        bytes: [0; 4],
        count,
    };
    bytes.bytes[0] = first;
    let mut at = 4;
    for byte in &mut bytes.bytes[1..count] {
        let slashes = backslashes(text.get(at..)?);
        let rest = text.get(at + slashes..at + slashes + 3)?;
        let digits = rest.strip_prefix(b"x").filter(|_| slashes > 0)?;
        *byte = hexadecimal(digits)? as u8;
        at += slashes + 3;
    }
    std::str::from_utf8(bytes.as_slice()).ok()?;
    Some((bytes, at))
}

/// A byte as URLs have it. Where one was put into another, its `%` is `%25`.
fn percent(text: &[u8]) -> Escape {
    let mut at = 1;
    let digits = |at: usize| hexadecimal(text.get(at..at + 2)?);
    while text[at..].starts_with(b"25") && digits(at + 2).is_some() {
        at += 2;
    }
    Some((Bytes::one(digits(at)? as u8), at + 2))
}

/// A character as XML has it, also where its `&` was written as one.
fn entity(text: &[u8]) -> Escape {
    const AMP: &[u8] = b"amp;";
    let mut at = 1;
    loop {
        let rest = &text[at..];
        if let Some((bytes, length)) = reference(rest) {
            return Some((bytes, at + length));
        }
        match rest.starts_with(AMP) {
            true => at += AMP.len(),
            false => return (at > 1).then_some((Bytes::one(b'&'), at)),
        }
    }
}

fn reference(text: &[u8]) -> Escape {
    let named = [
        ("lt;", b'<'),
        ("gt;", b'>'),
        ("quot;", b'"'),
        ("apos;", b'\''),
    ];
    let mut all = named.into_iter();
    if let Some((name, byte)) = all.find(|(name, _)| text.starts_with(name.as_bytes())) {
        return Some((Bytes::one(byte), name.len()));
    }
    let digits = text.strip_prefix(b"#")?;
    let count = digits.iter().take(9).position(|byte| *byte == b';')?;
    let number = match digits[..count].strip_prefix(b"x") {
        Some(digits) => hexadecimal(digits)?,
        None => std::str::from_utf8(&digits[..count]).ok()?.parse().ok()?,
    };
    Some((Bytes::of(number)?, count + 2))
}

/// Of digits only: the standard library's would take a sign.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let plain = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    u32::from_str_radix(digits, 16).ok()
}
