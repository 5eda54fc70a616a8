//! Which name stands where: declarations, references and given values of a template and its modules.
//!
//! In: the bodies of all files. Out: a table of [`Occurrence`]s by file and by what they mean. Bodies have spans in every
//! language, so that this is the same for HCL, JSON, TOML and legacy JSON.

use std::collections::BTreeMap;

use imgc_compiler::hir::{Attribute, Block, Body, Expr, ExprKind, Name};
use imgc_compiler::{FileId, Span, eval};
use smol_str::SmolStr;

use crate::template::Template;

/// Something that has a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entity {
    Variable(SmolStr),
    Local(SmolStr),
    Data(SmolStr, SmolStr),
    Source(SmolStr, SmolStr),
    Build(SmolStr),
    Group(SmolStr),
    Module(SmolStr),
    Output(SmolStr),
}

impl Entity {
    pub(crate) fn name(&self) -> &SmolStr {
        match self {
            Self::Variable(name)
            | Self::Local(name)
            | Self::Data(_, name)
            | Self::Source(_, name)
            | Self::Build(name)
            | Self::Group(name)
            | Self::Module(name)
            | Self::Output(name) => name,
        }
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Variable(_) => "variable",
            Self::Local(_) => "local",
            Self::Data(..) => "data source",
            Self::Source(..) => "source",
            Self::Build(_) => "build",
            Self::Group(_) => "provisioner group",
            Self::Module(_) => "module",
            Self::Output(_) => "output",
        }
    }

    /// The same kind of thing with another name.
    pub(crate) fn renamed(&self, name: &str) -> Self {
        let name = SmolStr::new(name);
        match self {
            Self::Variable(_) => Self::Variable(name),
            Self::Local(_) => Self::Local(name),
            Self::Data(ty, _) => Self::Data(ty.clone(), name),
            Self::Source(ty, _) => Self::Source(ty.clone(), name),
            Self::Build(_) => Self::Build(name),
            Self::Group(_) => Self::Group(name),
            Self::Module(_) => Self::Module(name),
            Self::Output(_) => Self::Output(name),
        }
    }
}

/// What a `module` block says of itself; everything else in it is a value for a variable.
pub(crate) const MODULE_OPTIONS: [&str; 4] = ["source", "for_each", "count", "enabled"];

/// An entity of one template: 0 is the one at hand, others are its modules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) unit: usize,
    pub(crate) entity: Entity,
}

/// How a name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Declaration,
    Reference,
    /// It is given a value.
    Write,
}

/// A use of a name.
#[derive(Clone, Debug)]
pub(crate) struct Occurrence {
    /// The name alone, without quotes.
    pub(crate) span: Span,
    /// All of what it belongs to: the block, or the reference with its root.
    pub(crate) whole: Span,
    pub(crate) key: Key,
    pub(crate) role: Role,
}

/// All uses of names of a template.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_file: BTreeMap<FileId, Vec<Occurrence>>,
    by_key: BTreeMap<Key, Vec<(FileId, usize)>>,
}

impl Index {
    pub(crate) fn of(template: &Template) -> Self {
        let mut by_file: BTreeMap<FileId, Vec<Occurrence>> = BTreeMap::new();
        for (id, file, body) in template.bodies() {
            let mut walk = Walk {
                template,
                unit: template.unit_of(&file.path),
                text: &file.text,
                found: Vec::new(),
            };
            match file.gives_values {
                true => walk.values(body),
                false => walk.file(body),
            }
            let mut found = walk.found;
            found.sort_by_key(|occurrence| (occurrence.span, occurrence.key.clone()));
            found.dedup_by(|a, b| a.span == b.span && a.key == b.key);
            by_file.insert(id, found);
        }
        let mut by_key: BTreeMap<Key, Vec<(FileId, usize)>> = BTreeMap::new();
        for (file, found) in &by_file {
            for (at, occurrence) in found.iter().enumerate() {
                let uses = by_key.entry(occurrence.key.clone()).or_default();
                uses.push((*file, at));
            }
        }
        Self { by_file, by_key }
    }

    /// The uses in a file, by their place.
    pub(crate) fn in_file(&self, file: FileId) -> &[Occurrence] {
        self.by_file.get(&file).map_or(&[], Vec::as_slice)
    }

