//! Steps whose effect lies outside of what the build makes: on this disk, on a machine that nobody makes anew, at a service.
//!
//! That one has been done before says nothing if something else was done there since. In: what is remembered of the step,
//! whatever run it was. Out: why it does not stand any more.

use std::io;
use std::path::{Path, PathBuf};

use imgc_compiler::plan::{Step, StepId, StepKind};
use imgc_compiler::value::Value;

use super::changes::{gone, why};
use super::{Looking, Lost, Why, is_done, resume};
use crate::checkpoint::Capability;
use crate::error::Result;
use crate::fingerprint::{Fingerprint, is_here};
use crate::identity::Fate;
use crate::state::StepStatus;

impl Looking<'_> {
    /// Whether what a step does is more than what the build's artifact, or a layer, has of it.
    fn reaches_out(&self, step: &Step) -> bool {
        match step.kind {
            StepKind::PostProcess { .. } => true,
            // Its machine is the one that is there.
            StepKind::Provision { .. } => self.capability == Capability::Machine || is_here(step),
            _ => false,
        }
    }

    /// Why what a step has done outside does not stand any more; `None` where it does, and for steps that do nothing there. A
    /// step that goes by another name now is not known here.
    pub(super) async fn fallen(&self, id: StepId, own: &Fingerprint) -> Result<Option<Why>> {
        let step = self.plan.step(id);
        if !self.reaches_out(step) {
            return Ok(None);
        }
        let last = self.state.last(&step.address, self.home.as_deref()).await?;
        if let Some(last) = &last
            && last.fingerprint.as_deref() == Some(&own.digest)
            && !(is_done(last.status) || last.status == StepStatus::Ignored)
        {
            let run = resume::short(&last.run);
            let text = format!("it has not ended well in run {run}");
            return Ok(Some(why(&step.address, &text)));
        }
        for path in leaves(step) {
            let shown = path.display().to_string();
            let looked = crate::files::blocking(move || Ok(path.symlink_metadata())).await?;
            if looked.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                let lost = Lost {
                    what: shown,
                    fate: Fate::Gone,
                    thing: None,
                };
                return Ok(Some(gone(&step.address, &lost)));
            }
        }
        let other = last.filter(|last| last.fingerprint.as_deref() != Some(&own.digest));
        Ok(other.map(|last| {
            let run = resume::short(&last.run);
            let text = format!("run {run} has done something else there since");
            why(&step.address, &text)
        }))
    }
}

/// The files that a step leaves on this disk and that no artifact lists; those whose names only the run knows are left out.
fn leaves(step: &Step) -> Vec<PathBuf> {
    let options = step.options.value();
    let text = |name: &str| {
        let text = options.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty() && !text.contains("{{"))
    };
    match &step.kind {
        StepKind::Provision { provisioner, .. } if provisioner == "file" && is_here(step) => {
            let Some(destination) = text("destination") else {
                return Vec::new();
            };
            let place = PathBuf::from(destination);
            let into = destination.ends_with('/') || place.is_dir();
            let name = text("source").map(Path::new).and_then(Path::file_name);
            match name.filter(|_| into) {
                Some(name) => vec![place.join(name)],
                None => vec![place],
            }
        }
        StepKind::PostProcess { post_processor, .. } if post_processor == "manifest" => {
            let given = options.get("output").filter(|value| !value.is_null());
            match (given, text("output")) {
                (None, _) => vec![PathBuf::from("packer-manifest.json")],
                (Some(_), output) => output.map(PathBuf::from).into_iter().collect(),
            }
        }
        _ => Vec::new(),
    }
}
