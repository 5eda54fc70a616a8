//! Objects and arrays, and how to go on after a mistake in one.

use smol_str::SmolStr;

use super::{MAX_DEPTH, Parser};
use crate::diagnostic::{Diagnostic, Edit};
use crate::hir::Name;
use crate::lower::tree::{Member, Node, NodeKind, TextMap};

/// What stands before an element of a list or an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Opening,
    Comma(usize),
    Element,
}

impl Parser<'_> {
    /// An object or array, at its opening bracket, unless it is too deep.
    pub(super) fn nested(&mut self, inside: fn(&mut Self) -> NodeKind) -> Node {
        let start = self.at;
        if self.depth >= MAX_DEPTH {
            return self.too_deep();
        }
        self.depth += 1;
        self.open.push((self.text.as_bytes()[start], start));
        self.at += 1;
        self.last_end = self.at;
        let kind = inside(self);
        self.open.pop();
        self.depth -= 1;
        Node::new(kind, self.span(start, self.last_end.max(start + 1)))
    }

    pub(super) fn object(&mut self) -> NodeKind {
        let mut members: Vec<Member> = Vec::new();
        let mut before = Before::Opening;
        while self.separator(b'}', &mut before, members.last_mut().map(|m| &mut m.value)) {
            if let Some(member) = self.member(before) {
                members.push(member);
                before = Before::Element;
            }
        }
        NodeKind::Object(members)
    }

    pub(super) fn array(&mut self) -> NodeKind {
        let mut elements: Vec<Node> = Vec::new();
        let mut before = Before::Opening;
        while self.separator(b']', &mut before, elements.last_mut()) {
            let start = self.at;
            let comma = self.comma_before(before);
            if self.peek() == Some(b':') {
                self.unexpected_colon();
                continue;
            }
            let behind = match before {
                Before::Comma(comma) => comma,
                _ => self.last_end,
            };
            let element = self.value("a value");
            if matches!(element.kind, NodeKind::Text(_)) && self.colon_follows() {
                // The key of an object around: the list was not closed.
                self.at = start;
                self.last_end = behind;
                self.unclosed(self.last_open());
                break;
            }
            self.missing_comma(comma);
            elements.push(element);
            before = Before::Element;
        }
        NodeKind::Array(elements)
    }

    /// Takes blanks, commas and the closing bracket; whether another element follows.
    fn separator(&mut self, close: u8, before: &mut Before, last: Option<&mut Node>) -> bool {
        let mut last = last;
        loop {
            let behind = self.trivia(matches!(before, Before::Element | Before::Comma(_)));
            if let Some(last) = last.as_deref_mut() {
                last.comments.extend(behind);
            }
            match self.peek() {
                None => {
                    self.unclosed_at_end();
                    self.keep_comments(last);
                    return false;
                }
                Some(b';') => {
                    if *before == Before::Element {
                        *before = Before::Comma(self.at);
                    }
                    self.semicolon();
                    self.last_end = self.at;
                }
                Some(b',') => {
                    if *before == Before::Element {
                        *before = Before::Comma(self.at);
                        self.at += 1;
                    } else {
                        self.extra_comma();
                    }
                    self.last_end = self.at;
                }
                Some(bracket @ (b'}' | b']')) => {
                    if bracket == close {
                        if let Before::Comma(comma) = *before {
                            self.trailing_comma(comma);
                        }
                        self.at += 1;
                        self.last_end = self.at;
                        self.keep_comments(last);
                        return false;
                    }
                    if !self.wrong_closing(bracket) {
                        self.keep_comments(last);
                        return false;
                    }
                }
                Some(_) => return true,
            }
        }
    }

    /// Comments before a closing bracket belong to the last element, if there is one.
    fn keep_comments(&mut self, last: Option<&mut Node>) {
        let comments = std::mem::take(&mut self.pending);
        if let Some(last) = last {
            last.comments.extend(comments);
        }
    }

    fn member(&mut self, before: Before) -> Option<Member> {
        let comma = self.comma_before(before);
        let comments = std::mem::take(&mut self.pending);
        let Some((key, map)) = self.key() else {
            self.last_end = self.at;
            return None;
        };
        self.missing_comma(comma);
        self.last_end = self.at;
        let after_key = self.at;
        self.trivia(false);
        match self.peek() {
            Some(b':') => {
                self.at += 1;
                self.last_end = self.at;
            }
            None => {}
            _ => {
                if !self.missing_colon(&key, after_key) {
                    let place = self.span(after_key, after_key);
                    let mut value = Node::new(NodeKind::Error, place);
                    value.comments = comments;
                    return Some(Member { key, map, value });
                }
            }
        }
        let behind = self.trivia(false);
        self.pending.extend(behind);
        let start = self.at;
        let known = self.out.len();
        let errors = self.errors;
        let last_end = self.last_end;
        let mut value = if self.at < self.text.len() {
            self.value("the value of this key")
        } else {
            Node::new(NodeKind::Error, self.span(last_end, last_end))
        };
        let next_line = || self.text[last_end..start].contains('\n');
        if matches!(value.kind, NodeKind::Text(_)) && self.colon_follows() && next_line() {
            // `"a":` and then the next member: its key is not the value of `a`.
            self.out.truncate(known);
            self.errors = errors;
            self.at = start;
            self.last_end = last_end;
            let place = self.span(last_end, last_end);
            self.report(
                Diagnostic::error(
                    "json/expected-value",
                    place,
                    format!("the key `{}` has no value", key.text),
                )
                .help("write a value behind the colon, and a comma"),
            );
            // As if there were a comma behind it.
            value = Node::new(NodeKind::Error, place);
        }
        value.comments.splice(0..0, comments);
        Some(Member { key, map, value })
    }

    /// The key of a member, at its beginning; otherwise what stands there is reported and skipped.
    fn key(&mut self) -> Option<(Name, Option<Box<TextMap>>)> {
        let start = self.at;
        if self.peek() == Some(b'"') || self.at_foreign_quote() {
            let node = self.quoted();
            let NodeKind::Text(text) = node.kind else {
                return None;
            };
            let plain = node.span.len() as usize == text.text.len() + 2;
            let name = Name {
                text: text.text,
                span: node.span,
            };
            return Some((name, (!plain).then(|| Box::new(text.map))));
        }
        if self.at_word() || self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            let word = self.take_word();
            let text = SmolStr::from(&self.text[word.clone()]);
            let span = self.span(word.start, word.end);
            self.report(
                Diagnostic::error(
                    "json/unquoted-key",
                    span,
                    format!("the key `{text}` stands without quotes"),
                )
                .help(format!("write `\"{text}\"`"))
                .fix(
                    "put it in quotes",
                    Edit::replace(span, format!("\"{text}\"")),
                ),
            );
            return Some((Name { text, span }, None));
        }
        match self.peek() {
            Some(b':') => self.unexpected_colon(),
            Some(b'{' | b'[') => {
                let value = self.value("a key");
                if !self.given_up() {
                    self.report(
                        Diagnostic::error(
                            "json/expected-value",
                            self.span(start, start + 1),
                            format!("{} stands where a key is expected", value.what()),
                        )
                        .help("write `\"key\":` before it, or remove it"),
                    );
                }
            }
            _ => self.unexpected(),
        }
        None
    }

    /// Where a comma is missing before the next element, if there is none.
    fn comma_before(&self, before: Before) -> Option<usize> {
        (before == Before::Element).then_some(self.last_end)
    }

    fn missing_comma(&mut self, place: Option<usize>) {
        let Some(at) = place else {
            return;
        };
        let place = self.span(at, at);
        let already = self.out.last().is_some_and(|last| {
            let said = [
                "json/expected-value",
                "json/unclosed-text",
                "json/unclosed-bracket",
            ];
            last.span == place && said.contains(&last.id)
        });
        if !already {
            self.report(
                Diagnostic::error("json/missing-comma", place, "a comma is missing here")
                    .help("write `,` between elements")
                    .fix("insert the comma", Edit::replace(place, ",")),
            );
        }
    }

    /// Complains; whether there is a value all the same.
    fn missing_colon(&mut self, key: &Name, after_key: usize) -> bool {
        let place = self.span(after_key, after_key);
        let sign = match self.peek() {
            Some(b'=') if self.text[self.at..].starts_with("=>") => 2,
            Some(b'=' | b';') => 1,
            _ => 0,
        };
        let missing =
            |place, message: String| Diagnostic::error("json/missing-colon", place, message);
        if sign > 0 {
            let place = self.span(self.at, self.at + sign);
            self.at += sign;
            self.last_end = self.at;
            self.report(
                missing(place, format!("`{}` is not followed by a colon", key.text))
                    .help("write `:` between key and value")
                    .fix("replace it by a colon", Edit::replace(place, ":")),
            );
        } else if matches!(self.peek(), Some(b',' | b'}' | b']')) {
            // One message for the colon and the value.
            self.report(
                missing(place, format!("the key `{}` has no value", key.text))
                    .help(format!("write `\"{}\": VALUE`", key.text)),
            );
            return false;
        } else {
            self.report(
                missing(place, format!("`{}` is not followed by a colon", key.text))
                    .help("write `:` between key and value")
                    .fix("insert the colon", Edit::replace(place, ":")),
            );
        }
        true
    }

    fn unexpected_colon(&mut self) {
        let place = self.span(self.at, self.at + 1);
        self.at += 1;
        self.last_end = self.at;
        self.report(
            Diagnostic::error(
                "json/unexpected-character",
                place,
                "there is no key before this colon",
            )
            .help("write `\"key\":` before the value, or remove the colon"),
        );
    }

    fn semicolon(&mut self) {
        let place = self.span(self.at, self.at + 1);
        self.at += 1;
        self.report(
            Diagnostic::error(
                "json/unexpected-character",
                place,
                "there is no `;` in JSON",
            )
            .help("write `,` between elements")
            .fix("make it a comma", Edit::replace(place, ",")),
        );
    }

    fn extra_comma(&mut self) {
        let place = self.span(self.at, self.at + 1);
        self.at += 1;
        self.report(
            Diagnostic::error(
                "json/extra-comma",
                place,
                "there is nothing before this comma",
            )
            .help("remove it")
            .fix("remove the comma", Edit::replace(place, "")),
        );
    }

    fn trailing_comma(&mut self, comma: usize) {
        let place = self.span(comma, comma + 1);
        self.report(
            Diagnostic::warning(
                "json/trailing-comma",
                place,
                "a comma after the last element, which JSON does not have",
            )
            .help("remove it; other programs refuse the file")
            .fix("remove the comma", Edit::replace(place, "")),
        );
    }

    fn last_open(&self) -> usize {
        self.open.last().map_or(0, |open| open.1)
    }

    /// A closing bracket of another kind; whether to go on in the same list or object.
    fn wrong_closing(&mut self, bracket: u8) -> bool {
        let opening = if bracket == b'}' { b'{' } else { b'[' };
        let around = &self.open[..self.open.len() - 1];
        let closes_around = around.iter().rev().any(|open| open.0 == opening);
        if closes_around && self.already_unclosed() {
            return false;
        }
        if self.closing_brackets_left() == self.open.len() as i64 {
            // Every open bracket has one that closes it: this one is of the wrong kind.
            self.wrong_kind(bracket);
            return false;
        }
        if closes_around {
            self.unclosed(self.last_open());
            return false;
        }
        let place = self.span(self.at, self.at + 1);
        let open = self.last_open();
        let (open, shown) = (self.span(open, open + 1), char::from(bracket));
        self.at += 1;
        self.last_end = self.at;
        let wanted = if bracket == b'}' { ']' } else { '}' };
        self.report(
            Diagnostic::error(
                "json/mismatched-bracket",
                place,
                format!("this `{shown}` closes nothing"),
            )
            .label(
                open,
                format!("this is still open, and `{wanted}` closes it"),
            )
            .help(format!("write `{wanted}`, or remove it")),
        );
        true
    }

    fn wrong_kind(&mut self, bracket: u8) {
        let place = self.span(self.at, self.at + 1);
        let open = self.last_open();
        let (open, shown) = (self.span(open, open + 1), char::from(bracket));
        let wanted = if bracket == b'}' { ']' } else { '}' };
        self.at += 1;
        self.last_end = self.at;
        self.report(
            Diagnostic::error(
                "json/mismatched-bracket",
                place,
                format!("`{shown}` stands where `{wanted}` is expected"),
            )
            .label(open, "opened here")
            .help(format!("write `{wanted}`"))
            .fix(
                format!("make it `{wanted}`"),
                Edit::replace(place, wanted.to_string()),
            ),
        );
    }

    /// How many brackets the rest of the text closes more than it opens.
    fn closing_brackets_left(&self) -> i64 {
        let mut in_text = false;
        let mut escaped = false;
        let mut left = 0;
        for byte in self.text.as_bytes()[self.at..].iter().copied() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = in_text,
                b'"' => in_text = !in_text,
                b'\n' => in_text = false,
                b'{' | b'[' if !in_text => left -= 1,
                b'}' | b']' if !in_text => left += 1,
                _ => {}
            }
        }
        left
    }

    /// Whether the last message was about a list or object that ended at this very place.
    fn already_unclosed(&self) -> bool {
        self.out.last().is_some_and(|last| {
            last.id == "json/unclosed-bracket" && last.span.start as usize == self.last_end
        })
    }

    fn unclosed(&mut self, open: usize) {
        let sign = char::from(self.text.as_bytes()[open]);
        let close = if sign == '{' { '}' } else { ']' };
        let place = self.span(self.last_end, self.last_end);
        let opening = self.span(open, open + 1);
        self.report(
            Diagnostic::error(
                "json/unclosed-bracket",
                place,
                format!("a `{close}` is missing here"),
            )
            .label(opening, "opened here")
            .help(format!("write `{close}`")),
        );
    }

    /// At the end of the text one message speaks for all brackets that are open.
    fn unclosed_at_end(&mut self) {
        let innermost = self.open.len() as u32 == self.depth;
        let said = self.out.iter().rev().take(3).any(|last| {
            let open = [
                "json/unclosed-bracket",
                "json/unclosed-text",
                "json/unclosed-comment",
            ];
            open.contains(&last.id) && last.span.end as usize >= self.last_end
        });
        if !innermost || said || self.given_up() {
            return;
        }
        let open = self.last_open();
        self.unclosed(open);
        let others = self.open.len() - 1;
        if others > 0
            && let Some(last) = self.out.last_mut()
        {
            let closes: String = self
                .open
                .iter()
                .rev()
                .map(|open| if open.0 == b'{' { '}' } else { ']' })
                .take(40)
                .collect();
            last.message = format!("the text ends here, and {} brackets are open", others + 1);
            last.help = Some(format!("write `{closes}`"));
        }
    }

    fn colon_follows(&self) -> bool {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let rest = &self.text.as_bytes()[self.at..];
        rest.iter().find(|byte| !blank(byte)) == Some(&b':')
    }

    /// Complains once and skips to the closing bracket, without recursion.
    fn too_deep(&mut self) -> Node {
        let start = self.at;
        let place = self.span(start, start + 1);
        self.report(
            Diagnostic::error(
                "json/too-deep",
                place,
                format!("this is nested more than {MAX_DEPTH} levels deep"),
            )
            .help(
                "no template needs that; most likely a program went wrong when it wrote the file",
            ),
        );
        let bytes = self.text.as_bytes();
        let mut level = 0_usize;
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b'{' | b'[' => level += 1,
                b'}' | b']' => level -= 1,
                b'"' => {
                    self.skip_text();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if level == 0 {
                break;
            }
        }
        Node::new(NodeKind::Error, self.span(start, self.at))
    }

    /// Past a text in double quotes, whatever is in it.
    fn skip_text(&mut self) {
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += match byte {
                b'\\' => 2,
                b'"' => {
                    self.at += 1;
                    return;
                }
                _ => 1,
            };
        }
        self.at = self.text.len();
    }
}
