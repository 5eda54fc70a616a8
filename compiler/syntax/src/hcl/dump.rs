//! A tree as text, for people who work on the parser.

use std::fmt::Write;

use rowan::{NodeOrToken, WalkEvent};

use super::kind::SyntaxNode;

/// The nodes and tokens of a tree, one per line, indented by depth: `KIND start..end`, tokens with their text.
pub fn tree_dump(root: &SyntaxNode) -> String {
    let mut out = String::new();
    let mut depth = 0usize;
    for event in root.preorder_with_tokens() {
        match event {
            WalkEvent::Enter(element) => {
                let range = element.text_range();
                let (start, end) = (u32::from(range.start()), u32::from(range.end()));
                let indent = depth * 2;
                let written = match &element {
                    NodeOrToken::Node(node) => {
                        writeln!(out, "{:indent$}{:?} {start}..{end}", "", node.kind())
                    }
                    NodeOrToken::Token(token) => {
                        writeln!(
                            out,
                            "{:indent$}{:?} {start}..{end} {:?}",
                            "",
                            token.kind(),
                            token.text()
                        )
                    }
                };
                written.expect("writing to a string cannot fail");
                depth += 1;
            }
            WalkEvent::Leave(_) => depth -= 1,
        }
    }
    out
}
