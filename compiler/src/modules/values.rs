//! The name `module`: the outputs of modules.

use std::collections::{BTreeMap, BTreeSet};

use imgc_syntax::Span;
use indexmap::IndexMap;
use smol_str::SmolStr;

use crate::artifacts::Others;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::eval::{Namespace, PathStep};
use crate::hir::Name;
use crate::late::LateId;
use crate::module::quoted_list;
use crate::plan::Key;
use crate::types::Type;
use crate::value::Value;

/// `module`: what modules give, by the name of the block.
#[derive(Clone, Debug, Default)]
pub struct Modules(pub IndexMap<SmolStr, ModuleValues>);

/// What the uses of one module give.
#[derive(Clone, Debug)]
pub enum ModuleValues {
    /// It could not be used; the reason is reported.
    Broken,
    /// It is used once, or not enabled: then its outputs are null.
    One(ModuleOutputs),
    /// It is repeated.
    Many {
        /// Those that are used.
        instances: Vec<(Key, ModuleOutputs)>,
        /// The keys of those that are not enabled.
        off: Vec<Key>,
    },
}

/// The outputs of one use of a module.
#[derive(Clone, Debug, Default)]
pub struct ModuleOutputs {
    /// Their values, by name.
    pub values: IndexMap<SmolStr, Value>,
    /// Those that wait for artifacts.
    pub(crate) late: BTreeMap<SmolStr, LateId>,
}

impl Modules {
    /// Adds the late values that the words after `module` mean, or may mean.
    pub(crate) fn add_lates(&self, path: &[Name], lates: &mut BTreeSet<LateId>) {
        let named = self
            .0
            .iter()
            .filter(|(name, _)| path.first().is_none_or(|first| first.text == **name));
        for (_, values) in named {
            let all: Vec<&ModuleOutputs> = match values {
                ModuleValues::Broken => Vec::new(),
                ModuleValues::One(outputs) => vec![outputs],
                ModuleValues::Many { instances, .. } => {
                    instances.iter().map(|(_, outputs)| outputs).collect()
                }
            };
            let wanted = path.last().filter(|_| path.len() > 1);
            for outputs in all {
                match wanted.and_then(|name| outputs.late.get(&name.text)) {
                    Some(id) => {
                        lates.insert(*id);
                    }
                    None => lates.extend(outputs.late.values()),
                }
            }
        }
    }
}

/// `module` as expressions see it.
#[derive(Clone, Copy)]
pub(crate) struct ModulesView<'a> {
    pub(crate) modules: &'a Modules,
    pub(crate) others: Option<Others<'a>>,
}

impl ModulesView<'_> {
    fn output(&self, outputs: &ModuleOutputs, name: &SmolStr) -> Option<Value> {
        let value = outputs.values.get(name)?.clone();
        Some(match (outputs.late.get(name), self.others) {
            (Some(id), Some(others)) => others.late(*id, value),
            _ => value,
        })
    }

    fn object(&self, outputs: &ModuleOutputs) -> Value {
        Value::object(
            outputs
                .values
                .keys()
                .filter_map(|name| Some((name.clone(), self.output(outputs, name)?))),
        )
    }

    fn instances(&self, instances: &[(Key, ModuleOutputs)]) -> Value {
        let counted = instances
            .iter()
            .all(|(key, _)| matches!(key, Key::Index(_)));
        let values = instances
            .iter()
            .map(|(key, outputs)| (key, self.object(outputs)));
        if counted {
            return Value::tuple(values.map(|(_, value)| value).collect::<Vec<_>>());
        }
        Value::object(values.map(|(key, value)| match key {
            Key::Text(text) => (text.clone(), value),
            Key::Index(at) => (SmolStr::from(at.to_string()), value),
        }))
    }

    fn unknown_module(&self, step: &PathStep) -> Diagnostic {
        let name = step.key.as_str().unwrap_or_default();
        let diagnostic = Diagnostic::error(
            "check/unknown-module",
            step.span,
            format!("there is no module `{name}`"),
        );
        let names = self.modules.0.keys().map(SmolStr::as_str);
        match nearest(name, names) {
            Some(near) => with_fix(
                diagnostic.help(format!("there is one with a similar name: `{near}`")),
                step,
                near,
            ),
            None => diagnostic.help(format!(
                "declare it with `module \"{name}\" {{ source = … }}`"
            )),
        }
    }
}

