//! A source as one build uses it, and what that build consists of.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::component::ConfiguredSource;
use super::instances::SourceLayer;
use super::names::{InstanceName, Key};
use super::pieces::Part;
use super::repeat::Elements;
use super::select::names_source;
use super::unit::Unit;
use crate::artifacts::{BuildIndex, Segment};
use crate::module;
use crate::value::Value;

/// A source as one build uses it.
pub(super) struct Instance<'a> {
    /// The unit of the build block.
    pub(super) unit: &'a Unit<'a>,
    /// The unit that declares the source.
    pub(super) home: &'a Unit<'a>,
    pub(super) source: &'a module::Source,
    /// Which of the source's instances.
    pub(super) at: usize,
    /// What it extends, itself, what the build adds.
    pub(super) layers: Vec<SourceLayer<'a>>,
    /// Whether all layers were found.
    pub(super) whole: bool,
    /// Whether a `source` block of the build adds to it.
    pub(super) is_nested: bool,
    /// `source.key`.
    pub(super) key: Option<Value>,
    /// The name it goes by in this build.
    pub(super) name: SmolStr,
    /// The build block's name.
    pub(super) block: String,
    /// What the build block is repeated over.
    pub(super) elements: Elements,
    /// All keys in the order of the name: the block's, the source's, the nested source's.
    pub(super) keys: Vec<Key>,
    /// `null.base["a"]`; the builds of a legacy template are called by their names alone.
    pub(super) short: InstanceName,
    /// `web["eu"].null.base["a"]`, or `null.base["a"]` where the block has no name.
    pub(super) local: InstanceName,
    /// The same with the unit's prefix.
    pub(super) full: InstanceName,
    /// Where the build refers to it.
    pub(super) span: Span,
}

/// What one build consists of, evaluated.
pub(super) struct Parts {
    pub(super) source: ConfiguredSource,
    pub(super) provisioners: Vec<Part>,
    /// Those that have something in them.
    pub(super) chains: Vec<Vec<Part>>,
    pub(super) cleanup: Vec<Part>,
}

impl Parts {
    /// The builds whose artifacts any part uses, with the places.
    pub(super) fn uses(&self) -> impl Iterator<Item = (BuildIndex, Span)> {
        let parts = self.provisioners.iter().chain(&self.cleanup);
        let parts = parts.chain(self.chains.iter().flatten());
        let of_parts = parts.flat_map(|part| &part.made.uses);
        let all = self.source.uses.iter().chain(of_parts);
        all.map(|(build, place)| (*build, *place))
    }
}

impl Instance<'_> {
    /// `build.web.null.base`; `build[0].null.base` where a repeated block has no name.
    pub(super) fn address(&self) -> String {
        let (prefix, local) = (&self.unit.prefix, self.local.text());
        let dot = if local.starts_with('[') { "" } else { "." };
        format!("{prefix}build{dot}{local}")
    }

    /// The parts of its name; `key` is that of the build block.
    pub(super) fn segments(&self, key: Option<&Key>) -> Vec<Segment> {
        let mut segments = Vec::with_capacity(4);
        if !self.block.is_empty() {
            segments.push(Segment::Name(self.block.as_str().into()));
        }
        let (own, others) = self.keys.split_at(usize::from(key.is_some()));
        segments.extend(own.iter().cloned().map(Segment::Key));
        if !self.source.body.weak {
            segments.push(Segment::Name(self.source.ty.text.clone()));
        }
        segments.push(Segment::Name(self.name.clone()));
        segments.extend(others.iter().cloned().map(Segment::Key));
        segments
    }

    /// Whether a name in `only`, `except` or `override` means it.
    pub(super) fn is_named(&self, text: &str) -> bool {
        names_source(text, &[&self.short, &self.local, &self.full])
    }

    /// Whether a text is its name alone, with or without keys.
    pub(super) fn is_called(&self, text: &str) -> bool {
        let (words, keys) = super::names::trailing_keys(text);
        *words == self.name && (keys.is_empty() || self.short.text().ends_with(&format!(".{text}")))
    }
}