    /// The use at an offset; of several that touch it, the one that begins there.
    pub(crate) fn at(&self, file: FileId, offset: u32) -> Option<&Occurrence> {
        let all = self.in_file(file);
        let touching = all
            .iter()
            .filter(|occurrence| occurrence.span.start <= offset && offset <= occurrence.span.end);
        touching.max_by_key(|occurrence| occurrence.span.start)
    }

    /// All uses of an entity, by file and place.
    pub(crate) fn uses(&self, key: &Key) -> impl Iterator<Item = &Occurrence> {
        let places = self.by_key.get(key).map_or(&[][..], Vec::as_slice);
        places
            .iter()
            .filter_map(|(file, at)| self.by_file.get(file)?.get(*at))
    }

    /// Where an entity is declared.
    pub(crate) fn declaration(&self, key: &Key) -> Option<&Occurrence> {
        self.uses(key)
            .find(|occurrence| occurrence.role == Role::Declaration)
    }

    /// Everything that is declared in a template.
    pub(crate) fn declared(&self, unit: usize) -> impl Iterator<Item = &Occurrence> {
        let all = self.by_file.values().flatten();
        all.filter(move |occurrence| {
            occurrence.role == Role::Declaration && occurrence.key.unit == unit
        })
    }
}

struct Walk<'a> {
    template: &'a Template,
    unit: usize,
    text: &'a str,
    found: Vec<Occurrence>,
}