impl Namespace for ModulesView<'_> {
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>> {
        let step = PathStep {
            key: Value::string(member),
            span,
        };
        self.walk(&[step]).1
    }

    fn all(&self) -> Value {
        Value::object(self.modules.0.iter().map(|(name, values)| match values {
            ModuleValues::Broken => (name.clone(), Value::error()),
            ModuleValues::One(outputs) => (name.clone(), self.object(outputs)),
            ModuleValues::Many { instances, .. } => (name.clone(), self.instances(instances)),
        }))
    }

    fn is_deep(&self) -> bool {
        true
    }

    fn walk(&self, path: &[PathStep]) -> (usize, Result<Value, Box<Diagnostic>>) {
        let error = (path.len(), Ok(Value::error()));
        let Some(first) = path.first() else {
            return (0, Ok(self.all()));
        };
        let Some(name) = first.key.as_str() else {
            return error;
        };
        let Some(values) = self.modules.0.get(name) else {
            return (path.len(), Err(Box::new(self.unknown_module(first))));
        };
        let mut shown = format!("module.{name}");
        let (taken, outputs) = match values {
            ModuleValues::Broken => return error,
            ModuleValues::One(outputs) => (1, outputs),
            ModuleValues::Many { instances, .. } => {
                let Some(step) = path.get(1) else {
                    return (1, Ok(self.instances(instances)));
                };
                if step.key.is_error() {
                    return error;
                }
                let is = |key: &Key| match (key, step.key.as_str(), step.key.as_number()) {
                    (Key::Text(text), Some(wanted), _) => text == wanted,
                    (Key::Index(at), _, Some(wanted)) => wanted.to_usize() == Some(*at),
                    _ => false,
                };
                match instances.iter().find(|(key, _)| is(key)) {
                    Some((key, outputs)) => {
                        shown.push_str(&key.to_string());
                        (2, outputs)
                    }
                    None if !step.key.is_known() => {
                        return (path.len(), Ok(Value::unknown(Type::Any)));
                    }
                    None => {
                        let diagnostic = no_instance(&shown, step, instances);
                        return (path.len(), Err(Box::new(diagnostic)));
                    }
                }
            }
        };
        let Some(step) = path.get(taken) else {
            return (taken, Ok(self.object(outputs)));
        };
        let found = step
            .key
            .as_str()
            .and_then(|name| self.output(outputs, &SmolStr::from(name)));
        match found {
            Some(value) => (taken + 1, Ok(value)),
            None if step.key.is_error() => error,
            None if !step.key.is_known() => (path.len(), Ok(Value::unknown(Type::Any))),
            None => (
                path.len(),
                Err(Box::new(unknown_output(&shown, step, outputs))),
            ),
        }
    }
}

fn no_instance(shown: &str, step: &PathStep, instances: &[(Key, ModuleOutputs)]) -> Diagnostic {
    let key = match step.key.as_str() {
        Some(text) => Key::Text(text.into()).to_string(),
        None => format!("[{}]", step.key.display()),
    };
    let keys: Vec<String> = instances
        .iter()
        .take(8)
        .map(|(key, _)| format!("{shown}{key}"))
        .collect();
    Diagnostic::error(
        "check/unknown-module",
        step.span,
        format!("`{shown}` has no instance `{key}`"),
    )
    .help(match &keys[..] {
        [] => "it is repeated for nothing".to_owned(),
        keys => format!("it has {}", quoted_list(keys.iter().map(String::as_str))),
    })
}

fn unknown_output(shown: &str, step: &PathStep, outputs: &ModuleOutputs) -> Diagnostic {
    let name = step
        .key
        .as_str()
        .map_or_else(|| step.key.display(), str::to_owned);
    let diagnostic = Diagnostic::error(
        "check/unknown-output",
        step.span,
        format!("`{shown}` has no output `{name}`"),
    );
    let names = || outputs.values.keys().map(SmolStr::as_str);
    match nearest(&name, names()) {
        Some(near) => with_fix(
            diagnostic.help(format!("there is one with a similar name: `{near}`")),
            step,
            near,
        ),
        None if outputs.values.is_empty() => diagnostic.help(format!(
            "declare it there: `output \"{name}\" {{ value = … }}`"
        )),
        None => diagnostic.help(format!("it has {}", quoted_list(names()))),
    }
}

/// Adds the correction of a step that is a plain word.
fn with_fix(diagnostic: Diagnostic, step: &PathStep, near: &str) -> Diagnostic {
    let text = step.key.as_str().unwrap_or_default();
    if (step.span.end - step.span.start) as usize != text.len() {
        return diagnostic;
    }
    diagnostic.guess(
        format!("change `{text}` to `{near}`"),
        Edit::replace(step.span, near),
    )
}
