//! The template's outputs, when all builds have ended.

use imgc_compiler::plan::{Output, RunValues};

use super::ends::Progress;
use super::{Failure, Run};
use crate::error::{Class, Error};
use crate::event::{Event, Redact as _};

/// An output with its value, ready to be shown and kept: nothing secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputValue {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its type, as the language writes it.
    pub ty: String,
    /// Its value as JSON; `None` where it is sensitive.
    pub value: Option<serde_json::Value>,
}

impl Run {
    /// The outputs whose builds have all ended well, and what went wrong with others.
    pub(super) fn outputs(&self) -> (Vec<OutputValue>, Vec<Failure>) {
        let (mut outputs, mut failures) = (Vec::new(), Vec::new());
        let ended_well = |output: &&Output| {
            let mut uses = output.uses.iter();
            output.complete
                && uses.all(|build| matches!(self.ends.of(*build), Progress::Ended(None)))
        };
        for output in self.plan.outputs.iter().filter(ended_well) {
            match self.output(output) {
                Ok(value) => {
                    self.emit(Event::Output {
                        name: value.name.clone(),
                        sensitive: value.value.is_none(),
                        value: value.value.clone(),
                    });
                    outputs.push(value);
                }
                Err(failure) => failures.push(failure),
            }
        }
        (outputs, failures)
    }

    fn output(&self, output: &Output) -> Result<OutputValue, Failure> {
        let address = format!("output.{}", output.name);
        let values = RunValues {
            artifacts: self.ends.artifacts(),
            ..RunValues::default()
        };
        let resolved = output.value.resolve_with_secrets(&values, &*self.world);
        let resolved = resolved.map_err(|diagnostics| {
            let messages: Vec<&str> = diagnostics
                .iter()
                .map(|diagnostic| diagnostic.message.as_str())
                .collect();
            let error = Error::new(Class::Template, "run/options", messages.join("; "));
            Failure::of(&error, &address, &*self.redact).at(diagnostics, &*self.redact)
        })?;
        for value in resolved.secrets.iter().chain([&resolved.value]) {
            for secret in crate::options::secrets(value) {
                self.redact.add(&secret);
            }
        }
        let value = resolved.value;
        let shown = match value.contains_sensitive() {
            true => None,
            false => {
                let json = value.to_json().map_err(|_| {
                    let error = Error::new(
                        Class::Template,
                        "run/options",
                        "the value of this output is not known when the run has ended",
                    )
                    .help("use values that builds and data sources give");
                    Failure::of(&error, &address, &*self.redact)
                })?;
                Some(self.masked(json))
            }
        };
        Ok(OutputValue {
            name: output.name.to_string(),
            description: output.description.clone(),
            ty: value.ty().to_string(),
            value: shown,
        })
    }

    /// The value with the secrets masked that reached it unmarked.
    fn masked(&self, json: serde_json::Value) -> serde_json::Value {
        use serde_json::Value as Json;
        match json {
            Json::String(text) => Json::String(self.redact.redact(&text)),
            Json::Array(parts) => parts.into_iter().map(|part| self.masked(part)).collect(),
            Json::Object(members) => members
                .into_iter()
                .map(|(name, part)| (self.redact.redact(&name), self.masked(part)))
                .collect(),
            other => other,
        }
    }
}
