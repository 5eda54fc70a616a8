//! The canonical layout as edits: of a file, of some lines, while typing.

use std::path::Path;
use std::sync::Arc;

use imgc_compiler::{layout, print};
use imgc_syntax::hcl::SyntaxKind;
use rowan::NodeOrToken;

use crate::analysis::{Analysis, Cancellable};
use crate::brackets;
use crate::language::{self, Language};
use crate::place::floor;
use crate::text::{TextEdit, TextRange};

/// The edits that lay out a file; `None` where it has syntax errors or is no template.
pub(crate) fn format(analysis: &Analysis, path: &Path) -> Cancellable<Option<Vec<TextEdit>>> {
    let Some((text, language)) = template(analysis, path)? else {
        return Ok(None);
    };
    if language == Language::Hcl {
        let formatted = analysis.tree(path, &text).formatted();
        analysis.check()?;
        return Ok(formatted.map(|formatted| lines_changed(&text, &formatted)));
    }
    let blanks = layout::blanks(printed(language), &text);
    analysis.check()?;
    let edit = |blank: layout::Blank| {
        let (from, to, new) = trimmed(&text[blank.range.clone()], &blank.text);
        let start = blank.range.start;
        TextEdit::replace(
            TextRange::new((start + from) as u32, (start + to) as u32),
            new,
        )
    };
    Ok(blanks.map(|blanks| blanks.into_iter().map(edit).collect()))
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
    let Some((text, language)) = template(analysis, path)? else {
        return Ok(Vec::new());
    };
    let offset = floor(&text, offset);
    match typed {
        '}' | ']' => match closed(analysis, path, &text, language, offset) {
            Some(range) => Ok(format_range(analysis, path, range)?.unwrap_or_default()),
            None => Ok(Vec::new()),
        },
        '\n' => Ok(indent(analysis, path, &text, language, offset)),
        _ => Ok(Vec::new()),
    }
}

/// The text of a file and its language, if it has to do with templates.
fn template(analysis: &Analysis, path: &Path) -> Cancellable<Option<(Arc<str>, Language)>> {
    analysis.check()?;
    let text = analysis.text(path);
    Ok(text.and_then(|text| {
        let (_, language) = language::role(path, &text)?;
        Some((text, language))
    }))
}

/// The language as the compiler's layout calls it.
fn printed(language: Language) -> print::Language {
    match language {
        Language::Hcl => print::Language::Hcl,
        Language::Json => print::Language::Json,
        Language::Toml => print::Language::Toml,
        Language::Legacy => print::Language::Legacy,
    }
}

/// What the bracket before `offset` closes, brackets included.
fn closed(
    analysis: &Analysis,
    path: &Path,
    text: &str,
    language: Language,
    offset: u32,
) -> Option<TextRange> {
    if language != Language::Hcl {
        let pairs = brackets::pairs(text, language).into_iter();
        let mut ending = pairs.filter(|pair| !pair.is_string && pair.range.end == offset);
        return ending.next().map(|pair| pair.range);
    }
    let tree = analysis.tree(path, text);
    let token = tree.syntax().token_at_offset(offset.into()).left_biased()?;
    let range = matches!(token.kind(), SyntaxKind::RBrace | SyntaxKind::RBracket)
        .then(|| token.parent())??
        .text_range();
    Some(TextRange::new(range.start().into(), range.end().into()))
}

