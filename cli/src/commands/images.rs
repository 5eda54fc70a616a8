//! `imgc images`: the artifacts that are kept, and what they were made from.

use std::path::Path;

use imgc_runtime::builder::{FACT, PACKAGES};
use imgc_runtime::identity::{self, Fate};
use imgc_runtime::ledger::CloudResource;
use imgc_runtime::reuse::{CHECKED_BY, mark_unchecked};
use imgc_runtime::state::{ArtifactRecord, ChangeRecord, FileIdentity, State as _};
use serde_json::json;

use crate::args::ImagesArgs;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::state::{self, Look};
use crate::terminal::{harmless, print, shown_path};

use super::json_text;

pub(super) fn run(args: &ImagesArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let (images, removals) = match &look.state {
        Some(state) => {
            let mut images = look.wait(state.images())?;
            mark_unchecked(&mut images);
            (distinct(images), removals(look.wait(state.changes())?))
        }
        None => (Vec::new(), Vec::new()),
    };
    if args.json {
        let all = images.iter().enumerate();
        let images: Vec<serde_json::Value> = all
            .map(|(at, image)| object(image, &images[..at], &removals))
            .collect();
        print(&json_text(&json!(images)))?;
    } else if images.is_empty() {
        let place = shown_path(&look.directory);
        print(&format!("no image is remembered in {place}\n"))?;
    } else {
        let all = images.iter().enumerate();
        let lines: Vec<String> = all
            .map(|(at, image)| text(image, &images[..at], &removals))
            .collect();
        print(&lines.join("\n"))?;
    }
    Ok(Exit::Done)
}

/// Each image once: a post-processor such as `manifest` gives on the very artifact it was given. Who may use an image is none.
fn distinct(mut images: Vec<ArtifactRecord>) -> Vec<ArtifactRecord> {
    images.retain(|image| !is_said_only(image));
    let made_before = |at: usize, one: &ArtifactRecord| {
        let before = &images[at + 1..];
        let is_same = |other: &ArtifactRecord| {
            (&other.run, &other.build, &other.artifact) == (&one.run, &one.build, &one.artifact)
        };
        before.iter().any(is_same) || is_given_on(one, before)
    };
    let again: Vec<bool> = images
        .iter()
        .enumerate()
        .map(|(at, one)| made_before(at, one))
        .collect();
    let mut again = again.into_iter();
    images.retain(|_| !again.next().unwrap_or(false));
    images
}

/// Whether all that it is made of stands in records of before, perhaps of several steps and of another run: who has given an
/// image on, such as `amazon-ssm-parameter`, has not made it.
fn is_given_on(record: &ArtifactRecord, before: &[ArtifactRecord]) -> bool {
    let artifact = &record.artifact;
    let is_known = |thing: &CloudResource| {
        let mut known = before.iter().flat_map(|other| &other.artifact.things);
        known.any(|other| other.is(thing))
    };
    artifact.files.is_empty() && !artifact.things.is_empty() && artifact.things.iter().all(is_known)
}

/// What runs have removed of what was finished, such as `amazon-retention`, and what they have found gone.
pub(super) fn removals(mut changes: Vec<ChangeRecord>) -> Vec<ChangeRecord> {
    changes.retain(|change| change.is_removal() || change.is_gone());
    changes
}

/// What of an image is removed since.
fn gone<'a>(
    record: &'a ArtifactRecord,
    removals: &'a [ChangeRecord],
) -> impl Iterator<Item = &'a ChangeRecord> {
    let things = &record.artifact.things;
    let of_it = |change: &&ChangeRecord| things.iter().any(|thing| thing.is(&change.thing));
    removals.iter().filter(of_it)
}

/// Whether a step has only said something of an image.
pub(super) fn is_said_only(record: &ArtifactRecord) -> bool {
    let step = &record.step;
    record.artifact.is_empty() && (step.contains(".publish[") || step.ends_with(".check"))
}

/// What is known of a file that an artifact names, perhaps relative to where the run was.
fn known<'a>(record: &'a ArtifactRecord, path: &Path) -> Option<&'a FileIdentity> {
    let names = &record.artifact.files;
    let at = names.iter().position(|name| name == path)?;
    // One that was not there when it was recorded is left out.
    match names.len() == record.files.len() {
        true => record.files.get(at),
        false => record.files.iter().find(|file| file.path == path),
    }
}

