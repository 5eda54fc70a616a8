//! What is mounted for a build: the volume, and what belongs into a chroot.
//!
//! In: the device, and the template's options. Out: where it is mounted. The record that leads back stands in the ledger before the
//! first mount, and goes with the last.

use std::sync::Mutex;
use std::sync::PoisonError;

use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::Resource;
use imgc_runtime::mounts::{Busy, quoted, removal};

use super::device::Node;
use super::shell::{Input, Prints, Shell};
use crate::builders::family::Facts;
use crate::builders::render::Render;
use crate::options::Mounting;

/// What is mounted.
pub(super) struct Mounted {
    /// Where, absolute.
    pub(super) place: String,
    /// In the ledger, until it has gone.
    record: Mutex<Option<u64>>,
}

/// Mounts a partition of a device, and what belongs into a chroot; runs the template's commands before and after.
pub(super) async fn mount(
    cx: &Context,
    shell: &Shell,
    facts: &Facts,
    mounting: &Mounting,
    node: &Node,
    partition: &str,
) -> Result<Mounted> {
    let device = node.whole.as_str();
    let place = place(cx, facts, mounting, device)?;
    let before = Render::new(cx, facts).with([("Device", device)]);
    commands(cx, shell, &before, &mounting.before, "pre_mount_commands").await?;

    let directory = quoted(&place);
    let intent = Resource::Mounts {
        path: place.clone().into(),
        command: take_away(shell, &place, Busy::Vanishes)?,
    };
    let line = format!("mkdir -p {directory}");
    let make = shell.must(&line, "make the mount path");
    let (record, _) = cx.ledger.create(&cx.address, intent, make).await?;
    let mounted = Mounted {
        place,
        record: Mutex::new(Some(record)),
    };
    let place = &mounted.place;
    let options = mounting.options.iter();
    let options: String = options.map(|option| format!("-o {option} ")).collect();
    let part = node.partition(partition);
    cx.output.say(format!("mounting {part} at {place}"));
    let line = format!("mount {options}{} {directory}", quoted(&part));
    shell.must(&line, "mount the volume").await?;

    let fields = [("Device", device), ("MountPath", place.as_str())];
    let after = Render::new(cx, facts).with(fields);
    commands(cx, shell, &after, &mounting.after, "post_mount_commands").await?;
    for [kind, what, inner] in &mounting.mounts {
        let inner = quoted(&format!("{place}{inner}"));
        let flag = match kind.as_str() {
            "bind" => "--bind".to_owned(),
            kind => format!("-t {}", quoted(kind)),
        };
        let line = format!("mkdir -p {inner} && mount {flag} {} {inner}", quoted(what));
        let line = format!("/bin/sh -c {}", quoted(&line));
        let attempt = "mount what belongs into the chroot (`chroot_mounts`)";
        shell.must(&line, attempt).await?;
    }
    for file in &mounting.copies {
        let to = quoted(&format!("{place}{file}"));
        let line = format!("cp -L --remove-destination {} {to}", quoted(file));
        let attempt = "copy a file into the chroot (`copy_files`)";
        shell.must(&line, attempt).await?;
    }
    Ok(mounted)
}

/// Where the volume goes.
fn place(cx: &Context, facts: &Facts, mounting: &Mounting, device: &str) -> Result<String> {
    let wrong = |message: String| Error::new(Class::Template, "run/aws-option", message);
    let short = device.rsplit('/').next().unwrap_or_default();
    let render = Render::new(cx, facts).with([("Device", short)]);
    let given = render.text(&mounting.path, "mount_path")?;
    let place = cx.world.working_directory().join(&given);
    let place = std::path::absolute(&place)
        .map_err(|error| wrong(format!("`mount_path` is `{given}`")).because(error))?;
    if place.parent().is_none() {
        return Err(wrong("`mount_path` is the root of this machine".to_owned())
            .help("leave it out, or give a directory that is used for nothing else"));
    }
    let place = place.to_str().map(str::to_owned);
    place.ok_or_else(|| wrong(format!("`mount_path` is no text: `{given}`")))
}

/// Commands of the template, whose output is shown.
async fn commands(
    cx: &Context,
    shell: &Shell,
    render: &Render<'_>,
    commands: &[String],
    option: &str,
) -> Result<()> {
    for command in commands {
        let command = render.text(command, option)?;
        cx.output.detail(format!("running: {command}"));
        let line = shell.wrapped(&command)?;
        let ended = shell.run(&line, Input::None, Prints::Shown(&cx.output));
        let code = ended.await?.code;
        if code != 0 {
            return Err(Error::new(
                Class::Template,
                "run/aws-chroot",
                format!("a command of `{option}` ended with {code}: {command}"),
            ));
        }
    }
    Ok(())
}

/// The command that takes mounts away, as the template's wrapper has it.
fn take_away(shell: &Shell, place: &str, busy: Busy) -> Result<String> {
    let script = removal(place, busy);
    shell.wrapped(&format!("/bin/sh -c {}", quoted(&script)))
}

impl Mounted {
    /// Ends what runs in the chroot, unmounts everything, and removes the directory; not again when that is done.
    pub(super) async fn take_away(&self, cx: &Context, shell: &Shell, busy: Busy) -> Result<()> {
        let record = *self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = record else {
            return Ok(());
        };
        let line = take_away(shell, &self.place, busy)?;
        let ended = shell.run(&line, Input::None, Prints::Kept).await?;
        if ended.code != 0 {
            return Err(Error::new(
                Class::Environment,
                "run/aws-chroot",
                format!("the volume cannot be unmounted: {}", ended.complaint),
            )
            .help(format!(
                "something outside of the chroot still uses it: `fuser -vm {}` says what",
                quoted(&self.place)
            )));
        }
        *self.record.lock().unwrap_or_else(PoisonError::into_inner) = None;
        cx.ledger.forget(record);
        Ok(())
    }
}