/// The blanks before a new line, by the brackets that are open there; nothing in strings and heredocs.
fn indent(
    analysis: &Analysis,
    path: &Path,
    text: &str,
    language: Language,
    offset: u32,
) -> Vec<TextEdit> {
    let start = text[..offset as usize].rfind('\n').map_or(0, |at| at + 1);
    let line = &text[start..];
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    let depth = match language {
        Language::Hcl => depth(analysis, path, text, start),
        _ => layout::depth(printed(language), text, start),
    };
    let Some(mut depth) = depth else {
        return Vec::new();
    };
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

/// How many brackets are open where a line of HCL starts; `None` in strings, comments and heredocs.
fn depth(analysis: &Analysis, path: &Path, text: &str, start: usize) -> Option<usize> {
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
            SyntaxKind::Text | SyntaxKind::BlockComment if ends >= start => return None,
            SyntaxKind::HeredocOpen if ends >= start => return None,
            SyntaxKind::LBrace | SyntaxKind::LBracket | SyntaxKind::LParen => depth += 1,
            SyntaxKind::RBrace | SyntaxKind::RBracket | SyntaxKind::RParen => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
    Some(depth)
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
    fn json_and_toml_are_laid_out_by_their_blanks() {
        let cases = [
            (
                "//- a.pkr.json\n{\"locals\":{\n\"a\":[1,2],\n\n\n  \"é\":1}}",
                "{\n  \"locals\": {\n    \"a\": [1, 2],\n\n    \"é\": 1\n  }\n}\n",
            ),
            (
                "//- a.json\n{\"builders\":[{\"type\":\"null\"}]}\n",
                "{\n  \"builders\": [{ \"type\": \"null\" }]\n}\n",
            ),
            (
                "//- a.imgc.toml\n  [locals]\na=[\n1,# x\n]\n",
                "[locals]\na = [\n  1, # x\n]\n",
            ),
            ("//- a.pkrvars.toml\na=1\n", "a = 1\n"),
        ];
        for (case, wanted) in cases {
            let f = fixture(case);
            let text = f.analysis.text(&f.path).unwrap();
            let edits = f.analysis.format(&f.path).unwrap().unwrap();
            assert_eq!(apply(&text, &edits), wanted);
            let blank = |text: &str| text.chars().all(char::is_whitespace);
            assert!(
                edits
                    .iter()
                    .all(|edit| blank(edit.range.of(&text)) && blank(&edit.text))
            );
        }
        for broken in [
            "//- a.pkr.json\n{ \"a\": }",
            "//- a.imgc.toml\na  =\n",
            "//- x.json\n{}",
        ] {
            let f = fixture(broken);
            assert_eq!(f.analysis.format(&f.path).unwrap(), None, "{broken}");
        }
    }

    #[test]
    fn only_the_lines_asked_for_change_in_json_and_toml() {
        let cases = [
            (
                "//- a.pkr.json\n{\"locals\":{\n\"a\":1,\n$0\"b\":2,\n$0\"c\":3}}",
                "{\"locals\":{\n\"a\":1,\n    \"b\": 2,\n\"c\":3}}",
            ),
            (
                "//- a.imgc.toml\na=1\n$0  b=2$0\nc=3\n",
                "a=1\nb = 2\nc=3\n",
            ),
        ];
        for (case, wanted) in cases {
            let f = fixture(case);
            let text = f.analysis.text(&f.path).unwrap();
            let edits = f.analysis.format_range(&f.path, f.range).unwrap().unwrap();
            assert_eq!(apply(&text, &edits), wanted);
        }
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
            ("locals {\n  x = [\n1\n    ]$0\ny=2\n}\n", ']'),
            ("//- a.pkr.json\n{\n  \"locals\": {\n$0\n  }\n}\n", '\n'),
            ("//- a.pkr.json\n{\n  \"locals\": {\n      $0}\n", '\n'),
            (
                "//- a.pkr.json\n{\n\"locals\":{\n\"a\":[1,2 ]}$0,\n\"x\":1\n}\n",
                '}',
            ),
            (
                "//- a.pkr.json\n{\n  \"locals\": {\"a\":[1,2 ]$0}\n}\n",
                ']',
            ),
            ("//- a.imgc.toml\n[locals]\nx = [{\n$0\n}]\n", '\n'),
            ("//- a.imgc.toml\n[locals]\n    $0\nx = 1\n", '\n'),
            (
                "//- a.imgc.toml\n[locals]\nx = \"\"\"\n    $0\n\"\"\"\n",
                '\n',
            ),
            ("//- a.imgc.toml\n [ locals ]$0\nx=1\n", ']'),
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
