//! What may stand in which body: the language's own blocks are the tables here, components come from the catalogue.
//!
//! In: the chain of blocks around a place. Out: the options and blocks that fit there, each with what is known of it. The
//! same for all languages; completion, hover, links and actions ask here.

mod tables;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::schema::{self, BlockSchema, BodySchema, Component, Required};

pub(crate) use tables::{Core, CoreBlock, CoreOption, TYPES};

/// The top of a template from before HCL.
pub(crate) fn legacy_top() -> Inside {
    Inside::Core(&tables::LEGACY)
}

/// What a body is the inside of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inside {
    /// A block of the language.
    Core(&'static Core),
    /// A component: with the options every one of its kind has.
    Component(ComponentKind, &'static Component),
    /// A block among the options of a component.
    Options(&'static BodySchema),
    /// A file that gives values to variables.
    Values,
    /// Nothing is known of it.
    Unknown,
}

/// An option of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) from: From,
}

/// Where the facts about an option come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    Core(&'static CoreOption),
    Schema(&'static schema::Attribute),
}

/// A block of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blk {
    pub(crate) kind: &'static str,
    pub(crate) from: BlkFrom,
}

/// Where the facts about a block come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BlkFrom {
    Core(&'static CoreBlock),
    Schema(&'static BlockSchema),
}

impl Opt {
    /// Its type as people write it.
    pub(crate) fn ty(&self) -> String {
        match self.from {
            From::Core(option) => option.ty.to_owned(),
            From::Schema(attribute) => attribute.ty.to_string(),
        }
    }

    pub(crate) fn required(&self) -> bool {
        match self.from {
            From::Core(option) => option.required,
            From::Schema(attribute) => is_required(attribute.required),
        }
    }

    /// What it is for; empty where nobody says.
    pub(crate) fn doc(&self) -> &'static str {
        match self.from {
            From::Core(option) => option.doc,
            From::Schema(attribute) => attribute.doc.as_deref().unwrap_or_default(),
        }
    }

    pub(crate) fn deprecated(&self) -> bool {
        matches!(self.from, From::Schema(attribute) if attribute.deprecated)
    }

    /// The texts it takes, where there is a list.
    pub(crate) fn values(&self) -> Vec<&'static str> {
        match self.from {
            From::Core(option) => option.values.to_vec(),
            From::Schema(attribute) => attribute.values.iter().map(|v| v.as_str()).collect(),
        }
    }

    pub(crate) fn schema(&self) -> Option<&'static schema::Attribute> {
        match self.from {
            From::Core(_) => None,
            From::Schema(attribute) => Some(attribute),
        }
    }
}

impl Blk {
    /// What its labels are.
    pub(crate) fn labels(&self) -> &'static [&'static str] {
        match self.from {
            BlkFrom::Core(block) => block.labels,
            BlkFrom::Schema(_) => &[],
        }
    }

    pub(crate) fn required(&self) -> bool {
        matches!(self.from, BlkFrom::Schema(block) if is_required(block.required))
    }

    /// Whether there may be more than one.
    pub(crate) fn repeated(&self) -> bool {
        match self.from {
            BlkFrom::Core(block) => block.repeated,
            BlkFrom::Schema(block) => block.repeated,
        }
    }

    pub(crate) fn doc(&self) -> &'static str {
        match self.from {
            BlkFrom::Core(block) => block.doc,
            BlkFrom::Schema(_) => "",
        }
    }

    pub(crate) fn deprecated(&self) -> bool {
        matches!(self.from, BlkFrom::Schema(block) if block.deprecated)
    }
}

/// Whether a template without it is wrong, or at least doubtful.
pub(crate) fn is_required(required: Required) -> bool {
    matches!(required, Required::Yes | Required::Newly)
}

impl Inside {
    /// The inside of a template file.
    pub(crate) fn top() -> Self {
        Self::Core(&tables::TOP)
    }

