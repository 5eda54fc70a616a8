//! Which keys are blocks, and how many labels they have: by the language at the top and in builds, by the catalogue
//! inside components.

use crate::components::ComponentKind;
use crate::schema::{self, BodySchema};

/// What a body is the inside of.
#[derive(Clone, Debug)]
pub(super) enum Inside {
    /// A file.
    Top,
    /// A block that has nothing but attributes.
    Attributes,
    /// `packer`.
    Packer,
    /// `variable`.
    Variable,
    /// `build`.
    Build,
    /// `post-processors`.
    Chain,
    /// `provisioners` at the top.
    Group,
    /// A source at the top.
    Source(Option<&'static BodySchema>),
    /// Another component, or a block in one.
    Options(Option<&'static BodySchema>),
    /// `dynamic`, with what its `content` is the inside of.
    Dynamic(Box<Inside>),
}

/// What the labels of a block are; in TOML the keys that may give them.
pub(super) type Labels = &'static [&'static str];

impl Inside {
    /// The labels of the block `key`; `None` if it is an attribute.
    pub(super) fn block(&self, key: &str) -> Option<Labels> {
        const NONE: Labels = &[];
        const TYPE: Labels = &["type"];
        const NAME: Labels = &["name"];
        let labels = match (self, key) {
            (Self::Top, "packer" | "variables" | "locals" | "build" | "hcp_packer_registry") => {
                NONE
            }
            (Self::Top, "variable" | "local" | "output" | "module" | "provisioners") => NAME,
            (Self::Top, "source" | "data") => &["type", "name"],
            (Self::Packer, "required_plugins") => NONE,
            (Self::Variable, "validation") => NONE,
            (Self::Build, "post-processors" | "hcp_packer_registry") => NONE,
            (Self::Build, "source") => &["source"],
            (Self::Build | Self::Group, "provisioners") => NAME,
            (Self::Build | Self::Group, "provisioner")
            | (Self::Build, "error-cleanup-provisioner")
            | (Self::Build | Self::Chain, "post-processor") => TYPE,
            (Self::Dynamic(_), "content") => NONE,
            (
                Self::Build | Self::Group | Self::Chain | Self::Source(_) | Self::Options(_),
                "dynamic",
            ) => &["block"],
            (Self::Source(schema) | Self::Options(schema), _)
                if schema.is_some_and(|schema| schema.blocks.contains_key(key)) =>
            {
                NONE
            }
            _ => return None,
        };
        Some(labels)
    }

    /// What is inside of the block `kind` with these labels.
    pub(super) fn inside(&self, kind: &str, labels: &[&str]) -> Self {
        let first = labels.first().copied().unwrap_or_default();
        let options = |kind| schema::component(kind, first).map(|component| &component.body);
        match (self, kind) {
            (Self::Top, "packer") => Self::Packer,
            (Self::Top, "variable") => Self::Variable,
            (Self::Top, "build") => Self::Build,
            (Self::Top, "provisioners") => Self::Group,
            (Self::Top, "source") => Self::Source(options(ComponentKind::Builder)),
            (Self::Top, "data") => Self::Options(options(ComponentKind::DataSource)),
            (Self::Build, "source") => {
                let reference = first.strip_prefix("source.").unwrap_or(first);
                let ty = reference.split('.').next().unwrap_or_default();
                let builder = schema::component(ComponentKind::Builder, ty);
                Self::Options(builder.map(|component| &component.body))
            }
            (Self::Build | Self::Group, "provisioner" | "error-cleanup-provisioner") => {
                Self::Options(options(ComponentKind::Provisioner))
            }
            (Self::Build | Self::Chain, "post-processor") => {
                Self::Options(options(ComponentKind::PostProcessor))
            }
            (Self::Build, "post-processors") => Self::Chain,
            (Self::Dynamic(content), "content") => Self::clone(content),
            (Self::Source(schema) | Self::Options(schema), _) => Self::Options(
                schema
                    .and_then(|schema| schema.blocks.get(kind))
                    .map(|block| &block.body),
            ),
            _ => Self::Attributes,
        }
    }

    /// Whether the value of `key` is an expression in quotes rather than a template: a type, a reference, a name.
    pub(super) fn is_expression(&self, key: &str) -> bool {
        matches!(
            (self, key),
            (Self::Variable, "type")
                | (Self::Source(_), "extends")
                | (Self::Dynamic(_), "iterator")
        )
    }

    /// Whether an object under a key that is no block was meant as one.
    pub(super) fn means_block(&self, key: &str) -> bool {
        const VALUES: [&str; 7] = [
            "count",
            "description",
            "enabled",
            "for_each",
            "name",
            "sources",
            "timeout",
        ];
        match self {
            Self::Top | Self::Packer => true,
            Self::Build | Self::Chain | Self::Group => !VALUES.contains(&key),
            _ => false,
        }
    }
}
