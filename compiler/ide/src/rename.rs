//! New names.
//!
//! In: a name under the cursor and what it shall be. Out: edits in all files of the template, and in the templates of the
//! workspace that use it as a module; or why not. Nothing is changed that would make two things one, or of which a part
//! would be missed.

mod callers;
mod hidden;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::callers::normal;
use crate::analysis::{Analysis, Cancellable};
use crate::index::{Entity, Key, MODULE_OPTIONS, Occurrence};
use crate::place::floor;
use crate::template::{Template, TemplateId};
use crate::text::{TextEdit, TextRange, WorkspaceEdit};

/// The directory below which fetched modules are.
const FETCHED: &str = ".imgc";

/// What would be renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameTarget {
    /// The name under the cursor, without quotes.
    pub range: TextRange,
    /// The name as it is now.
    pub name: String,
}

/// Why something cannot be renamed; lower case, no full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameRefused(pub String);

type Answer<T> = Cancellable<Result<T, RenameRefused>>;

fn refuse<T>(message: impl Into<String>) -> Result<T, RenameRefused> {
    Err(RenameRefused(message.into()))
}

/// A name under the cursor, and where it is at home.
struct Found {
    /// The name under the cursor.
    span: TextRange,
    /// The template that declares it.
    home: Home,
}

/// The template that declares a name.
struct Home {
    id: TemplateId,
    template: Arc<Template>,
    entity: Entity,
}

pub(crate) fn prepare(analysis: &Analysis, path: &Path, offset: u32) -> Answer<RenameTarget> {
    Ok(find(analysis, path, offset)?.map(|found| RenameTarget {
        range: found.span,
        name: found.home.entity.name().to_string(),
    }))
}

pub(crate) fn rename(
    analysis: &Analysis,
    path: &Path,
    offset: u32,
    name: &str,
    roots: &[PathBuf],
) -> Answer<WorkspaceEdit> {
    let home = match find(analysis, path, offset)? {
        Ok(found) => found.home,
        Err(refused) => return Ok(Err(refused)),
    };
    let entity = &home.entity;
    if entity.name() == name {
        return Ok(Ok(WorkspaceEdit::default()));
    }
    let (what, weak) = (entity.what(), home.template.compilation.module.weak);
    if !is_name(name, entity, weak) {
        return Ok(refuse(format!(
            "`{name}` is no name of a {what}: it begins with a letter or `_`, and goes on with letters, digits, `_` and `-`"
        )));
    }
    let mut edit = WorkspaceEdit::default();
    if let Err(refused) = edits(analysis, &home.template, 0, entity, name, &mut edit) {
        return Ok(Err(refused));
    }
    if !matches!(entity, Entity::Variable(_) | Entity::Output(_)) {
        return Ok(Ok(edit));
    }
    for caller in callers::of(analysis, &home.id, path, roots)? {
        let template = analysis.template(&caller);
        analysis.check()?;
        let root = normal(&home.template.root);
        let mut modules = template.compilation.modules.iter();
        let Some(at) = modules.position(|loaded| normal(&loaded.root) == root) else {
            continue;
        };
        if matches!(entity, Entity::Variable(_)) && MODULE_OPTIONS.contains(&name) {
            return Ok(refuse(format!(
                "`{name}` means something else in `module` blocks, and this template is used in {}",
                caller.path.display()
            )));
        }
        if let Err(refused) = edits(analysis, &template, at + 1, entity, name, &mut edit) {
            return Ok(Err(refused));
        }
    }
    Ok(Ok(edit))
}

/// The name under the cursor, if it is one that can be changed.
fn find(analysis: &Analysis, path: &Path, offset: u32) -> Answer<Found> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(refuse("there is no name here"));
    };
    let offset = floor(&template.file(file).text, offset);
    let Some(found) = template.index().at(file, offset).cloned() else {
        return Ok(refuse("there is no name here that can be changed"));
    };
    let home = match home(analysis, path, &template, &found) {
        Ok(home) => home,
        Err(refused) => return Ok(Err(refused)),
    };
    let (what, name) = (home.entity.what(), home.entity.name());
    let key = key(0, &home.entity);
    if home.template.index().declaration(&key).is_none() {
        return Ok(refuse(format!("the {what} `{name}` is declared nowhere")));
    }
    if let Entity::Source(ty, name) = &home.entity
        && home.template.compilation.module.weak
        && ty == name
    {
        return Ok(refuse(
            "this builder has no name of its own; give it one: `\"name\": \"…\"`",
        ));
    }
    Ok(Ok(Found {
        span: found.span.into(),
        home,
    }))
}

