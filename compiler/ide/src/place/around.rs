//! What stands around the cursor in JSON and TOML, by a look at the characters: what has to be put there so that the text
//! can be parsed as if something were written.

use super::word_around;
use crate::language::Language;

/// The surroundings of a cursor.
pub(super) struct Around {
    language: Language,
    /// The cursor is in a string.
    pub(super) in_string: bool,
    /// The word at the cursor, which is replaced; in strings, the cursor alone.
    pub(super) from: usize,
    pub(super) to: usize,
    /// The innermost open bracket, and the last character before the word that is no blank.
    open: Option<char>,
    last: Option<char>,
    /// In the header of a table.
    in_header: bool,
    /// The first character behind the word that is no blank.
    next: Option<char>,
}

/// What is put before and behind the mark.
type Insertion = (&'static str, &'static str);

impl Around {
    pub(super) fn find(text: &str, offset: u32, language: Language) -> Self {
        let mut scan = Scan::new(language);
        scan.over(&text[..offset as usize]);
        let in_string = scan.quote.is_some();
        let (from, to) = match in_string {
            true => (offset as usize, offset as usize),
            false => {
                let word = word_around(text, offset);
                scan = Scan::new(language);
                scan.over(&text[..word.start as usize]);
                (word.start as usize, word.end as usize)
            }
        };
        Self {
            language,
            in_string,
            from,
            to,
            open: scan.open.last().copied(),
            last: scan.last,
            in_header: scan.in_header,
            next: text[to..].chars().find(|c| !c.is_whitespace()),
        }
    }

    /// What may be put there, the likeliest first: of half-written text nobody knows for certain.
    pub(super) fn insertions(&self) -> Vec<Insertion> {
        let (best, others): (Insertion, &[Insertion]) = match (self.in_string, self.language) {
            (true, _) => (("", ""), &[("", ""), ("", "\"")]),
            (false, Language::Toml) => {
                (self.of_toml(), &[("\"", "\" = 0"), ("\"", "\""), ("", "")])
            }
            (false, _) => (
                self.of_json(),
                &[
                    ("\"", "\""),
                    ("\"", "\": null"),
                    ("\"", "\": null,"),
                    ("\"", "\","),
                ],
            ),
        };
        let others = others.iter().copied().filter(|other| *other != best);
        std::iter::once(best).chain(others).collect()
    }

    fn of_toml(&self) -> Insertion {
        let is_key = match self.open {
            Some('{') => self.last != Some('='),
            Some(_) => false,
            None => self.last.is_none(),
        };
        match () {
            () if self.in_header => ("", ""),
            () if is_key && self.next != Some('=') => ("\"", "\" = 0"),
            () => ("\"", "\""),
        }
    }

    fn of_json(&self) -> Insertion {
        let is_key = self.open == Some('{') && self.last != Some(':');
        let is_followed = !matches!(self.next, None | Some('}' | ']' | ',' | ':'));
        match (is_key && self.next != Some(':'), is_followed) {
            (true, false) => ("\"", "\": null"),
            (true, true) => ("\"", "\": null,"),
            (false, false) => ("\"", "\""),
            (false, true) => ("\"", "\","),
        }
    }
}

/// A walk over a text from its beginning.
struct Scan {
    language: Language,
    quote: Option<&'static str>,
    open: Vec<char>,
    last: Option<char>,
    in_header: bool,
}

impl Scan {
    fn new(language: Language) -> Self {
        Self {
            language,
            quote: None,
            open: Vec::new(),
            last: None,
            in_header: false,
        }
    }

    fn over(&mut self, text: &str) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let len = match self.quote {
                Some(open) => self.in_string(rest, first, open),
                None => self.outside(rest, first),
            };
            rest = &rest[len.min(rest.len())..];
        }
    }

    fn in_string(&mut self, rest: &str, first: char, open: &'static str) -> usize {
        let len = first.len_utf8();
        if first == '\\' && open.starts_with('"') {
            return len + rest[len..].chars().next().map_or(0, char::len_utf8);
        }
        if rest.starts_with(open) {
            self.quote = None;
            return open.len();
        }
        if first == '\n' && open.len() == 1 {
            self.quote = None;
        }
        len
    }

    fn outside(&mut self, rest: &str, first: char) -> usize {
        let is_toml = self.language == Language::Toml;
        let quotes: &[&'static str] = match is_toml {
            true => &["\"\"\"", "'''", "\"", "'"],
            false => &["\""],
        };
        if first == '#' && is_toml {
            return rest.find('\n').unwrap_or(rest.len());
        }
        if let Some(open) = quotes.iter().find(|open| rest.starts_with(**open)) {
            self.quote = Some(open);
            self.last = Some('"');
            return open.len();
        }
        match first {
            '\n' if is_toml && self.open.is_empty() => {
                self.last = None;
                self.in_header = false;
            }
            '[' if is_toml && self.open.is_empty() && self.last.is_none() => {
                self.in_header = true;
                self.last = Some('[');
            }
            '[' | '{' if !self.in_header => {
                self.open.push(first);
                self.last = Some(first);
            }
            ']' | '}' if !self.in_header => {
                self.open.pop();
                self.last = Some(first);
            }
            blank if blank.is_whitespace() => {}
            other => self.last = Some(other),
        }
        first.len_utf8()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(text: &str, language: Language) -> Insertion {
        let offset = text.find("$0").unwrap_or(0);
        let text = text.replacen("$0", "", 1);
        Around::find(&text, offset as u32, language).insertions()[0]
    }

    #[test]
    fn what_is_written_is_seen_from_what_is_around() {
        let key = ("\"", "\": null");
        let value = ("\"", "\"");
        let json = [
            ("{ $0 }", key),
            ("{ so$0 }", key),
            ("{ $0 \"a\": 1 }", ("\"", "\": null,")),
            ("{ \"a\": 1, $0", key),
            ("{ $0: 1 }", value),
            ("{ \"a\": $0 }", value),
            ("{ \"a\": tr$0, \"b\": 1 }", value),
            ("{ \"a\": $0 \"b\": 1 }", ("\"", "\",")),
            ("{ \"a\": [$0] }", value),
            ("{ \"a\": [\"x}\", $0", value),
            ("{ \"a\": \"x$0\" }", ("", "")),
        ];
        for (text, wanted) in json {
            assert_eq!(best(text, Language::Json), wanted, "{text}");
        }
        let key = ("\"", "\" = 0");
        let toml = [
            ("$0", key),
            ("a = 1\nb$0", key),
            ("# [\n$0 = 1", value),
            ("a = $0", value),
            ("a = [\n  \"x\",\n  $0\n]", value),
            ("a = { $0 }", key),
            ("a = { b = $0 }", value),
            ("[sour$0]", ("", "")),
            ("[[build]]\n$0", key),
            ("a = '''\n[\n'''\n$0", key),
            ("a = 'x$0'", ("", "")),
        ];
        for (text, wanted) in toml {
            assert_eq!(best(text, Language::Toml), wanted, "{text}");
        }
    }
}
