//! Texts that speak of the image a build starts from: `{{ .SourceAMIName }}`, `{{ .SourceAMITags.Release }}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_compiler::value::{Data, Value};
use imgc_runtime::context::Context;
use imgc_runtime::error::Result;
use imgc_runtime::template::{self, Surroundings};

use crate::builders::family::Facts;
use crate::tags::Tags;

/// Renders the texts that may speak of the source image.
pub(crate) struct Render<'a> {
    fields: Vec<(&'a str, &'a str)>,
    facts: &'a Facts,
    surroundings: Surroundings,
}

impl<'a> Render<'a> {
    pub(crate) fn new(cx: &Context, facts: &'a Facts) -> Self {
        let fields = facts.texts.iter();
        Self {
            fields: fields
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            facts,
            surroundings: Surroundings::from(cx),
        }
    }

    /// The same with further names.
    pub(crate) fn with(mut self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.fields.extend(fields);
        self
    }

    pub(crate) fn text(&self, text: &str, option: &str) -> Result<String> {
        template::render_with(
            text,
            &self.fields,
            &[("SourceAMITags", &self.facts.source_tags)],
            &self.surroundings,
            option,
        )
    }

    pub(crate) fn tags(&self, tags: &Tags, option: &str) -> Result<Tags> {
        let tags = tags.iter();
        tags.map(|(key, value)| Ok((self.text(key, option)?, self.text(value, option)?)))
            .collect()
    }

    /// Every text in a value. Marks stay.
    pub(crate) fn value(&self, value: &Value, option: &str) -> Result<Value> {
        let list = |parts: &[Value]| -> Result<Arc<[Value]>> {
            parts.iter().map(|part| self.value(part, option)).collect()
        };
        let data = match value.data() {
            Data::String(text) => Data::String(self.text(text, option)?.into()),
            Data::List(kind, parts) => Data::List(kind.clone(), list(parts)?),
            Data::Set(kind, parts) => Data::Set(kind.clone(), list(parts)?),
            Data::Tuple(parts) => Data::Tuple(list(parts)?),
            Data::Map(kind, parts) => Data::Map(kind.clone(), self.parts(parts, option)?),
            Data::Object(parts) => Data::Object(self.parts(parts, option)?),
            other => other.clone(),
        };
        Ok(Value::from_data(data).mark_like(value))
    }

    fn parts<K: Clone + Ord>(
        &self,
        parts: &BTreeMap<K, Value>,
        option: &str,
    ) -> Result<Arc<BTreeMap<K, Value>>> {
        let parts = parts
            .iter()
            .map(|(key, part)| Ok((key.clone(), self.value(part, option)?)));
        parts.collect::<Result<BTreeMap<_, _>>>().map(Arc::new)
    }
}
