//! Removing what nothing uses.

use imgc_compiler::Span;

use super::keyed::Keyed;
use super::{ActionKind, CodeAction, Cx};
use crate::diagnostics::{UNUSED, unused_names};
use crate::index::{Occurrence, Role};
use crate::language::{self, Language};
use crate::template::Template;
use crate::text::{TextEdit, TextRange, WorkspaceEdit};

pub(super) fn offer(cx: &mut Cx<'_>) {
    if cx.template.file(cx.file).gives_values {
        return;
    }
    let template = std::sync::Arc::clone(&cx.template);
    for unused in unused_names(&template) {
        let place = TextRange::from(unused.span);
        if unused.span.file != cx.file || !place.meets(cx.range) {
            continue;
        }
        let Some(edit) = removal(&template, unused) else {
            continue;
        };
        let (what, name) = (unused.key.entity.what(), unused.key.entity.name());
        cx.out.push(CodeAction {
            title: format!("Remove the unused {what} `{name}`"),
            kind: ActionKind::QuickFix,
            edit,
            solves: Some((UNUSED, place)),
            preferred: false,
        });
    }
}

/// The edits that remove a declaration and the values it is given; `None` where it does not stand on lines of its own.
fn removal(template: &Template, unused: &Occurrence) -> Option<WorkspaceEdit> {
    let mut edit = WorkspaceEdit::default();
    for found in template.index().uses(&unused.key) {
        let file = template.file(found.span.file);
        let (_, language) = language::role(&file.path, &file.text)?;
        let own = found.role != Role::Reference;
        // What stands in its own block goes with it.
        if !own {
            continue;
        }
        if language != Language::Hcl {
            let newline = if file.text.contains("\r\n") {
                "\r\n"
            } else {
                "\n"
            };
            let keyed = Keyed {
                text: &file.text,
                language,
                newline,
            };
            let mut range = keyed.remove(found.whole)?;
            if language == Language::Toml {
                let whole = Span::new(found.span.file, range.start, range.end);
                range = lines(&file.text, whole)?;
            }
            edit.add(file.path.clone(), TextEdit::replace(range, ""));
            continue;
        }
        let lines = lines(&file.text, found.whole)?;
        edit.add(file.path.clone(), TextEdit::replace(lines, ""));
    }
    Some(edit)
}

/// The lines of an item, with a blank line before it; `None` where something else stands on them.
fn lines(text: &str, span: Span) -> Option<TextRange> {
    let (start, end) = (span.start as usize, span.end as usize);
    let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let to = text[end..].find('\n').map_or(text.len(), |at| end + at + 1);
    let before = text[from..start].trim();
    let behind = text[end..to].trim();
    if !before.is_empty() || !(behind.is_empty() || behind.starts_with('#')) {
        return None;
    }
    let blank_before = text[..from].ends_with("\n\n");
    let blank_behind = text[to..].starts_with('\n') || to == text.len();
    let from = match blank_before && blank_behind {
        true => from - 1,
        false => from,
    };
    Some(TextRange::new(from as u32, to as u32))
}
