//! From declarations to a plan: sources meet builds, options are evaluated, steps are laid out.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::Plan;
use super::blocks::Block;
use super::component::Configured;
use super::files::Files;
use super::instance::{Instance, Parts};
use super::instances::Declared;
use super::known::Remarks;
use super::mentions::Mentions;
use super::names::Key;
use super::order::All;
use super::select::Selection;
use super::unit::{BlockId, SourceId, Unit};
use crate::compile::Request;
use crate::components::{ComponentKind, Components};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::eval::{self, Context};
use crate::hir::{Body, Name};
use crate::late::{LateValue, Tree};
use crate::module;
use crate::scope::Place;

/// Problems of builds and plans.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/unknown-source",
        "a build refers to a source that is not declared",
    ),
    Entry::warning("check/repeated-source", "a build has the same source twice"),
    Entry::error(
        "check/build-without-source",
        "a build has no source to build",
    ),
    Entry::warning(
        "check/unfit-provisioner",
        "a provisioner that can do nothing with the machine of a source",
    ),
    Entry::error(
        "check/unknown-at-plan-time",
        "a value is needed before anything runs, and is known only then",
    ),
    Entry::error(
        "check/invalid-option",
        "an option has a value its component cannot use",
    ),
    Entry::error(
        "check/missing-file",
        "an option names a file that is not there",
    ),
    Entry::warning(
        "check/unmatched-filter",
        "`only`, `except` or `override` names a source the build does not have",
    ),
    Entry::error(
        "plan/excluded-need",
        "`-except` takes out a build whose artifact another one uses",
    ),
    Entry::error("plan/no-match", "`-only` or `-except` matches no build"),
    Entry::error(
        "plan/not-implemented",
        "a component that is known, but cannot run in this version",
    ),
];

/// What making a plan works with.
pub(crate) struct Maker<'a, 'w> {
    /// The template, and after it the modules it uses.
    pub(super) units: &'a [Unit<'a>],
    pub(super) request: &'a Request,
    pub(super) components: &'a dyn Components,
    pub(super) selection: &'a Selection,
    pub(super) cx: &'a mut Context<'w>,
    pub(super) files: Files,
    /// Options that are the same for every build, by the block they came from.
    pub(super) shared: HashMap<(BlockId, Option<Key>), Arc<Configured>>,
    /// What blocks speak of.
    pub(super) mentions: HashMap<BlockId, Arc<Mentions>>,
    /// The instances of sources.
    pub(super) sources: HashMap<SourceId, Rc<[Declared<'a>]>>,
    /// The sources whose instances are being made, each extending the next.
    pub(super) resolving: Vec<(SourceId, &'a module::Source)>,
    pub(super) plan: Plan,
    /// Blocks that have been looked at for at least one build.
    pub(super) checked: HashSet<BlockId>,
    /// Stands for the source where a build has none that is in order.
    pub(super) stand_in: &'a module::Source,
    /// Instances of sources that have been evaluated for a build, or as a part of another source.
    pub(super) seen: HashSet<(SourceId, usize)>,
    pub(super) remarks: Remarks,
}

/// Makes the plan of a template and its modules; problems go to `cx`.
pub(crate) fn make(
    units: &[Unit<'_>],
    lates: Vec<LateValue>,
    request: &Request,
    components: &dyn Components,
    selection: &Selection,
    cx: &mut Context<'_>,
) -> Plan {
    let nowhere = Span::new(crate::FileId(0), 0, 0);
    let word = |text: &'static str| Name {
        text: SmolStr::new_static(text),
        span: nowhere,
    };
    let stand_in = module::Source {
        ty: word("null"),
        name: word("source"),
        repeat: module::Repeat::default(),
        extends: None,
        body: Arc::new(Body::default()),
        span: nowhere,
    };
    let mut maker = Maker {
        units,
        request,
        components,
        selection,
        cx,
        files: Files::default(),
        shared: HashMap::new(),
        mentions: HashMap::new(),
        sources: HashMap::new(),
        resolving: Vec::new(),
        plan: Plan::default(),
        checked: HashSet::new(),
        stand_in: &stand_in,
        seen: HashSet::new(),
        remarks: Remarks::default(),
    };
    let mut blocks = Vec::new();
    for unit in maker.units {
        maker.check_groups(unit);
        for build in &unit.module.builds {
            maker.blocks(unit, build, &mut blocks);
        }
    }
    for unit in maker.units {
        for value in &unit.module.registry {
            eval::evaluate(value, &Place::block(&unit.names), maker.cx);
        }
    }
    let all = All::new(&blocks);
    if let Some(unit) = maker.units.first() {
        let names = maker.units.iter().map(|unit| Arc::clone(&unit.names));
        let tree = Tree::new(all.catalogue(), lates, names.collect(), maker.cx);
        // The same for all units; set once, here.
        let _ = unit.tree.set(tree);
    }
    maker.builds(&all);
    for block in &blocks {
        maker.check_unused(block);
    }
    // What nobody builds is looked at, but needs no data.
    let uses = maker.cx.uses.take();
    for unit in maker.units {
        maker.check_unused_groups(unit);
        // All of them first: a source that another extends is checked as a part of that one.
        for source in unit.module.sources.values() {
            maker.declared(unit, source);
        }
        for source in unit.module.sources.values() {
            for mut declared in maker.unseen(unit, source) {
                // What it lacks may be in a build that is not selected.
                declared.whole &= !all.adds_to((unit.id(source), declared.at));
                maker.unused_source(unit, source, declared);
            }
        }
        for source in unit.module.data.values() {
            let kind = ComponentKind::DataSource;
            if maker.find(unit.module, kind, &source.ty).is_some() {
                maker.runnable(kind, &source.ty);
            }
        }
    }
    maker.cx.uses = uses;
    maker.checked_only();
    selection.check(&all.names, &mut maker.cx.diagnostics);
    maker.plan.inputs = maker.files.into_inputs();
    maker.plan
}

impl<'a> Maker<'a, '_> {
    /// Evaluates everything a build consists of.
    pub(super) fn parts(&mut self, block: &Block<'a>, instance: &Instance<'a>) -> Option<Parts> {
        let source = self.source(instance)?;
        let generated = &source.component.generated_data;
        let build = block.build;
        let provisioners = self.provisioners(build, instance, generated);
        for part in &provisioners {
            self.check_fit(&source, instance, part);
            self.check_abilities(instance, part);
        }
        let chains = self.chains(build, instance, generated);
        for chain in &chains {
            self.check_chain(&source, instance, chain);
        }
        Some(Parts {
            provisioners,
            chains,
            cleanup: self.cleanup(build, instance, generated),
            source,
        })
    }
}

pub(super) fn unknown_yet(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(
        "check/unknown-at-plan-time",
        span,
        format!(
            "`{what}` must be known before anything runs, and this value is known only at run time"
        ),
    )
    .help("use variables and locals here; what data sources yield is known with `-online`")
}

impl Plan {
    /// The values of variables as they are kept with the plan.
    pub(crate) fn set_variables(&mut self, variables: Vec<(SmolStr, crate::variables::Given)>) {
        self.variables = variables
            .into_iter()
            .map(|(name, given)| super::Variable {
                name,
                value: given.value,
                origin: given.origin,
                written: given.written,
            })
            .collect();
        self.variables.sort_by(|a, b| a.name.cmp(&b.name));
    }
}
