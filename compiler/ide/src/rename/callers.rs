//! The templates that use a template as a module.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::analysis::{Analysis, Cancellable};
use crate::template::TemplateId;
use crate::{survey, workspace};

/// The templates in and below `roots`, and that of the file `from`, whose text names a template as a module. Which of them
/// use it is known when they are compiled: one that is not in the workspace is found only by way of `from`.
pub(super) fn of(
    analysis: &Analysis,
    module: &TemplateId,
    from: &Path,
    roots: &[PathBuf],
) -> Cancellable<BTreeSet<TemplateId>> {
    let mut found = BTreeSet::new();
    for (id, files) in workspace::templates(analysis, roots)? {
        analysis.check()?;
        if id != *module && files.iter().any(|file| names(analysis, file, &module.path)) {
            found.insert(id);
        }
    }
    found.extend(analysis.template_of(from).filter(|own| own != module));
    Ok(found)
}

/// Whether a file has a `module` block with this directory as its source.
fn names(analysis: &Analysis, file: &Path, directory: &Path) -> bool {
    let Some(facts) = survey::facts(analysis, file) else {
        return false;
    };
    let base = file.parent().unwrap_or(file);
    let wanted = normal(directory);
    let mut sources = facts.modules.iter();
    sources.any(|source| normal(&base.join(source.as_str())) == wanted)
}

/// A path without `.` and `..`, as far as the names alone say.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}
