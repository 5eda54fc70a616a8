//! Declaring a name that is used and is nowhere.

use imgc_compiler::hir::Body;

use super::keyed::{Data, Keyed};
use super::{ActionKind, CodeAction, Cx};
use crate::index::{Entity, Role};
use crate::language::Language;
use crate::text::{TextEdit, TextRange, WorkspaceEdit};

/// A variable, local or source that is referred to and not declared: in HCL before the block at hand, elsewhere with
/// others of its kind.
pub(super) fn offer(cx: &mut Cx<'_>) {
    let Some(language) = cx.language() else {
        return;
    };
    let template = std::sync::Arc::clone(&cx.template);
    let index = template.index();
    let Some(body) = template.body(cx.file) else {
        return;
    };
    let mut offered = Vec::new();
    for found in index.in_file(cx.file) {
        let place = TextRange::from(found.span);
        let wanted = found.role != Role::Declaration && found.key.unit == 0;
        if !wanted || !place.meets(cx.range) || offered.contains(&found.key) {
            continue;
        }
        if index.declaration(&found.key).is_some() {
            continue;
        }
        let newline = cx.newline();
        let name = found.key.entity.name();
        let (text, id) = match &found.key.entity {
            Entity::Variable(_) => (
                format!("variable \"{name}\" {{{newline}  type = string{newline}}}"),
                "check/unknown-variable",
            ),
            Entity::Local(_) => (
                format!("locals {{{newline}  {name} = \"\"{newline}}}"),
                "check/unknown-local",
            ),
            Entity::Source(ty, _) => (
                format!("source \"{ty}\" \"{name}\" {{{newline}}}"),
                "check/unknown-source",
            ),
            _ => continue,
        };
        // A file of values has no declarations: they go to the end of the template's first file.
        let at_values = template.file(cx.file).gives_values;
        let (path, edit) = if let Some(keyed) = cx.keyed().filter(|_| !at_values) {
            let Some(edit) = keyed_declaration(&keyed, body, &found.key.entity) else {
                continue;
            };
            (cx.path.to_owned(), edit)
        } else if at_values {
            if language != Language::Hcl {
                continue;
            }
            let Some((_, file, _)) = template.bodies().find(|(_, file, _)| {
                !file.gives_values
                    && template.unit_of(&file.path) == 0
                    && file.path.extension().is_some_and(|e| e == "hcl")
            }) else {
                continue;
            };
            let end = file.text.len() as u32;
            let before = if file.text.is_empty() || file.text.ends_with('\n') {
                newline.to_owned()
            } else {
                format!("{newline}{newline}")
            };
            let edit = TextEdit::insert(end, format!("{before}{text}{newline}"));
            (file.path.clone(), edit)
        } else {
            let outer = body.blocks.iter().find(|block| {
                block.span.start <= found.span.start && found.span.end <= block.span.end
            });
            let Some(outer) = outer else {
                continue;
            };
            let start = super::before_comments(&cx.text, cx.line_start(outer.span.start));
            let edit = TextEdit::insert(start, format!("{text}{newline}{newline}"));
            (cx.path.to_owned(), edit)
        };
        offered.push(found.key.clone());
        cx.out.push(CodeAction {
            title: format!("Declare the {} `{name}`", found.key.entity.what()),
            kind: ActionKind::QuickFix,
            edit: WorkspaceEdit::of_file(path, [edit]),
            solves: Some((id, place)),
            preferred: false,
        });
    }
}

/// A declaration in JSON or TOML.
fn keyed_declaration(keyed: &Keyed<'_>, body: &Body, entity: &Entity) -> Option<TextEdit> {
    let is_legacy = keyed.language == Language::Legacy;
    match entity {
        Entity::Variable(name) if is_legacy => {
            keyed.declare(body, &["variables"], name, Data::text(""))
        }
        Entity::Variable(name) => {
            let members = vec![("type".to_owned(), Data::text("string"))];
            keyed.declare(body, &["variable"], name, Data::Object(members))
        }
        Entity::Local(name) => keyed.declare(body, &["locals"], name, Data::text("")),
        Entity::Source(ty, name) if !is_legacy => {
            keyed.declare(body, &["source", ty], name, Data::Object(Vec::new()))
        }
        _ => None,
    }
}