    /// What is inside of the block `kind` with these labels.
    pub(crate) fn child(self, kind: &str, labels: &[&str]) -> Self {
        let first = labels.first().copied().unwrap_or_default();
        let component = |of| Self::of_component(of, first);
        let Self::Core(core) = self else {
            return self.child_of_options(kind);
        };
        let name = core.name;
        match (name, kind) {
            ("", "source") => component(ComponentKind::Builder),
            ("", "data") => component(ComponentKind::DataSource),
            ("build" | "group", "provisioner") | ("build", "error-cleanup-provisioner") => {
                component(ComponentKind::Provisioner)
            }
            ("build" | "chain", "post-processor") => component(ComponentKind::PostProcessor),
            ("build", "source") => {
                let reference = first.strip_prefix("source.").unwrap_or(first);
                let ty = reference.split('.').next().unwrap_or_default();
                match schema::component(ComponentKind::Builder, ty) {
                    Some(component) => Self::Component(ComponentKind::Builder, component),
                    None => Self::Unknown,
                }
            }
            (_, "dynamic") => Self::Core(&tables::DYNAMIC),
            ("dynamic", "content") => Self::Unknown,
            _ => tables::child(name, kind).map_or(Self::Unknown, Self::Core),
        }
    }

    fn of_component(kind: ComponentKind, name: &str) -> Self {
        match schema::component(kind, name) {
            Some(component) => Self::Component(kind, component),
            None => Self::Component(kind, schema::foreign()),
        }
    }

    fn child_of_options(self, kind: &str) -> Self {
        if kind == "dynamic" {
            return Self::Core(&tables::DYNAMIC);
        }
        let block = self.body().and_then(|body| body.blocks.get(kind));
        block.map_or(Self::Unknown, |block| Self::Options(&block.body))
    }

    /// What is inside of a chain of blocks that begins at the top.
    pub(crate) fn of_chain<'a>(
        top: Self,
        chain: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>,
    ) -> Self {
        let mut inside = top;
        // `dynamic "KIND"`: what its `content` is the inside of.
        let mut dynamic: Option<(Self, String)> = None;
        for (kind, labels) in chain {
            match (kind, dynamic.take()) {
                ("content", Some((around, of))) => {
                    // The type of a component stands in `labels = [...]`, and is not looked for.
                    inside = around.child(&of, &[]);
                }
                ("dynamic", _) => {
                    let of = labels.first().copied().unwrap_or_default().to_owned();
                    dynamic = Some((inside, of));
                    inside = inside.child(kind, &labels);
                }
                _ => inside = inside.child(kind, &labels),
            }
        }
        inside
    }

    /// The schema of the options, where it is one of the catalogue.
    pub(crate) fn body(self) -> Option<&'static BodySchema> {
        match self {
            Self::Component(_, component) => Some(&component.body),
            Self::Options(body) => Some(body),
            _ => None,
        }
    }

    /// The component, where it is the inside of one.
    pub(crate) fn component(self) -> Option<(ComponentKind, &'static Component)> {
        match self {
            Self::Component(kind, component) => Some((kind, component)),
            _ => None,
        }
    }

    /// The options the language gives to what is inside, whatever the component.
    fn own(self) -> &'static [CoreOption] {
        match self {
            Self::Core(core) => core.options,
            Self::Component(kind, _) => tables::meta(kind),
            _ => &[],
        }
    }

    /// All options, in the order of the tables.
    pub(crate) fn options(self) -> Vec<Opt> {
        let schema = self.body().into_iter().flat_map(|body| &body.attributes);
        let schema = schema.map(|(name, attribute)| Opt {
            name,
            from: From::Schema(attribute),
        });
        let own = self.own().iter().map(|option| Opt {
            name: option.name,
            from: From::Core(option),
        });
        schema.chain(own).collect()
    }

    /// The option of a name.
    pub(crate) fn option(self, name: &str) -> Option<Opt> {
        let schema = self.body().and_then(|body| {
            let (name, attribute) = body.attributes.get_key_value(name)?;
            let from = From::Schema(attribute);
            Some(Opt { name, from })
        });
        schema.or_else(|| {
            let option = self.own().iter().find(|option| option.name == name)?;
            Some(Opt {
                name: option.name,
                from: From::Core(option),
            })
        })
    }

    /// All blocks, in the order of the tables.
    pub(crate) fn blocks(self) -> Vec<Blk> {
        let own = match self {
            Self::Core(core) => core.blocks,
            Self::Component(ComponentKind::Builder, _) | Self::Options(_) => tables::IN_OPTIONS,
            _ => &[],
        };
        let schema = self.body().into_iter().flat_map(|body| &body.blocks);
        let schema = schema.map(|(kind, block)| Blk {
            kind,
            from: BlkFrom::Schema(block),
        });
        let own = own.iter().map(|block| Blk {
            kind: block.kind,
            from: BlkFrom::Core(block),
        });
        schema.chain(own).collect()
    }

    /// The block of a kind.
    pub(crate) fn block(self, kind: &str) -> Option<Blk> {
        self.blocks().into_iter().find(|block| block.kind == kind)
    }
}
