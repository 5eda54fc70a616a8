//! What can be folded away.

use std::path::Path;

use imgc_syntax::hcl::{SyntaxKind, SyntaxNode};
use rowan::NodeOrToken;

use crate::analysis::{Analysis, Cancellable};
use crate::brackets;
use crate::language::{self, Language};
use crate::text::TextRange;

/// A part of a file that can be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fold {
    /// From where to where; it goes over more than one line.
    pub range: TextRange,
    /// What it is.
    pub kind: FoldKind,
}

/// The kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoldKind {
    /// A block, a list, an object.
    Region,
    /// Lines of comments.
    Comment,
}

pub(crate) fn of(analysis: &Analysis, path: &Path) -> Cancellable<Vec<Fold>> {
    analysis.check()?;
    let Some(text) = analysis.text(path) else {
        return Ok(Vec::new());
    };
    let Some((_, language)) = language::role(path, &text) else {
        return Ok(Vec::new());
    };
    let mut folds = match language {
        Language::Hcl => {
            let root = analysis.tree(path, &text).syntax();
            let mut folds = regions(&root);
            analysis.check()?;
            folds.extend(comments(&root, &text));
            folds
        }
        _ => brackets(&text, language),
    };
    if language == Language::Toml {
        folds.extend(tables(&text));
    }
    folds.retain(|fold| fold.range.of(&text).contains('\n'));
    folds.sort();
    folds.dedup();
    Ok(folds)
}

fn region(range: impl Into<TextRange>) -> Fold {
    Fold {
        range: range.into(),
        kind: FoldKind::Region,
    }
}

fn regions(root: &SyntaxNode) -> Vec<Fold> {
    let mut folds = Vec::new();
    for node in root.descendants() {
        let folds_whole = matches!(
            node.kind(),
            SyntaxKind::Tuple
                | SyntaxKind::Object
                | SyntaxKind::ForTuple
                | SyntaxKind::ForObject
                | SyntaxKind::ArgList
                | SyntaxKind::Heredoc
        );
        let range = node.text_range();
        if folds_whole {
            folds.push(region((range.start().into(), range.end().into())));
        } else if node.kind() == SyntaxKind::Block {
            let brace = node
                .children_with_tokens()
                .find(|child| child.kind() == SyntaxKind::LBrace);
            folds.extend(
                brace.map(|brace| region((brace.text_range().start().into(), range.end().into()))),
            );
        }
    }
    folds
}

/// Comments of several lines, and several lines of comments.
fn comments(root: &SyntaxNode, text: &str) -> Vec<Fold> {
    let mut folds = Vec::new();
    let mut run: Option<TextRange> = None;
    let tokens = root
        .descendants_with_tokens()
        .filter_map(NodeOrToken::into_token);
    for token in tokens {
        let range = token.text_range();
        let range = TextRange::new(range.start().into(), range.end().into());
        match token.kind() {
            SyntaxKind::BlockComment => folds.push(Fold {
                range,
                kind: FoldKind::Comment,
            }),
            SyntaxKind::LineComment => {
                let line_start = text[..range.start as usize]
                    .rfind('\n')
                    .map_or(0, |at| at + 1);
                let alone = text[line_start..range.start as usize].trim().is_empty();
                let follows = run.filter(|run| {
                    let between = &text[run.end as usize..range.start as usize];
                    between.matches('\n').count() == 1 && between.trim().is_empty()
                });
                if !alone {
                    continue;
                }
                if follows.is_none() {
                    folds.extend(run.map(comment));
                }
                let start = follows.map_or(range.start, |run| run.start);
                run = Some(TextRange::new(start, range.end));
            }
            _ => {}
        }
    }
    folds.extend(run.map(comment));
    folds
}

fn comment(range: TextRange) -> Fold {
    Fold {
        range,
        kind: FoldKind::Comment,
    }
}

fn brackets(text: &str, language: Language) -> Vec<Fold> {
    let pairs = brackets::pairs(text, language);
    pairs.into_iter().map(|pair| region(pair.range)).collect()
}

/// Tables of TOML: from a header to the line before the next.
fn tables(text: &str) -> Vec<Fold> {
    let mut folds = Vec::new();
    let mut start: Option<u32> = None;
    let mut last = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            folds.extend(start.map(|start| region((start, last))));
            start = Some(at);
        }
        if !line.trim().is_empty() {
            last = at + line.trim_end().len() as u32;
        }
        at += line.len() as u32;
    }
    folds.extend(start.map(|start| region((start, last))));
    folds
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::fixture::{Seen, fixture};

    #[test]
    fn folds() {
        let mut seen = Seen::default();
        let cases = [
            "# one\n# two\nsource \"null\" \"a\" {\n  x = [\n    1,\n  ]\n  y = <<EOT\ntext\nEOT\n}\nlocals { a = 1 }\n/* a\nb */\n",
            "build {\n  provisioner \"shell\" {\n    inline = [\n",
            "//- a.json\n{\n  \"builders\": [\n    {\"type\": \"a}\"}\n  ]\n}\n",
            "//- a.imgc.toml\n[a]\nx = 1\n\n[b]\ny = [\n  1\n]\n",
        ];
        for case in cases {
            let f = fixture(case);
            let text = f.analysis.text(&f.path).unwrap();
            let line = |at: u32| text[..at as usize].matches('\n').count() + 1;
            let folds = f.analysis.folds(&f.path).unwrap();
            let shown = folds.iter().map(|fold| {
                format!(
                    "{}-{} {:?}",
                    line(fold.range.start),
                    line(fold.range.end),
                    fold.kind
                )
            });
            seen.add(case, &shown.collect::<Vec<_>>().join(", "));
        }
        seen.check("folds");
    }
}
