//! The canonical layout as edits: of a file, of some lines, while typing.

use std::path::Path;
use std::sync::Arc;

use imgc_syntax::hcl::SyntaxKind;
use rowan::NodeOrToken;

use crate::analysis::{Analysis, Cancellable};
use crate::language::{self, Language};
use crate::place::floor;
use crate::text::{TextEdit, TextRange};

/// The edits that lay out a file; `None` where it has syntax errors or is not in HCL.
pub(crate) fn format(analysis: &Analysis, path: &Path) -> Cancellable<Option<Vec<TextEdit>>> {
    let Some(text) = hcl(analysis, path)? else {
        return Ok(None);
    };
    let formatted = analysis.tree(path, &text).formatted();
    analysis.check()?;
    Ok(formatted.map(|formatted| lines_changed(&text, &formatted)))
}

/// The edits that lay out the lines of a range.
pub(crate) fn format_range(
    analysis: &Analysis,
    path: &Path,
    range: TextRange,
) -> Cancellable<Option<Vec<TextEdit>>> {
    let edits = format(analysis, path)?;
    let Some(text) = analysis.text(path) else {
        return Ok(None);
    };
    // A selection that ends at the start of a line does not mean that line.
    let (start, mut end) = (floor(&text, range.start), floor(&text, range.end));
    if end > start && text[..end as usize].ends_with('\n') {
        end -= 1;
    }
    let from = text[..start as usize].rfind('\n').map_or(0, |at| at + 1);
    let to = text[end as usize..]
        .find('\n')
        .map_or(text.len(), |at| end as usize + at);
    let lines = TextRange::new(from as u32, to as u32);
    Ok(edits.map(|edits| {
        edits
            .into_iter()
            .filter(|edit| lines.covers(edit.range))
            .collect()
    }))
}

/// The edits after `typed` was typed before `offset`.
pub(crate) fn on_type(
    analysis: &Analysis,
    path: &Path,
    offset: u32,
    typed: char,
) -> Cancellable<Vec<TextEdit>> {
    let Some(text) = hcl(analysis, path)? else {
        return Ok(Vec::new());
    };
    let offset = floor(&text, offset);
    match typed {
        '}' => {
            let tree = analysis.tree(path, &text);
            let token = tree.syntax().token_at_offset(offset.into()).left_biased();
            let closed = token
                .filter(|token| token.kind() == SyntaxKind::RBrace)
                .and_then(|token| token.parent());
            let Some(closed) = closed else {
                return Ok(Vec::new());
            };
            let range = closed.text_range();
            let range = TextRange::new(range.start().into(), range.end().into());
            Ok(format_range(analysis, path, range)?.unwrap_or_default())
        }
        '\n' => Ok(indent(analysis, path, &text, offset)),
        _ => Ok(Vec::new()),
    }
}

/// The text of a file in HCL.
fn hcl(analysis: &Analysis, path: &Path) -> Cancellable<Option<Arc<str>>> {
    analysis.check()?;
    let text = analysis.text(path);
    let is_hcl = |text: &Arc<str>| {
        let role = language::role(path, text);
        matches!(role, Some((_, Language::Hcl)))
    };
    Ok(text.filter(is_hcl))
}

