//! The comments in the texts of the languages, with their places.
//!
//! In: a text, or a tree in which members of objects are comments. Out: [`Comment`]s in the order of the text.

use imgc_syntax::hcl::{SyntaxKind, tokens};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::Comment;
use crate::lower::tree::{Node, NodeKind};

/// The comments of an HCL text.
pub fn hcl(text: &str) -> Vec<Comment> {
    let (mut found, mut start, mut own_line) = (Vec::new(), 0, true);
    for (kind, end) in tokens(text) {
        let source = &text[start as usize..end as usize];
        match kind {
            SyntaxKind::LineComment | SyntaxKind::BlockComment => {
                found.push(comment(start, source, own_line));
            }
            SyntaxKind::Whitespace => {}
            SyntaxKind::Newline => own_line = true,
            // The text of a heredoc ends with its line.
            _ => own_line = source.ends_with('\n'),
        }
        start = end;
    }
    found
}

/// The comments of a TOML text.
pub fn toml(text: &str) -> Vec<Comment> {
    let (mut found, mut own_line) = (Vec::new(), true);
    for token in Source::new(text).lex() {
        let span = token.span();
        match token.kind() {
            TokenKind::Comment => {
                found.push(comment(
                    span.start() as u32,
                    &text[span.start()..span.end()],
                    own_line,
                ));
            }
            TokenKind::Whitespace => {}
            TokenKind::Newline => own_line = true,
            _ => own_line = false,
        }
    }
    found
}

/// The comments of a JSON text, which it should not have.
pub fn json(text: &str) -> Vec<Comment> {
    let (mut found, mut own_line, mut at) = (Vec::new(), true, 0);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let line = rest.find('\n').unwrap_or(rest.len());
        let len = match first {
            '"' => string(rest),
            '#' => line,
            '/' if rest.starts_with("//") => line,
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            other => other.len_utf8(),
        };
        if first == '#' || first == '/' && len > 1 {
            found.push(comment(at as u32, &rest[..len], own_line));
        } else if first == '\n' {
            own_line = true;
        } else if !first.is_whitespace() {
            own_line = false;
        }
        at += len;
    }
    found
}

/// The length of the string a text begins with.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' | '\n' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn comment(start: u32, source: &str, own_line: bool) -> Comment {
    Comment {
        start,
        end: start + source.len() as u32,
        lines: match source.starts_with("/*") {
            true => block(source),
            false => vec![line(source)],
        },
        own_line,
    }
}

/// A line comment without its marker and the blank behind it.
fn line(source: &str) -> String {
    let text = source
        .strip_prefix("//")
        .or_else(|| source.strip_prefix('#'))
        .unwrap_or(source);
    text.strip_prefix(' ').unwrap_or(text).trim_end().to_owned()
}

/// The lines of a block comment without markers and the stars in front of lines.
fn block(source: &str) -> Vec<String> {
    let inner = source.strip_prefix("/*").unwrap_or(source);
    let inner = inner.strip_suffix("*/").unwrap_or(inner);
    let mut lines: Vec<String> = inner
        .lines()
        .map(|line| {
            let line = line.trim();
            let line = line.strip_prefix('*').unwrap_or(line);
            line.strip_prefix(' ').unwrap_or(line).to_owned()
        })
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let empty = lines.iter().take_while(|line| line.is_empty()).count();
    lines.drain(..empty);
    lines
}

/// The remarks of a tree, members that are comments; each is about the object it stands in. `is_remark` is asked with the
/// depth of the object, 0 for the root, and the member's name.
pub fn remarks(node: &Node, is_remark: fn(usize, &str) -> bool) -> Vec<Comment> {
    let mut found = Vec::new();
    in_tree(node, node.span.start, 0, is_remark, &mut found);
    found
}

fn in_tree(
    node: &Node,
    place: u32,
    depth: usize,
    is_remark: fn(usize, &str) -> bool,
    out: &mut Vec<Comment>,
) {
    match &node.kind {
        NodeKind::Array(elements) => {
            for element in elements {
                in_tree(element, element.span.start, depth + 1, is_remark, out);
            }
        }
        NodeKind::Object(members) => {
            for member in members {
                if is_remark(depth, &member.key.text) {
                    let mut lines = Vec::new();
                    remark(&member.value, &mut lines);
                    out.push(Comment {
                        start: place,
                        end: place,
                        lines,
                        own_line: true,
                    });
                } else {
                    in_tree(
                        &member.value,
                        member.key.span.start,
                        depth + 1,
                        is_remark,
                        out,
                    );
                }
            }
        }
        _ => {}
    }
}

/// The lines of a remark: a text, a list of texts, or texts by name.
fn remark(node: &Node, out: &mut Vec<String>) {
    match &node.kind {
        NodeKind::Text(text) => out.extend(text.text.lines().map(str::to_owned)),
        NodeKind::Array(elements) => elements.iter().for_each(|element| remark(element, out)),
        NodeKind::Object(members) => {
            for member in members {
                let from = out.len();
                remark(&member.value, out);
                if let Some(first) = out.get_mut(from) {
                    *first = format!("{}: {first}", member.key.text);
                }
            }
        }
        NodeKind::Bool(flag) => out.push(flag.to_string()),
        NodeKind::Number(number) => out.push(number.to_string()),
        NodeKind::Null | NodeKind::Error => {}
    }
}
