//! Texts in quotes: escapes, and the map from what they mean to where they stand.

use super::Parser;
use crate::diagnostic::{Certainty, Diagnostic, Edit, Fix};
use crate::lower::tree::{Node, NodeKind, Text, TextMap};

/// What stands in a text, decoded so far.
struct Decoded {
    text: String,
    runs: Vec<(u32, u32)>,
    /// Replacements of characters that must be escaped.
    raw: Vec<Edit>,
}

impl Decoded {
    /// The next character comes from the offset `at` of the file.
    fn from(&mut self, at: usize) {
        let run = (self.text.len() as u32, at as u32);
        match self.runs.last_mut() {
            Some(last) if last.0 == run.0 => *last = run,
            _ => self.runs.push(run),
        }
    }
}

impl Parser<'_> {
    /// Whether a quote stands here that JSON does not use.
    pub(super) fn at_foreign_quote(&self) -> bool {
        self.text[self.at..].starts_with(['\'', '`', '“', '”', '„', '‘', '’'])
    }

    /// A text in quotes of any kind.
    pub(super) fn quoted(&mut self) -> Node {
        if self.at_foreign_quote() {
            return self.foreign();
        }
        let start = self.at;
        let begin = start + 1;
        let plain = self.text.as_bytes()[begin..]
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
        let len = match plain {
            Some(len)
                if self.text.as_bytes()[begin + len] == b'"'
                    && !self.is_inside(&self.text[begin..begin + len], begin + len) =>
            {
                len
            }
            _ => return self.escaped(start),
        };
        self.at = begin + len + 1;
        let text = Text {
            text: self.text[begin..begin + len].into(),
            map: TextMap::plain(self.file, begin as u32, len as u32),
        };
        Node::new(NodeKind::Text(text), self.span(start, self.at))
    }

    /// A text with escapes or mistakes.
    fn escaped(&mut self, start: usize) -> Node {
        let begin = start + 1;
        self.at = begin;
        let mut decoded = Decoded {
            text: String::new(),
            runs: vec![(0, begin as u32)],
            raw: Vec::new(),
        };
        let mut problems = Vec::new();
        let mut several_lines = false;
        // Quotes of an expression that stand there without a backslash.
        let mut inner: Vec<Edit> = Vec::new();
        let end = loop {
            let rest = &self.text[self.at..];
            let len = rest
                .bytes()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
                .unwrap_or(rest.len());
            decoded.text.push_str(&rest[..len]);
            self.at += len;
            match self.peek() {
                // Those of an expression come in pairs.
                Some(b'"') if inner.len() % 2 == 1 || self.is_inside(&decoded.text, self.at) => {
                    inner.push(Edit::replace(self.span(self.at, self.at + 1), "\\\""));
                    decoded.text.push('"');
                    self.at += 1;
                }
                Some(b'"') => {
                    self.at += 1;
                    break self.at - 1;
                }
                Some(b'\\') => {
                    decoded.from(self.at);
                    self.escape(&mut decoded, &mut problems);
                    decoded.from(self.at);
                }
                Some(b'\n' | b'\r') if !several_lines && !self.closes_further_down() => {
                    let end = self.cut_short(begin, &mut decoded);
                    problems.push(self.unclosed_text(start, end));
                    break end;
                }
                Some(byte) => {
                    several_lines |= matches!(byte, b'\n' | b'\r');
                    self.control(byte, &mut decoded);
                }
                None => {
                    problems.push(self.unclosed_text(start, self.at));
                    break self.at;
                }
            }
        };
        if let Some(first) = decoded.raw.first() {
            problems.push(control_characters(first.span, &decoded.raw));
        }
        if let Some(first) = inner.first() {
            problems.push(unescaped_quotes(first.span, &inner));
        }
        let span = self.span(start, self.at);
        for problem in problems {
            self.report(problem);
        }
        let text = Text {
            text: decoded.text.into(),
            map: TextMap::new(self.file, decoded.runs, end as u32),
        };
        Node::new(NodeKind::Text(text), span)
    }

    /// Whether the quote at `at`, before which `text` was read, is one of an expression: an interpolation is open, and what
    /// follows is nothing that follows a text.
    fn is_inside(&self, text: &str, at: usize) -> bool {
        let is_open = |begin: &str, end: &str| {
            let found = text.rfind(begin);
            found.is_some_and(|found| !text[..found].ends_with('$') && !text[found..].contains(end))
        };
        let next = self.text.as_bytes().get(at + 1);
        let goes_on = next.is_some_and(|next| {
            !next.is_ascii_whitespace() && !matches!(next, b',' | b':' | b']' | b'}')
        });
        goes_on && (is_open("${", "}") || is_open("{{", "}}"))
    }

    fn unclosed_text(&self, start: usize, end: usize) -> Diagnostic {
        Diagnostic::error(
            "json/unclosed-text",
            self.span(end, end),
            "a text has no closing quote",
        )
        .label(
            self.span(start, self.text.ceil_char_boundary(start + 1)),
            "it begins here",
        )
        .help("write `\"` where it ends")
    }

    /// Whether the text that goes on behind this line break is closed where a text could end.
    fn closes_further_down(&self) -> bool {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        loop {
            match bytes.get(at) {
                None => return false,
                Some(b'\\') => at += 2,
                Some(b'"') => break,
                Some(_) => at += 1,
            }
        }
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let next = bytes[at + 1..].iter().find(|byte| !blank(byte));
        matches!(next, Some(b',' | b'}' | b']'))
    }

    /// Ends a text without closing quote before what does not belong to it; gives that place.
    fn cut_short(&mut self, begin: usize, decoded: &mut Decoded) -> usize {
        let line = self.text[begin..self.at].trim_end();
        if decoded.runs.len() > 1 || line.contains('\\') {
            return self.at;
        }
        let line = line.strip_suffix(',').unwrap_or(line);
        let line = line.trim_end_matches(['}', ']']).trim_end();
        let key = line
            .split_once(':')
            .filter(|(_, value)| value.starts_with(' '));
        let len = key.map_or(line, |(key, _)| key).len();
        // Without escapes the bytes of the text are the text.
        decoded.text.truncate(len);
        self.at = begin + len;
        let end = self.at as u32;
        decoded.raw.retain(|edit| edit.span.end <= end);
        self.at
    }

    fn escape(&mut self, decoded: &mut Decoded, problems: &mut Vec<Diagnostic>) {
        let start = self.at;
        let Some(letter) = self.text[start + 1..].chars().next() else {
            self.at += 1;
            return;
        };
        self.at += 1 + letter.len_utf8();
        let character = match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(start, decoded, problems),
            _ => {
                if letter < ' ' {
                    // The line break has its own message.
                    self.at = start + 1;
                } else {
                    decoded.text.push('\\');
                    decoded.from(start + 1);
                    decoded.text.push(letter);
                }
                problems.push(self.invalid_escape(start, letter));
                return;
            }
        };
        decoded.text.push(character);
    }

    fn invalid_escape(&self, start: usize, letter: char) -> Diagnostic {
        let place = self.span(start, self.at);
        let shown = if letter < ' ' {
            "a backslash at the end of a line is not an escape of JSON".to_owned()
        } else {
            format!("`\\{letter}` is not an escape of JSON")
        };
        let diagnostic = Diagnostic::error("json/invalid-escape", place, shown);
        if letter == '\'' {
            return diagnostic
                .help("write `'`: it needs no backslash")
                .fix("remove the backslash", Edit::replace(place, "'"));
        }
        diagnostic.help("write `\\\\` for a backslash").fix(
            "double the backslash",
            Edit::replace(self.span(start, start + 1), "\\\\"),
        )
    }

    /// `\uXXXX`, perhaps the first half of a pair.
    fn unicode(&mut self, start: usize, decoded: &mut Decoded, problems: &mut Vec<Diagnostic>) {
        let unit = |at: usize| -> Option<u32> {
            let digits = self.text.get(at..at + 4)?;
            let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            all.then(|| u32::from_str_radix(digits, 16).ok())?
        };
        let Some(first) = unit(start + 2) else {
            decoded.text.push_str("\\u");
            problems.push(
                Diagnostic::error(
                    "json/invalid-escape",
                    self.span(start, start + 2),
                    "`\\u` needs four hexadecimal digits",
                )
                .help("write one such as `\\u00e9`, or `\\\\u` for a backslash and an `u`"),
            );
            return;
        };
        self.at = start + 6;
        let second = (0xd800..0xdc00)
            .contains(&first)
            .then(|| {
                let escape = self.text[self.at..].starts_with("\\u");
                escape.then(|| unit(self.at + 2)).flatten()
            })
            .flatten()
            .filter(|second| (0xdc00..0xe000).contains(second));
        let code = match second {
            Some(second) => {
                self.at += 6;
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            None => first,
        };
        let character = char::from_u32(code).unwrap_or_else(|| {
            problems.push(
                Diagnostic::warning(
                    "json/lone-surrogate",
                    self.span(start, self.at),
                    "this is half of a character; the other half is missing",
                )
                .here("read as `\u{fffd}`")
                .help("write the character itself, or both halves"),
            );
            '\u{fffd}'
        });
        decoded.text.push(character);
    }

    /// A character that must be written as an escape; taken as it stands.
    fn control(&mut self, byte: u8, decoded: &mut Decoded) {
        let start = self.at;
        self.at += 1;
        let escape = match byte {
            b'\r' if self.peek() == Some(b'\n') => {
                decoded.from(start);
                self.at += 1;
                decoded.text.push('\n');
                decoded.from(self.at);
                let place = self.span(start, self.at);
                decoded.raw.push(Edit::replace(place, "\\n"));
                return;
            }
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\t' => "\\t".to_owned(),
            _ => format!("\\u{byte:04x}"),
        };
        decoded.text.push(char::from(byte));
        let place = self.span(start, self.at);
        decoded.raw.push(Edit::replace(place, escape));
    }

    /// A text in quotes that JSON does not use: what stands between them, as it is.
    fn foreign(&mut self) -> Node {
        let start = self.at;
        let rest = &self.text[start..];
        let quote = rest.chars().next().unwrap_or('\'');
        let begin = start + quote.len_utf8();
        let is_closing = |c: char| match quote {
            '\'' | '`' => c == quote,
            '“' | '”' | '„' => matches!(c, '“' | '”' | '"'),
            _ => matches!(c, '‘' | '’' | '\''),
        };
        let line = &self.text[begin..];
        let line = &line[..line.find('\n').unwrap_or(line.len())];
        let (inner, closing) = match line.find(is_closing) {
            Some(len) => (
                &line[..len],
                line[len..].chars().next().map_or(0, char::len_utf8),
            ),
            None => (line.trim_end().trim_end_matches(','), 0),
        };
        self.at = begin + inner.len() + closing;
        let span = self.span(start, self.at);
        let map = TextMap::plain(self.file, begin as u32, inner.len() as u32);
        let text = Text {
            text: inner.into(),
            map,
        };
        if closing == 0 {
            let problem = self.unclosed_text(start, self.at);
            self.report(problem);
        } else {
            let quoted = format!("\"{}\"", inner.replace('"', "\\\""));
            self.report(
                Diagnostic::error(
                    "json/wrong-quotes",
                    span,
                    format!("texts stand in double quotes, not in `{quote}`"),
                )
                .help(format!("write `{quoted}`"))
                .fix("use double quotes", Edit::replace(span, quoted)),
            );
        }
        Node::new(NodeKind::Text(text), span)
    }
}

fn unescaped_quotes(place: imgc_syntax::Span, edits: &[Edit]) -> Diagnostic {
    let message = "a quotation mark inside of a text stands without a backslash";
    let mut diagnostic = Diagnostic::error("json/unescaped-quote", place, message)
        .help("write `\\\"`, or a backquote in a legacy template");
    diagnostic.fixes.push(Fix {
        title: "write backslashes".to_owned(),
        edits: edits.to_vec(),
        certainty: Certainty::Certain,
    });
    diagnostic
}

fn control_characters(place: imgc_syntax::Span, edits: &[Edit]) -> Diagnostic {
    let breaks = edits
        .iter()
        .any(|edit| matches!(edit.text.as_str(), "\\n" | "\\r"));
    let (message, help) = if breaks {
        (
            "a text goes on over the end of the line",
            "write `\\n` for a line break, or a list of lines where one is taken",
        )
    } else {
        (
            "a text has a control character in it",
            "write it as an escape, such as `\\t`",
        )
    };
    let mut diagnostic = Diagnostic::error("json/control-character", place, message).help(help);
    diagnostic.fixes.push(Fix {
        title: "write escapes".to_owned(),
        edits: edits.to_vec(),
        certainty: Certainty::Certain,
    });
    diagnostic
}