/// The blanks before a new line, by the brackets that are open there; nothing in strings and heredocs.
fn indent(analysis: &Analysis, path: &Path, text: &str, offset: u32) -> Vec<TextEdit> {
    let start = text[..offset as usize].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[start..];
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    let root = analysis.tree(path, text).syntax();
    let mut depth = 0usize;
    let tokens = root
        .descendants_with_tokens()
        .filter_map(NodeOrToken::into_token);
    for token in tokens {
        let range = token.text_range();
        if u32::from(range.start()) as usize >= start {
            break;
        }
        let ends = u32::from(range.end()) as usize;
        match token.kind() {
            SyntaxKind::Text | SyntaxKind::BlockComment if ends >= start => return Vec::new(),
            SyntaxKind::HeredocOpen if ends >= start => return Vec::new(),
            SyntaxKind::LBrace | SyntaxKind::LBracket | SyntaxKind::LParen => depth += 1,
            SyntaxKind::RBrace | SyntaxKind::RBracket | SyntaxKind::RParen => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        if token.kind() == SyntaxKind::Text && ends == start {
            return Vec::new();
        }
    }
    if line[blanks..].starts_with(['}', ']', ')']) {
        depth = depth.saturating_sub(1);
    }
    let wanted = "  ".repeat(depth);
    if line[..blanks] == wanted {
        return Vec::new();
    }
    let range = TextRange::new(start as u32, (start + blanks) as u32);
    vec![TextEdit::replace(range, wanted)]
}

/// One edit for each line that is different, and in it for what is different; the layout neither joins nor splits lines.
pub(crate) fn lines_changed(old: &str, new: &str) -> Vec<TextEdit> {
    let (before, after): (Vec<&str>, Vec<&str>) = (
        old.split_inclusive('\n').collect(),
        new.split_inclusive('\n').collect(),
    );
    if before.len() != after.len() {
        let whole = TextRange::new(0, old.len() as u32);
        return if old == new {
            Vec::new()
        } else {
            vec![TextEdit::replace(whole, new)]
        };
    }
    let mut edits = Vec::new();
    let mut start = 0u32;
    for (old, new) in before.iter().zip(&after) {
        if old != new {
            let (from, to, text) = trimmed(old, new);
            let range = TextRange::new(start + from as u32, start + to as u32);
            edits.push(TextEdit::replace(range, text));
        }
        start += old.len() as u32;
    }
    edits
}

/// What of a line is different: from where to where, and what stands there afterwards.
fn trimmed<'n>(old: &str, new: &'n str) -> (usize, usize, &'n str) {
    let mut prefix = old
        .bytes()
        .zip(new.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    while !old.is_char_boundary(prefix) || !new.is_char_boundary(prefix) {
        prefix -= 1;
    }
    let (old_rest, new_rest) = (&old[prefix..], &new[prefix..]);
    let mut suffix = old_rest
        .bytes()
        .rev()
        .zip(new_rest.bytes().rev())
        .take_while(|(a, b)| a == b)
        .count();
    while !old_rest.is_char_boundary(old_rest.len() - suffix)
        || !new_rest.is_char_boundary(new_rest.len() - suffix)
    {
        suffix -= 1;
    }
    (
        prefix,
        old.len() - suffix,
        &new_rest[..new_rest.len() - suffix],
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::TextEdit;
    use crate::fixture::{Seen, fixture};

    fn apply(text: &str, edits: &[TextEdit]) -> String {
        let mut text = text.to_owned();
        for edit in edits.iter().rev() {
            let range = edit.range.start as usize..edit.range.end as usize;
            text.replace_range(range, &edit.text);
        }
        text
    }

    #[test]
    fn a_file_is_laid_out() {
        let f = fixture("build{\n a=\"ü\"\n    long   =   2\n}\n");
        let text = f.analysis.text(&f.path).unwrap();
        let edits = f.analysis.format(&f.path).unwrap().unwrap();
        assert_eq!(apply(&text, &edits), imgc_syntax::hcl::format(&text));
        assert!(edits.len() >= 3);
        let broken = fixture("build {\n a = \n");
        assert_eq!(broken.analysis.format(&broken.path).unwrap(), None);
    }

    #[test]
    fn only_the_lines_asked_for_change() {
        let f = fixture("locals {\na=1\n$0b=2\n$0c=3\n}\n");
        let text = f.analysis.text(&f.path).unwrap();
        let edits = f.analysis.format_range(&f.path, f.range).unwrap().unwrap();
        assert_eq!(apply(&text, &edits), "locals {\na=1\n  b = 2\nc=3\n}\n");
    }

    #[test]
    fn while_typing() {
        let mut seen = Seen::default();
        let cases = [
            ("build {\n$0\n}\n", '\n'),
            ("build {\n  x = [\n$0]\n}\n", '\n'),
            ("locals {\n  x = <<EOT\n$0\nEOT\n}\n", '\n'),
            ("locals {\na=1\n}$0\n", '}'),
            ("locals {\n  x = {\n a=1\n    }$0\ny=2\n}\n", '}'),
        ];
        for (case, typed) in cases {
            let f = fixture(case);
            let text = f.analysis.text(&f.path).unwrap();
            let edits = f.analysis.format_on_type(&f.path, f.offset, typed).unwrap();
            seen.add(case, &apply(&text, &edits).replace('\n', "\\n"));
        }
        seen.check("while_typing");
    }
}
