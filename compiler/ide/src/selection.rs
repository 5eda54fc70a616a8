//! Ever larger parts of the text around the cursor.

use std::path::Path;

use imgc_syntax::hcl::SyntaxKind;

use crate::analysis::{Analysis, Cancellable};
use crate::brackets;
use crate::language::{self, Language};
use crate::place::{floor, word_around};
use crate::text::TextRange;

pub(crate) fn of(analysis: &Analysis, path: &Path, offset: u32) -> Cancellable<Vec<TextRange>> {
    analysis.check()?;
    let Some(text) = analysis.text(path) else {
        return Ok(vec![TextRange::at(offset)]);
    };
    let offset = floor(&text, offset);
    let mut ranges = vec![word_around(&text, offset)];
    match language::role(path, &text) {
        Some((_, Language::Hcl)) => {
            let root = analysis.tree(path, &text).syntax();
            let tokens = root.token_at_offset(offset.into());
            // Blanks are never what is meant where there is something else.
            let token = match tokens.clone().find(|token| !is_blank(token.kind())) {
                Some(token) => Some(token),
                None => tokens.left_biased(),
            };
            if let Some(token) = token {
                ranges.push(of_tree(token.text_range()));
                for node in token.parent_ancestors() {
                    if matches!(node.kind(), SyntaxKind::Template | SyntaxKind::Heredoc) {
                        ranges.push(inner(of_tree(node.text_range()), &text));
                    }
                    ranges.push(of_tree(node.text_range()));
                }
            }
        }
        Some((_, language)) => {
            let pairs = brackets::pairs(&text, language);
            for pair in pairs.into_iter().filter(|pair| pair.range.touches(offset)) {
                ranges.push(inner(pair.range, &text));
                ranges.push(pair.range);
            }
        }
        None => {}
    }
    ranges.push(TextRange::new(0, text.len() as u32));
    ranges.retain(|range| range.touches(offset));
    ranges.sort_by_key(|range| (range.end - range.start, range.start));
    let mut grown: Vec<TextRange> = Vec::new();
    for range in ranges {
        if grown
            .last()
            .is_none_or(|last| range.covers(*last) && range != *last)
        {
            grown.push(range);
        }
    }
    Ok(grown)
}

fn is_blank(kind: SyntaxKind) -> bool {
    matches!(kind, SyntaxKind::Whitespace | SyntaxKind::Newline)
}

fn of_tree(range: rowan::TextRange) -> TextRange {
    TextRange::new(range.start().into(), range.end().into())
}

/// A range without its first and last character, where these are quotes or brackets.
fn inner(range: TextRange, text: &str) -> TextRange {
    let part = range.of(text);
    let closed = part.len() >= 2
        && part.starts_with(['"', '\'', '[', '{'])
        && part.ends_with(['"', '\'', ']', '}']);
    match closed {
        true => TextRange::new(range.start + 1, range.end - 1),
        false => range,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::fixture::{Seen, fixture};

    #[test]
    fn ever_larger_parts() {
        let mut seen = Seen::default();
        let cases = [
            "locals {\n  a = join(\"x$0y z\", [1])\n}\n",
            "//- a.json\n{\"builders\": [{\"type\": \"nu$0ll\"}]}",
            "//- notes.json\n$0",
        ];
        for case in cases {
            let f = fixture(case);
            let text = f.analysis.text(&f.path).unwrap();
            let ranges = f.analysis.selection_ranges(&f.path, f.offset).unwrap();
            let shown = ranges.iter().map(|range| format!("{:?}", range.of(&text)));
            seen.add(case, &shown.collect::<Vec<_>>().join("\n   "));
        }
        seen.check("ever_larger_parts");
    }
}
