//! New names.
//!
//! In: a name under the cursor and what it shall be. Out: edits in all files of the template, or why not. Nothing is
//! changed that would make two things one, or of which a part would be missed.

use std::path::Path;
use std::sync::Arc;

use crate::analysis::{Analysis, Cancellable};
use crate::index::{Entity, Occurrence};
use crate::place::floor;
use crate::template::Template;
use crate::text::{TextEdit, TextRange, WorkspaceEdit};

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

pub(crate) fn prepare(analysis: &Analysis, path: &Path, offset: u32) -> Answer<RenameTarget> {
    let found = match find(analysis, path, offset)? {
        Ok((_, occurrence)) => occurrence,
        Err(refused) => return Ok(Err(refused)),
    };
    Ok(Ok(RenameTarget {
        range: found.span.into(),
        name: found.key.entity.name().to_string(),
    }))
}

pub(crate) fn rename(
    analysis: &Analysis,
    path: &Path,
    offset: u32,
    name: &str,
) -> Answer<WorkspaceEdit> {
    let (template, found) = match find(analysis, path, offset)? {
        Ok(found) => found,
        Err(refused) => return Ok(Err(refused)),
    };
    analysis.check()?;
    Ok(edits(&template, &found, name))
}

/// The name under the cursor, if it is one that can be changed.
fn find(analysis: &Analysis, path: &Path, offset: u32) -> Answer<(Arc<Template>, Occurrence)> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(refuse("there is no name here"));
    };
    let offset = floor(&template.file(file).text, offset);
    let Some(found) = template.index().at(file, offset).cloned() else {
        return Ok(refuse("there is no name here that can be changed"));
    };
    let what = found.key.entity.what();
    let name = found.key.entity.name();
    if found.key.unit != 0 {
        return Ok(refuse(format!(
            "the {what} `{name}` belongs to a module, which others may use as well; change it there"
        )));
    }
    if template.index().declaration(&found.key).is_none() {
        return Ok(refuse(format!("the {what} `{name}` is declared nowhere")));
    }
    if let Entity::Source(ty, name) = &found.key.entity
        && template.compilation.module.weak
        && ty == name
    {
        return Ok(refuse(
            "this builder has no name of its own; give it one: `\"name\": \"…\"`",
        ));
    }
    Ok(Ok((template, found)))
}

fn edits(
    template: &Template,
    found: &Occurrence,
    name: &str,
) -> Result<WorkspaceEdit, RenameRefused> {
    let (entity, index) = (&found.key.entity, template.index());
    let what = entity.what();
    if entity.name() == name {
        return Ok(WorkspaceEdit::default());
    }
    if !is_name(name, entity, template.compilation.module.weak) {
        return refuse(format!(
            "`{name}` is no name of a {what}: it begins with a letter or `_`, and goes on with letters, digits, `_` and `-`"
        ));
    }
    let wanted = crate::index::Key {
        unit: 0,
        entity: entity.renamed(name),
    };
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
    if let Some(problem) = template.problems().iter().find(|problem| {
        let family = problem.id.split('/').next();
        matches!(family, Some("syntax" | "json" | "toml"))
    }) {
        let file = template.file(problem.span.file);
        return refuse(format!(
            "{}:{} cannot be read, and uses of `{}` there would be missed; mend it first",
            file_name(&file.path),
            file.position(problem.span.start).0,
            entity.name()
        ));
    }
    let mut edit = WorkspaceEdit::default();
    for occurrence in index.uses(&found.key) {
        if template.text(occurrence.span) != entity.name().as_str() {
            return refuse(format!(
                "{} writes `{}` in another way; change it there first",
                shown(template, occurrence),
                entity.name()
            ));
        }
        let path = template.file(occurrence.span.file).path.clone();
        edit.add(path, TextEdit::replace(occurrence.span, name));
    }
    Ok(edit)
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