impl Walk<'_> {
    fn add(&mut self, name: Span, whole: Span, entity: Entity, role: Role) {
        let unit = self.unit;
        self.add_in(unit, name, whole, entity, role);
    }

    fn add_in(&mut self, unit: usize, name: Span, whole: Span, entity: Entity, role: Role) {
        if whole.file != name.file {
            return;
        }
        self.found.push(Occurrence {
            span: self.bare(name),
            whole,
            key: Key { unit, entity },
            role,
        });
    }

    fn bare(&self, span: Span) -> Span {
        bare(self.text, span)
    }

    fn values(&mut self, body: &Body) {
        for attribute in &body.attributes {
            let entity = Entity::Variable(attribute.name.text.clone());
            self.add(attribute.name.span, attribute.span, entity, Role::Write);
        }
    }

    fn file(&mut self, body: &Body) {
        for block in &body.blocks {
            self.top(block);
        }
        self.expressions_of(body);
    }

    /// A block at the top: what it declares, and what stands in it besides expressions.
    fn top(&mut self, block: &Block) {
        for Declared {
            name,
            whole,
            entity,
        } in declared_by(block)
        {
            self.add(name, whole, entity, Role::Declaration);
        }
        match block.kind.text.as_str() {
            "module" => self.inputs(block),
            "build" => self.build(block),
            "provisioners" => self.parts(&block.body),
            "source" => self.extends(block),
            _ => {}
        }
    }

    /// `extends` in a legacy of words: `source.TYPE.NAME` is found as an expression; as a text it is not.
    fn extends(&mut self, block: &Block) {
        if let Some(attribute) = block.body.attribute("extends") {
            self.source_texts(&attribute.value);
        }
    }

    fn inputs(&mut self, block: &Block) {
        let Some(unit) = block
            .labels
            .first()
            .and_then(|name| self.called(&name.text))
        else {
            return;
        };
        for attribute in &block.body.attributes {
            if !MODULE_OPTIONS.contains(&attribute.name.text.as_str()) {
                let entity = Entity::Variable(attribute.name.text.clone());
                let name = attribute.name.span;
                self.add_in(unit, name, attribute.span, entity, Role::Write);
            }
        }
    }

    /// The template that a module block of this one uses.
    fn called(&self, name: &str) -> Option<usize> {
        let compilation = &self.template.compilation;
        let calls = match self.unit.checked_sub(1) {
            None => &compilation.calls,
            Some(at) => &compilation.modules.get(at)?.calls,
        };
        Some(*calls.get(name)? + 1)
    }

    fn build(&mut self, block: &Block) {
        if let Some(sources) = block.body.attribute("sources") {
            self.source_texts(&sources.value);
        }
        self.parts(&block.body);
    }

    /// What stands in a build, a chain or a group.
    fn parts(&mut self, body: &Body) {
        for block in &body.blocks {
            match block.kind.text.as_str() {
                "source" => {
                    if let [reference] = &block.labels[..] {
                        self.source_text(&reference.text, reference.span);
                    }
                }
                "provisioners" => {
                    if let [name] = &block.labels[..] {
                        let entity = Entity::Group(name.text.clone());
                        self.add(name.span, name.span, entity, Role::Reference);
                    }
                }
                "post-processors" | "dynamic" | "content" => self.parts(&block.body),
                _ => {}
            }
            for filter in ["only", "except"] {
                if let Some(attribute) = block.body.attribute(filter) {
                    self.filter(attribute);
                }
            }
            if let Some(Attribute { value, .. }) = block.body.attribute("override")
                && let ExprKind::Object(entries) = &value.kind
            {
                for (key, _) in entries {
                    if let Some(text) = literal(key) {
                        self.build_text(&text, key.span);
                    }
                }
            }
        }
    }

    fn filter(&mut self, attribute: &Attribute) {
        let ExprKind::Tuple(elements) = &attribute.value.kind else {
            return;
        };
        for element in elements {
            if let Some(text) = literal(element) {
                self.build_text(&text, element.span);
            }
        }
    }

    /// `source.TYPE.NAME` as a text, or a list of them.
    fn source_texts(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Tuple(elements) => {
                for element in elements {
                    self.source_texts(element);
                }
            }
            _ => {
                if let Some(text) = literal(expr) {
                    self.source_text(&text, expr.span);
                }
            }
        }
    }

    /// `source.TYPE.NAME`, `TYPE.NAME`.
    fn source_text(&mut self, text: &str, span: Span) {
        let rest = text.strip_prefix("source.").unwrap_or(text);
        let Some((ty, name)) = rest.split_once('.') else {
            return;
        };
        let name = name.split('[').next().unwrap_or(name);
        let entity = Entity::Source(ty.into(), name.into());
        let at = text.len() - rest.len() + ty.len() + 1;
        let place = self.part(span, text, at, name.len());
        self.add(place, self.bare(span), entity, Role::Reference);
    }

    /// `BUILD.TYPE.NAME`, `TYPE.NAME`, or `NAME` alone.
    fn build_text(&mut self, text: &str, span: Span) {
        let Some(module) = self.template.module(self.unit) else {
            return;
        };
        if text.contains(['*', '?', '{', '[']) {
            return;
        }
        let whole = self.bare(span);
        let words: Vec<&str> = text.split('.').collect();
        if let [.., ty, name] = words[..]
            && module.sources.contains_key(&(ty.into(), name.into()))
        {
            let place = self.part(span, text, text.len() - name.len(), name.len());
            let entity = Entity::Source(ty.into(), name.into());
            self.add(place, whole, entity, Role::Reference);
            if let [build, _, _] = words[..] {
                let place = self.part(span, text, 0, build.len());
                let entity = Entity::Build(build.into());
                self.add(place, whole, entity, Role::Reference);
            }
        } else if let [name] = words[..] {
            let mut called = module.sources.keys().filter(|(_, known)| known == name);
            if let (Some((ty, _)), None) = (called.next(), called.next()) {
                let entity = Entity::Source(ty.clone(), name.into());
                self.add(span, whole, entity, Role::Reference);
            }
        }
    }

    /// The place of a part of a text that stands at `span`, if it stands there as it is.
    fn part(&self, span: Span, text: &str, at: usize, len: usize) -> Span {
        let bare = self.bare(span);
        let written = self.text.get(bare.start as usize..bare.end as usize);
        match written == Some(text) {
            true => Span::new(
                bare.file,
                bare.start + at as u32,
                bare.start + (at + len) as u32,
            ),
            false => span,
        }
    }

    /// References in all expressions of a body.
    fn expressions_of(&mut self, body: &Body) {
        for reference in eval::body_references(body) {
            let whole = reference.span;
            let path = &reference.path;
            match (reference.root.as_str(), &path[..]) {
                ("var", [name, ..]) => self.refer(name, whole, Entity::Variable),
                ("local", [name, ..]) => self.refer(name, whole, Entity::Local),
                ("data", [ty, name, ..]) => {
                    let entity = Entity::Data(ty.text.clone(), name.text.clone());
                    self.add(name.span, whole, entity, Role::Reference);
                }
                ("source", [ty, name, ..]) => {
                    let entity = Entity::Source(ty.text.clone(), name.text.clone());
                    self.add(name.span, whole, entity, Role::Reference);
                }
                ("build", [name, member, ..]) if member.text == "artifact" || path.len() > 2 => {
                    self.refer(name, whole, Entity::Build);
                }
                ("module", [name, rest @ ..]) => {
                    self.refer(name, whole, Entity::Module);
                    // `module.NAME["key"].OUTPUT` where it is repeated.
                    if let Some(unit) = self.called(&name.text)
                        && let Some(module) = self.template.module(unit)
                        && let Some(output) = rest
                            .iter()
                            .take(2)
                            .find(|step| module.outputs.contains_key(&step.text))
                    {
                        let entity = Entity::Output(output.text.clone());
                        self.add_in(unit, output.span, whole, entity, Role::Reference);
                    }
                }
                _ => {}
            }
        }
    }

    fn refer(&mut self, name: &Name, whole: Span, entity: fn(SmolStr) -> Entity) {
        self.add(name.span, whole, entity(name.text.clone()), Role::Reference);
    }
}

