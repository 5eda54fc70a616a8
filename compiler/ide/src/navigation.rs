//! Definitions and references.

use std::path::Path;
use std::sync::Arc;

use imgc_compiler::FileId;
use imgc_compiler::eval;
use imgc_compiler::hir::Expr;

use crate::analysis::{Analysis, Cancellable};
use crate::highlight::{Highlight, HighlightKind};
use crate::index::{Entity, Key, Occurrence, Role};
use crate::links::{self, LinkTarget};
use crate::place::floor;
use crate::template::Template;
use crate::text::{Location, Target, TextRange};

/// The name at an offset, with its template.
struct At {
    template: Arc<Template>,
    file: FileId,
    offset: u32,
    key: Option<Key>,
}

fn at(analysis: &Analysis, path: &Path, offset: u32) -> Cancellable<Option<At>> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(None);
    };
    let offset = floor(&template.file(file).text, offset);
    let found = template.index().at(file, offset);
    let key = found.map(|occurrence| occurrence.key.clone());
    Ok(Some(At {
        template,
        file,
        offset,
        key,
    }))
}

/// Where what is at an offset is declared.
pub(crate) fn definition(
    analysis: &Analysis,
    path: &Path,
    offset: u32,
) -> Cancellable<Vec<Target>> {
    let Some(at) = at(analysis, path, offset)? else {
        return Ok(Vec::new());
    };
    if let Some(key) = &at.key {
        return Ok(declarations(&at.template, key));
    }
    let links = links::of(analysis, path)?;
    let link = links.iter().find(|link| link.range.touches(at.offset));
    Ok(link
        .and_then(|link| match &link.target {
            LinkTarget::Path(path) => Some(file_target(analysis, path)),
            LinkTarget::Url(_) => None,
        })
        .into_iter()
        .collect())
}

/// A file as a target; of a directory, its first template file.
fn file_target(analysis: &Analysis, path: &Path) -> Target {
    let start = TextRange::default();
    let first = analysis.first_template_file(path);
    Target {
        path: first.unwrap_or_else(|| path.to_owned()),
        range: start,
        focus: start,
    }
}

fn declarations(template: &Template, key: &Key) -> Vec<Target> {
    let uses = template.index().uses(key);
    let declared = uses.filter(|occurrence| occurrence.role == Role::Declaration);
    declared.map(|found| target(template, found)).collect()
}

fn target(template: &Template, occurrence: &Occurrence) -> Target {
    Target {
        path: template.file(occurrence.span.file).path.clone(),
        range: occurrence.whole.into(),
        focus: occurrence.span.into(),
    }
}

/// Where what something is made of is declared.
pub(crate) fn type_definition(
    analysis: &Analysis,
    path: &Path,
    offset: u32,
) -> Cancellable<Vec<Target>> {
    let Some(at) = at(analysis, path, offset)? else {
        return Ok(Vec::new());
    };
    let Some(key) = &at.key else {
        return Ok(Vec::new());
    };
    let template = &at.template;
    let of_module = |name: &str| {
        let unit = template.compilation.calls.get(name)?;
        let root = &template.compilation.modules.get(*unit)?.root;
        Some(vec![file_target(analysis, root)])
    };
    let targets = match &key.entity {
        Entity::Local(name) => {
            let module = template.module(key.unit);
            let local = module.and_then(|module| module.locals.get(name));
            local.map(|local| referred(template, &local.value))
        }
        Entity::Module(name) if key.unit == 0 => of_module(name),
        _ => None,
    };
    Ok(match targets {
        Some(targets) if !targets.is_empty() => targets,
        _ => declarations(template, key),
    })
}

/// The declarations of the names in an expression.
fn referred(template: &Template, expr: &Expr) -> Vec<Target> {
    let references = eval::references(expr);
    let names = references
        .iter()
        .filter_map(|reference| reference.path.last().or_else(|| reference.path.first()));
    let mut found: Vec<Target> = Vec::new();
    for name in names {
        let occurrence = template.index().at(name.span.file, name.span.start);
        if let Some(occurrence) = occurrence {
            found.extend(declarations(template, &occurrence.key));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// All uses of what is at an offset.
pub(crate) fn references(
    analysis: &Analysis,
    path: &Path,
    offset: u32,
    with_declarations: bool,
) -> Cancellable<Vec<Location>> {
    let Some(at) = at(analysis, path, offset)? else {
        return Ok(Vec::new());
    };
    let Some(key) = &at.key else {
        return Ok(Vec::new());
    };
    let uses = at.template.index().uses(key);
    Ok(uses
        .filter(|found| with_declarations || found.role != Role::Declaration)
        .map(|found| at.template.location(found.span))
        .collect())
}

/// All uses in this file of what is at an offset.
pub(crate) fn highlights(
    analysis: &Analysis,
    path: &Path,
    offset: u32,
) -> Cancellable<Vec<Highlight>> {
    let Some(at) = at(analysis, path, offset)? else {
        return Ok(Vec::new());
    };
    let Some(key) = &at.key else {
        return Ok(Vec::new());
    };
    let uses = at.template.index().uses(key);
    Ok(uses
        .filter(|found| found.span.file == at.file)
        .map(|found| Highlight {
            range: found.span.into(),
            kind: match found.role {
                Role::Reference => HighlightKind::Read,
                Role::Declaration | Role::Write => HighlightKind::Write,
            },
        })
        .collect())
}

#[cfg(test)]
mod tests;
