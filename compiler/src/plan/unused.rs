//! What no build has: it is checked all the same, and needs no data.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::blocks::Block;
use super::instance::Instance;
use super::instances::Declared;
use super::make::Maker;
use super::names::InstanceName;
use super::repeat::{Elements, any_elements, unknown_element};
use super::unit::Unit;
use crate::components::ComponentKind;
use crate::module;
use crate::schema::{self, Component};

impl<'a> Maker<'a, '_> {
    /// Blocks that apply to no source are checked all the same.
    pub(super) fn check_unused(&mut self, block: &Block<'a>) {
        let Block { unit, build, .. } = *block;
        let provisioners = build.provisioners.iter().filter_map(|one| match one {
            module::Provisioning::One(component) => Some(component),
            module::Provisioning::Group(_) => None,
        });
        let none = module::Repeat::default();
        let provisioners = provisioners
            .chain(&build.cleanup)
            .map(|component| (ComponentKind::Provisioner, component, &none));
        let post_processors = build.post_processors.iter().flat_map(|chain| {
            let components = chain.components.iter();
            components.map(|one| (ComponentKind::PostProcessor, one, &chain.repeat))
        });
        let unused: Vec<_> = provisioners
            .chain(post_processors)
            .filter(|(_, component, _)| !self.checked.contains(&unit.id(&***component)))
            .collect();
        if unused.is_empty() {
            return;
        }
        // What builders add to `build` may be used, though none of them is there to say what it is.
        let builder = |instance: &Instance<'a>| {
            schema::component(ComponentKind::Builder, &instance.source.ty.text)
                .unwrap_or_else(schema::foreign)
        };
        let builders: Vec<&Component> = match block.complete {
            true => block.instances.iter().map(builder).collect(),
            false => vec![schema::foreign()],
        };
        let generated = generated(&builders);
        let instance = self.stand_in(unit, &block.name, build.span);
        let uses = self.cx.uses.take();
        for (kind, component, chain) in unused {
            let around = unknown_element(chain, &block.elements);
            let elements = unknown_element(&component.repeat, &around);
            let before = self.cx.diagnostics.len();
            self.check_component(kind, component, &instance, &elements, &generated);
            let meta = &component.meta;
            if !block.instances.is_empty() && (meta.only.is_some() || meta.except.is_some()) {
                let texts = component.body.span.into_iter().chain([component.span]);
                self.excuse_unused(before, &texts.collect::<Vec<_>>());
            }
        }
        self.cx.uses = uses;
    }

    /// Provisioners of groups that no build uses are checked all the same.
    pub(super) fn check_unused_groups(&mut self, unit: &'a Unit<'a>) {
        for group in unit.module.groups.values() {
            let unused = group.provisioners.iter().filter_map(|one| match one {
                module::Provisioning::One(component) => Some(component),
                module::Provisioning::Group(_) => None,
            });
            let unused: Vec<_> = unused
                .filter(|component| !self.checked.contains(&unit.id(&***component)))
                .collect();
            if unused.is_empty() {
                continue;
            }
            let generated = generated(&[schema::foreign()]);
            let instance = self.stand_in(unit, "", group.span);
            for component in unused {
                let elements = unknown_element(&component.repeat, &any_elements());
                let kind = ComponentKind::Provisioner;
                self.check_component(kind, component, &instance, &elements, &generated);
            }
        }
    }

    /// What a block is checked for that applies to no source.
    fn stand_in(&self, unit: &'a Unit<'a>, block: &str, span: Span) -> Instance<'a> {
        Instance {
            unit,
            home: unit,
            source: self.stand_in,
            at: 0,
            layers: Vec::new(),
            whole: true,
            is_nested: false,
            key: None,
            name: self.stand_in.name.text.clone(),
            block: block.to_owned(),
            elements: Elements::from([]),
            keys: Vec::new(),
            short: InstanceName::default(),
            local: InstanceName::default(),
            full: InstanceName::default(),
            span,
        }
    }

    /// A source no build uses is checked all the same.
    pub(super) fn unused_source(
        &mut self,
        unit: &'a Unit<'a>,
        source: &'a module::Source,
        declared: Declared<'a>,
    ) {
        let instance = Instance {
            source,
            at: declared.at,
            layers: declared.layers,
            whole: declared.whole,
            key: declared.key.map(|key| key.value()),
            name: source.name.text.clone(),
            ..self.stand_in(unit, "", source.span)
        };
        if let Some(component) = self.find(unit.module, ComponentKind::Builder, &source.ty) {
            let before = self.cx.diagnostics.len();
            self.evaluate_source(component, &instance);
            if !unit.module.builds.is_empty() {
                let texts: Vec<Span> = source.body.span.into_iter().chain([source.span]).collect();
                self.excuse_unused(before, &texts);
                self.join_absences(before, source.span);
            }
        }
    }

    /// Says in one message what such a source lacks.
    fn join_absences(&mut self, before: usize, place: Span) {
        let said = self.cx.diagnostics.split_off(before);
        let (absences, others): (Vec<_>, Vec<_>) = said
            .into_iter()
            .partition(|one| one.span == place && !one.lacking.is_empty());
        self.cx.diagnostics.extend(others);
        let mut absences = absences.into_iter();
        let Some(mut joined) = absences.next() else {
            return;
        };
        let more: Vec<SmolStr> = absences.flat_map(|absence| absence.lacking).collect();
        if !more.is_empty() {
            joined.lacking.extend(more);
            let names = module::quoted_list(joined.lacking.iter().map(SmolStr::as_str));
            joined.message = format!("this source, which no build uses, lacks options: {names}");
            joined.help = Some("give it what it needs, or remove it".to_owned());
        }
        self.cx.report(joined);
    }
}

/// What builders add to `build`.
fn generated(builders: &[&Component]) -> Vec<SmolStr> {
    let of = |builder: &&Component| builder.generated_data.clone();
    builders.iter().flat_map(of).collect()
}
