//! Where a project is may change, with its state in it: what is inside of it is written down relative to it.
//!
//! In and out: records of artifacts and of what runs make. A state that lies elsewhere, or of another name than `.imgc`, keeps paths as they are.

use std::path::{Path, PathBuf};

use imgc_runtime::files::clean;
use imgc_runtime::ledger::Resource;
use imgc_runtime::state::ArtifactRecord;

/// What a state is called that lies in the project it is of.
const NAME: &str = ".imgc";

/// The project in which a database lies.
pub(crate) fn project(database: &Path) -> Option<PathBuf> {
    let state = database
        .parent()
        .filter(|state| state.file_name().is_some_and(|name| name == NAME))?;
    let project = std::path::absolute(state.parent()?).ok()?;
    Some(clean(&project))
}

/// As it is written down.
pub(crate) fn inside(record: &ArtifactRecord, project: Option<&Path>) -> ArtifactRecord {
    let mut record = record.clone();
    for file in &mut record.files {
        let inner = project.and_then(|project| file.path.strip_prefix(project).ok());
        if let Some(inner) = inner.map(Path::to_owned) {
            file.path = inner;
        }
    }
    record
}

/// As it is for everybody else.
pub(crate) fn outside(mut record: ArtifactRecord, project: Option<&Path>) -> ArtifactRecord {
    let Some(project) = project else {
        return record;
    };
    for file in record
        .files
        .iter_mut()
        .filter(|file| file.path.is_relative())
    {
        file.path = project.join(&file.path);
    }
    record
}
/// What a run makes as it is written down.
pub(crate) fn resource_inside(resource: &Resource, project: Option<&Path>) -> Resource {
    let mut resource = resource.clone();
    for path in paths(&mut resource) {
        let inner = project.and_then(|project| path.strip_prefix(project).ok());
        if let Some(inner) = inner.map(Path::to_owned) {
            *path = inner;
        }
    }
    resource
}

/// What a run makes as it is for everybody else.
pub(crate) fn resource_outside(mut resource: Resource, project: Option<&Path>) -> Resource {
    let Some(project) = project else {
        return resource;
    };
    for path in paths(&mut resource) {
        if path.is_relative() {
            *path = project.join(&*path);
        }
    }
    resource
}

/// Where a resource is on this machine, as far as that is not written into a command as well.
fn paths(resource: &mut Resource) -> Vec<&mut PathBuf> {
    match resource {
        Resource::File { path }
        | Resource::Directory { path }
        | Resource::MappedDirectory { path } => vec![path],
        Resource::Placed { path, aside, .. } => std::iter::once(path).chain(aside).collect(),
        Resource::Mounts { .. }
        | Resource::Process { .. }
        | Resource::Processes { .. }
        | Resource::RemoteFile { .. }
        | Resource::Cloud(_) => Vec::new(),
    }
}