/// The template to which a name belongs: this one, or a module of it that stands beside it and is not fetched.
fn home(
    analysis: &Analysis,
    path: &Path,
    template: &Arc<Template>,
    found: &Occurrence,
) -> Result<Home, RenameRefused> {
    let entity = found.key.entity.clone();
    let Some(at) = found.key.unit.checked_sub(1) else {
        let own = analysis.template_of(path);
        return Ok(Home {
            id: own.unwrap_or_else(|| directory(&template.root)),
            template: Arc::clone(template),
            entity,
        });
    };
    let loaded = template.compilation.modules.get(at);
    let root = loaded.map_or(&template.root, |loaded| &loaded.root);
    if root.components().any(|part| part.as_os_str() == FETCHED) {
        return refuse(format!(
            "the {} `{}` belongs to a module that was fetched; change it where that comes from",
            entity.what(),
            entity.name()
        ));
    }
    let id = directory(&normal(root));
    Ok(Home {
        template: analysis.template(&id),
        id,
        entity,
    })
}

fn directory(path: &Path) -> TemplateId {
    TemplateId {
        path: path.to_owned(),
        values: None,
    }
}

fn key(unit: usize, entity: &Entity) -> Key {
    Key {
        unit,
        entity: entity.clone(),
    }
}

/// The changes in one template, to which the name belongs (unit 0), or which uses one to which it does.
fn edits(
    analysis: &Analysis,
    template: &Template,
    unit: usize,
    entity: &Entity,
    name: &str,
    edit: &mut WorkspaceEdit,
) -> Result<(), RenameRefused> {
    let (index, what) = (template.index(), entity.what());
    let wanted = key(unit, &entity.renamed(name));
    if let Some(other) = index.declaration(&wanted) {
        return refuse(format!(
            "there is a {what} `{name}` already, in {}",
            shown(template, other)
        ));
    }
    if let Some(other) = index.uses(&wanted).next() {
        return refuse(format!(
            "{} speaks of a {what} `{name}` that is not declared; it would mean this one",
            shown(template, other)
        ));
    }
    hidden::refuse_hidden(analysis, template, [entity.name(), name])?;
    for occurrence in index.uses(&key(unit, entity)) {
        if template.text(occurrence.span) != entity.name().as_str() {
            return refuse(format!(
                "{} writes `{}` in another way; change it there first",
                shown(template, occurrence),
                entity.name()
            ));
        }
        let path = normal(&template.file(occurrence.span.file).path);
        edit.add(path, TextEdit::replace(occurrence.span, name));
    }
    Ok(())
}

/// A place for people.
fn shown(template: &Template, occurrence: &Occurrence) -> String {
    let file = template.file(occurrence.span.file);
    let (line, _) = file.position(occurrence.span.start);
    format!("{}:{line}", file_name(&file.path))
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Whether references can have a name.
fn is_name(name: &str, entity: &Entity, weak: bool) -> bool {
    if name.is_empty() || name.contains(['"', '\'', '`', '\\', '\n', '$', '%', '{', '}']) {
        return false;
    }
    match entity {
        Entity::Build(_) => !name.contains(['.', '[', ']', '*', '?', ' ']),
        Entity::Variable(_) | Entity::Source(..) if weak => !name.contains(' '),
        _ => {
            let mut characters = name.chars();
            characters
                .next()
                .is_some_and(|c| c == '_' || c.is_alphabetic())
                && characters.all(|c| c == '_' || c == '-' || c.is_alphanumeric())
        }
    }
}

#[cfg(test)]
mod tests;
