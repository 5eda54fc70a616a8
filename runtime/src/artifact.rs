//! What a build yields.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ledger::{CloudResource, Resource};

/// A finished result: finished means kept, no later failure removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Who made it: Packer's builder id such as `packer.file`, ours such as `imgc.rootfs`.
    pub builder_id: String,
    /// The id as Packer would give it (`region:ami`, `sha256:…`); empty where there is none.
    pub id: String,
    /// Files on this machine, absolute or relative to the working directory.
    pub files: Vec<PathBuf>,
    /// One or more lines for people, after `--> name: `.
    pub description: String,
    /// Further facts: digests, sizes, formats.
    pub metadata: BTreeMap<String, String>,
    /// Of files that other builds write to as well, the lines that are this artifact's, sorted; keys are among `files`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lines: BTreeMap<PathBuf, Vec<String>>,
    /// What it consists of at a provider: images, snapshots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub things: Vec<CloudResource>,
    /// Of what publishing adds: the part of the artifact that was only a step on the way to it, and that goes when it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Box<Artifact>>,
}

impl Artifact {
    /// Whether nothing is there: what a step adds that only says something of an artifact.
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
            && self.description.is_empty()
            && self.files.is_empty()
            && self.things.is_empty()
    }

    /// The artifact with what publishing has added: ids sorted and joined by commas, as Packer gives an artifact of
    /// several places; of the description the first line stays first, the others are sorted among those that come. What is
    /// [replaced](Self::replaces) is not part of it.
    #[must_use]
    pub fn with<'a>(&self, added: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut whole = self.clone();
        let mut ids: Vec<&str> = parts(&self.id).collect();
        let mut lines: Vec<&str> = self.description.lines().skip(1).collect();
        let (mut has_ids, mut has_lines) = (false, false);
        let added: Vec<&Self> = added.into_iter().collect();
        for one in &added {
            has_ids |= !one.id.is_empty();
            has_lines |= !one.description.is_empty();
            ids.extend(parts(&one.id));
            lines.extend(one.description.lines());
            whole.files.extend(one.files.iter().cloned());
            whole.lines.extend(one.lines.clone());
            // What is only said of an artifact is no fact about what it is: that is for the run that says something else.
            if !one.is_empty() {
                whole.metadata.extend(one.metadata.clone());
            }
            whole.things.extend(one.things.iter().cloned());
        }
        for gone in added.iter().filter_map(|one| one.replaces.as_deref()) {
            (has_ids, has_lines) = (true, true);
            ids.retain(|id| !parts(&gone.id).any(|other| other == *id));
            lines.retain(|line| !gone.description.lines().any(|other| other == *line));
            let stays = |thing: &CloudResource| !gone.things.iter().any(|other| other.is(thing));
            whole.things.retain(stays);
        }
        if has_ids {
            ids.sort_unstable();
            ids.dedup();
            whole.id = ids.join(",");
        }
        if has_lines {
            lines.sort_unstable();
            lines.dedup();
            let first = self.description.lines().next().unwrap_or_default();
            whole.description = format!("{first}\n{}\n", lines.join("\n"));
        }
        whole
    }

    /// Removes what the artifact consists of (a later post-processor has replaced it), but nothing that belongs to an
    /// artifact of `kept`.
    ///
    /// Files and directories that are already gone are no error. Goes on past failures and gives the first.
    pub fn destroy(&self, kept: &[&Artifact]) -> std::io::Result<()> {
        let mut outcome = Ok(());
        for path in &self.files {
            if kept.iter().any(|artifact| artifact.touches(path)) {
                continue;
            }
            let result = match std::fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
                Ok(_) => std::fs::remove_file(path),
                Err(error) => Err(error),
            };
            match result {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound && outcome.is_ok() => {
                    outcome = Err(error);
                }
                _ => {}
            }
        }
        outcome
    }

    /// Whether a resource is a part of this artifact, so that removing it would destroy that.
    pub fn owns(&self, resource: &Resource) -> bool {
        match resource {
            Resource::File { path }
            | Resource::Directory { path }
            | Resource::MappedDirectory { path }
            | Resource::Placed { path, .. } => self.touches(path),
            Resource::Cloud(thing) => self.things.iter().any(|own| own.is(thing)),
            Resource::Mounts { .. }
            | Resource::Process { .. }
            | Resource::Processes { .. }
            | Resource::RemoteFile { .. } => false,
        }
    }

    /// Whether removing `path` would remove a part of this artifact.
    pub fn touches(&self, path: &Path) -> bool {
        let path = absolute(path);
        self.files.iter().map(|file| absolute(file)).any(|file| {
            // A path below a kept directory, or a directory above a kept file.
            file.starts_with(&path) || path.starts_with(&file)
        })
    }
}

/// Each artifact once, in their order.
pub(crate) fn distinct(artifacts: &[Artifact]) -> Vec<&Artifact> {
    let mut found: Vec<&Artifact> = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        if !found.contains(&artifact) {
            found.push(artifact);
        }
    }
    found
}

/// The ids of an artifact of several places.
fn parts(id: &str) -> impl Iterator<Item = &str> {
    id.split(',').filter(|part| !part.is_empty())
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_joins_the_artifact_in_the_order_of_places() {
        let built = Artifact {
            builder_id: "b".into(),
            id: "us-east-1:ami-1".into(),
            description: "AMIs were created:\nus-east-1: ami-1\n".into(),
            ..Artifact::default()
        };
        let copy = |region: &str, id: &str| Artifact {
            id: format!("{region}:{id}"),
            description: format!("{region}: {id}\n"),
            ..Artifact::default()
        };
        let shared = Artifact::default();
        assert_eq!(built.with([&shared]), built);
        let whole = built.with([
            &copy("us-west-2", "ami-3"),
            &shared,
            &copy("eu-west-1", "ami-2"),
        ]);
        assert_eq!(whole.id, "eu-west-1:ami-2,us-east-1:ami-1,us-west-2:ami-3");
        assert_eq!(
            whole.description,
            "AMIs were created:\neu-west-1: ami-2\nus-east-1: ami-1\nus-west-2: ami-3\n"
        );
        // What was only a step on the way is not part of it.
        let only_copies = Artifact {
            replaces: Some(Box::new(copy("us-east-1", "ami-1"))),
            ..Artifact::default()
        };
        let whole = built.with([&only_copies, &copy("us-west-2", "ami-3")]);
        assert_eq!(whole.id, "us-west-2:ami-3");
        assert_eq!(whole.description, "AMIs were created:\nus-west-2: ami-3\n");
    }
}