/// What has become of a file, in a word; `None` where it is as it was. Where a later run has written it, the image is not
/// altered but replaced.
fn fate(record: &ArtifactRecord, path: &Path, later: &[ArtifactRecord]) -> Option<&'static str> {
    let Some(known) = known(record, path) else {
        return (!path.exists()).then_some("missing");
    };
    let is_later = |other: &ArtifactRecord| {
        let mut files = other.files.iter();
        other.run != record.run && files.any(|file| file.path == known.path)
    };
    match identity::fate(known) {
        Fate::Same => None,
        Fate::Altered if later.iter().any(is_later) => Some("replaced"),
        Fate::Altered => Some("altered"),
        // No file is.
        Fate::Elsewhere => None,
        Fate::Gone => Some("missing"),
    }
}

/// One image as lines; those made after it follow, and what runs have removed.
pub(super) fn text(
    record: &ArtifactRecord,
    later: &[ArtifactRecord],
    removals: &[ChangeRecord],
) -> String {
    let what = match record.artifact.id.as_str() {
        "" => record.artifact.builder_id.as_str(),
        id => id,
    };
    let mut lines = vec![
        format!("{} {}", harmless(&record.build), harmless(what)),
        format!(
            "  made {} by run {} ({})",
            state::time(record.made),
            state::short(&record.run),
            harmless(&record.step)
        ),
        format!("  template {}", state::shown_template(&record.template)),
    ];
    let lineage = record.lineage.iter();
    for (name, value) in lineage.filter(|(name, _)| !name.starts_with(FACT)) {
        if name == CHECKED_BY {
            let value = harmless(value);
            lines.push(format!("  has not passed {value}: published by nobody"));
            continue;
        }
        let value = match name.starts_with(PACKAGES) {
            true => format!("({}, `-json` lists them)", value.lines().count()),
            false => harmless(value).into_owned(),
        };
        lines.push(format!("  from {} {value}", harmless(name)));
    }
    if record.shell {
        lines.push("  after somebody had a shell on the machine".to_owned());
    }
    for change in gone(record, removals) {
        let (at, run) = (state::time(change.at), state::short(&change.run));
        let what = change.thing.describe();
        let what = harmless(&what);
        lines.push(match change.is_gone() {
            true => format!("  gone, as run {run} has found {at}: {what}"),
            false => format!(
                "  removed {at} by run {run} ({}): {what}",
                harmless(&change.step)
            ),
        });
    }
    for path in &record.artifact.files {
        let note = fate(record, path, later).map_or_else(String::new, |note| format!("  ({note})"));
        lines.push(format!("  file {}{note}", shown_path(path)));
    }
    lines.join("\n") + "\n"
}

/// One image for programs, as [`text`].
pub(super) fn object(
    record: &ArtifactRecord,
    later: &[ArtifactRecord],
    removals: &[ChangeRecord],
) -> serde_json::Value {
    let removed: Vec<serde_json::Value> = gone(record, removals)
        .map(|change| {
            json!({
                "id": change.thing.id,
                "place": change.thing.place,
                "run": change.run,
                "step": change.step,
                "at": change.at,
                "found_gone": change.is_gone(),
            })
        })
        .collect();
    let files: Vec<serde_json::Value> = record
        .artifact
        .files
        .iter()
        .map(|path| {
            let known = known(record, path);
            json!({
                "path": path,
                "size": known.map(|known| known.size),
                "sha256": known.map(|known| &known.digest),
                "state": fate(record, path, later).unwrap_or("same"),
            })
        })
        .collect();
    let lineage: serde_json::Map<String, serde_json::Value> = record
        .lineage
        .iter()
        .filter(|(name, _)| !name.starts_with(FACT))
        .map(|(name, value)| {
            let value = match name.starts_with(PACKAGES) {
                true => json!(value.lines().collect::<Vec<_>>()),
                false => json!(value),
            };
            (name.clone(), value)
        })
        .collect();
    json!({
        "id": record.artifact.id,
        "builder": record.artifact.builder_id,
        "build": record.build,
        "step": record.step,
        "template": record.template,
        "run": record.run,
        "made": record.made,
        "lineage": lineage,
        "shell": record.shell,
        "files": files,
        "removed": removed,
        "metadata": record.artifact.metadata,
    })
}
