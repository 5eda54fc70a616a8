//! A component's options: what is known now, and the rest at run time.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::diagnostic::Diagnostic;
use crate::eval::Secrets;
use crate::eval::trace::Trace;
use crate::source::World;
use crate::value::Value;

/// The options of one component, converted to the types of its schema.
#[derive(Clone)]
pub struct Options {
    value: Value,
    deferred: Option<Arc<dyn Deferred>>,
}

/// Evaluates options again when the values of the running build are known.
pub trait Deferred: Send + Sync {
    /// The options with the values of the run given; problems name the template's text.
    fn resolve(&self, values: &RunValues, world: &dyn World) -> Result<Resolved, Vec<Diagnostic>>;

    /// What the options are made of that are unknown in `value`, which is what the plan knows of them.
    fn open(&self, value: &Value, world: &dyn World) -> Vec<Open> {
        let _ = world;
        let entries = value.as_map().into_iter().flatten();
        let unknown = entries.filter(|(_, value)| !value.is_wholly_known());
        unknown.map(|(name, _)| Open::unexplained(name)).collect()
    }
}

/// What came of evaluating options again.
#[derive(Clone)]
pub struct Resolved {
    /// The options.
    pub value: Value,
    /// Secrets that calls gave on the way, marked: what hides secrets must know them, since in the options they may be in the
    /// middle of other texts.
    pub secrets: Vec<Value>,
}

impl Resolved {
    pub(super) fn new(value: Value, secrets: Secrets) -> Self {
        let secrets = secrets.into_values();
        Self { value, secrets }
    }
}

/// An option that run time has a say in.
#[derive(Debug)]
pub struct Open {
    /// Its name.
    pub(crate) option: SmolStr,
    /// Its expressions, as they are written.
    pub(crate) text: String,
    /// Whether its value is a secret.
    pub(crate) sensitive: bool,
    /// What these are made of.
    pub(crate) trace: Trace,
}

impl Open {
    /// One of which nothing is known.
    fn unexplained(option: &str) -> Self {
        Self {
            option: option.into(),
            text: String::new(),
            sensitive: false,
            trace: Trace {
                unasked: vec![SmolStr::new_static("")],
                ..Trace::default()
            },
        }
    }

    /// Adds the text of an expression.
    pub(super) fn add(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
    }
}

/// What is known only while builds run.
#[derive(Clone, Debug, Default)]
pub struct RunValues {
    /// The running build's `build` object: `name`, `ID`, `Host`, `PackerRunUUID` and the like.
    pub build: BTreeMap<SmolStr, Value>,
    /// The artifacts of builds that have ended well, by the build's address: objects of `builder_id`, `id`, `files`.
    pub artifacts: BTreeMap<String, Value>,
}

impl Options {
    /// Options all known now: an object.
    pub fn known(value: Value) -> Self {
        Self {
            value,
            deferred: None,
        }
    }

    /// Options of which a part is unknown until run time.
    pub fn deferred(value: Value, deferred: Arc<dyn Deferred>) -> Self {
        Self {
            value,
            deferred: Some(deferred),
        }
    }

    /// The object as known at plan time; unknown where run time decides.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Whether run time has a say.
    pub fn is_deferred(&self) -> bool {
        self.deferred.is_some()
    }

    /// What the options are made of that are not known in the plan.
    pub(crate) fn open(&self, world: &dyn World) -> Vec<Open> {
        match &self.deferred {
            None => Vec::new(),
            Some(deferred) => deferred.open(&self.value, world),
        }
    }

    /// The object with everything known.
    pub fn resolve(&self, values: &RunValues, world: &dyn World) -> Result<Value, Vec<Diagnostic>> {
        Ok(self.resolve_with_secrets(values, world)?.value)
    }

    /// As [`resolve`](Self::resolve), with the secrets that are new by that: those of what is known in a plan are in
    /// [`Plan::secrets`](super::Plan::secrets).
    pub fn resolve_with_secrets(
        &self,
        values: &RunValues,
        world: &dyn World,
    ) -> Result<Resolved, Vec<Diagnostic>> {
        match &self.deferred {
            None => Ok(Resolved::new(self.value.clone(), Secrets::default())),
            Some(deferred) => deferred.resolve(values, world),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::known(Value::from_data(crate::value::Data::Object(Arc::default())))
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values themselves may be secret.
        f.debug_struct("Options")
            .field("deferred", &self.is_deferred())
            .finish_non_exhaustive()
    }
}