/// A span without the quotes that it may have.
pub(crate) fn bare(text: &str, span: Span) -> Span {
    let text = text.get(span.start as usize..span.end as usize);
    let quoted = text.is_some_and(|text| {
        text.len() >= 2
            && ['"', '\'', '`']
                .iter()
                .any(|quote| text.starts_with(*quote) && text.ends_with(*quote))
    });
    match quoted {
        true => Span::new(span.file, span.start + 1, span.end - 1),
        false => span,
    }
}

/// A declaration: where its name stands, perhaps with quotes, and all of it.
pub(crate) struct Declared {
    pub(crate) name: Span,
    pub(crate) whole: Span,
    pub(crate) entity: Entity,
}

/// What a block at the top declares.
pub(crate) fn declared_by(block: &Block) -> Vec<Declared> {
    let declared = |name: Span, entity: Entity| Declared {
        name,
        whole: block.span.cover_of(name),
        entity,
    };
    let named = |entity: fn(SmolStr) -> Entity| match &block.labels[..] {
        [name] => vec![declared(name.span, entity(name.text.clone()))],
        _ => Vec::new(),
    };
    let entries = |entity: fn(SmolStr) -> Entity| {
        let attributes = block.body.attributes.iter();
        let each = attributes.map(|attribute| Declared {
            name: attribute.name.span,
            whole: attribute.span,
            entity: entity(attribute.name.text.clone()),
        });
        each.collect()
    };
    match (block.kind.text.as_str(), &block.labels[..]) {
        ("variables", _) => entries(Entity::Variable),
        ("locals", _) => entries(Entity::Local),
        ("variable", _) => named(Entity::Variable),
        ("local", _) => named(Entity::Local),
        ("provisioners", _) => named(Entity::Group),
        ("module", _) => named(Entity::Module),
        ("output", _) => named(Entity::Output),
        ("data", [ty, name]) => {
            let entity = Entity::Data(ty.text.clone(), name.text.clone());
            vec![declared(name.span, entity)]
        }
        ("source", [ty, name]) => {
            let entity = Entity::Source(ty.text.clone(), name.text.clone());
            vec![declared(name.span, entity)]
        }
        ("build", _) => {
            let name = block.body.attribute("name");
            let text = name.and_then(|name| Some((literal(&name.value)?, name.value.span)));
            let named = text.map(|(text, span)| declared(span, Entity::Build(text.into())));
            named.into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The text of a string without interpolation.
pub(crate) fn literal(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Literal(value) => value.as_str().map(str::to_owned),
        ExprKind::Paren(inner) => literal(inner),
        _ => None,
    }
}

/// Spans that may be of a generated block.
trait CoverOf {
    fn cover_of(self, part: Span) -> Span;
}

impl CoverOf for Span {
    /// This span, or the part where it is not inside.
    fn cover_of(self, part: Span) -> Span {
        let inside = self.file == part.file && self.start <= part.start && part.end <= self.end;
        if inside { self } else { part }
    }
}

/// What a value of a variable looks like, as a snippet: by its type as written.
pub(crate) fn literal_type(variable: &imgc_compiler::module::Variable) -> &'static str {
    let written = variable.ty.as_ref().map(|ty| &ty.kind);
    let word = match written {
        Some(ExprKind::Variable(word)) => word.as_str(),
        Some(ExprKind::Call(call)) => call.name.text.as_str(),
        _ => "",
    };
    match word {
        "number" => "${1:0}",
        "bool" => "${1:true}",
        "list" | "set" | "tuple" => "[$1]",
        "map" | "object" => "{$1}",
        "any" => "$1",
        _ => "\"$1\"",
    }
}
