//! Digests of steps: what a step would do, as a number.

use sha2::{Digest as _, Sha256};

use super::files::hex;
use super::{Options, StepKind};
use crate::source::World;
use crate::value::{Data, Value};

/// A step's digest from its content and the digests of the steps it needs.
pub(super) fn step<'a>(
    kind: &StepKind,
    content: &str,
    needs: impl Iterator<Item = &'a str>,
) -> String {
    let mut hasher = Sha256::new();
    part(&mut hasher, b"imgc step 1");
    match kind {
        StepKind::Prepare => part(&mut hasher, b"prepare"),
        StepKind::Launch => part(&mut hasher, b"launch"),
        StepKind::Connect => part(&mut hasher, b"connect"),
        StepKind::Provision { provisioner, .. } => {
            part(&mut hasher, b"provision");
            part(&mut hasher, provisioner.as_bytes());
        }
        StepKind::Capture => part(&mut hasher, b"capture"),
        StepKind::Check => part(&mut hasher, b"check"),
        StepKind::Publish { name, .. } => {
            part(&mut hasher, b"publish");
            part(&mut hasher, name.as_bytes());
        }
        StepKind::Release => part(&mut hasher, b"release"),
        StepKind::PostProcess { post_processor, .. } => {
            part(&mut hasher, b"post-process");
            part(&mut hasher, post_processor.as_bytes());
        }
    }
    part(&mut hasher, content.as_bytes());
    for need in needs {
        part(&mut hasher, need.as_bytes());
    }
    hex(&hasher.finalize())
}

/// The content of a source: builder, options, files.
pub(super) fn source(builder: &str, options: &Options, files: &[String]) -> String {
    format!("{builder}:{}", component(options, files))
}

/// The content of a component: options and files. Sensitive values count by being there, not by what they are, so that
/// a digest tells nothing about them.
pub(super) fn component(options: &Options, files: &[String]) -> String {
    let mut hasher = Sha256::new();
    value(&mut hasher, options.value());
    for file in files {
        part(&mut hasher, file.as_bytes());
    }
    hex(&hasher.finalize())
}

/// What stands for the expressions of options that only the run knows: another expression is another step, and so is one
/// that uses another value.
pub(super) fn open(options: &Options, world: &dyn World) -> Option<String> {
    let open = options.open(world);
    if open.is_empty() {
        return None;
    }
    let mut hasher = Sha256::new();
    for option in &open {
        part(&mut hasher, option.option.as_bytes());
        if option.sensitive {
            part(&mut hasher, b"sensitive");
            continue;
        }
        part(&mut hasher, &option.trace.shape);
    }
    Some(hex(&hasher.finalize()))
}

fn part(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

fn value(hasher: &mut Sha256, given: &Value) {
    if given.is_sensitive() {
        part(hasher, b"sensitive");
        return;
    }
    match given.data() {
        Data::Unknown(ty) => {
            part(hasher, b"unknown");
            part(hasher, ty.to_string().as_bytes());
        }
        Data::Null(_) => part(hasher, b"null"),
        Data::Bool(flag) => part(hasher, if *flag { b"true" } else { b"false" }),
        Data::Number(number) => {
            part(hasher, b"number");
            part(hasher, number.to_string().as_bytes());
        }
        Data::String(text) => {
            part(hasher, b"string");
            part(hasher, text.as_bytes());
        }
        Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
            part(hasher, b"sequence");
            hasher.update((elements.len() as u64).to_be_bytes());
            for element in elements.iter() {
                value(hasher, element);
            }
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            part(hasher, b"mapping");
            hasher.update((entries.len() as u64).to_be_bytes());
            for (name, entry) in entries.iter() {
                part(hasher, name.as_bytes());
                value(hasher, entry);
            }
        }
    }
}
