//! What changes in a file, as people and `patch` read it: a unified diff.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

use crate::terminal::{Look, Style, harmless};

/// The difference between two texts of a file; empty when there is none.
pub(crate) fn diff(name: &str, old: &str, new: &str, look: Look) -> String {
    let mut out = String::new();
    if old == new {
        return out;
    }
    let diff = TextDiff::from_lines(old, new);
    let mut unified = diff.unified_diff();
    let header = format!("--- old/{name}\n+++ new/{name}\n");
    out.push_str(&look.paint(Style::Strong, &header));
    for hunk in unified.context_radius(3).iter_hunks() {
        let title = hunk.header().to_string();
        let _ = writeln!(out, "{}", look.paint(Style::Name, &title));
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ("-", Some(Style::Removed)),
                ChangeTag::Insert => ("+", Some(Style::Added)),
                ChangeTag::Equal => (" ", None),
            };
            let value = change.value();
            let line = format!("{sign}{}", harmless(value.trim_end_matches(['\r', '\n'])));
            let line = style.map_or(line.clone(), |style| look.paint(style, &line));
            let _ = writeln!(out, "{line}");
            if change.missing_newline() {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown() {
        let plain = Look::default();
        let old = "a=1\nb = 2\nc = 3\nd = 4\ne = 5\nf = 6\n";
        insta::assert_snapshot!(diff("x.pkr.hcl", old, &old.replace("a=", "a = "), plain), @"
        --- old/x.pkr.hcl
        +++ new/x.pkr.hcl
        @@ -1,4 +1,4 @@
        -a=1
        +a = 1
         b = 2
         c = 3
         d = 4
        ");
        insta::assert_snapshot!(diff("x", "a\x1b[2J", "b\n", plain), @"
        --- old/x
        +++ new/x
        @@ -1 +1 @@
        -a\u{fffd}[2J
        \\ No newline at end of file
        +b
        ");
        assert_eq!(diff("x", old, old, plain), "");
    }

    #[test]
    fn colours_only_where_they_can_be_shown() {
        let colour = Look {
            colour: true,
            ..Look::default()
        };
        assert!(diff("x", "a\n", "b\n", colour).contains("\x1b[31m-a\x1b[0m\n"));
    }
}
