//! What a build consists of after its sources: provisioners and post-processors, one by one, with groups put in place and
//! repeated blocks written out.

use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::component::Configured;
use super::inside::{Form, Inside, Mention, inside};
use super::instance::Instance;
use super::make::Maker;
use super::names::Key;
use super::repeat::{Elements, Turn};
use super::unit::{Unit, View};
use crate::artifacts::Values;
use crate::components::ComponentKind;
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval;
use crate::hir::{Body, Expr, ExprKind, Name};
use crate::module::{self, Chain, Group, GroupUse, Label, Provisioning};
use crate::scope::{BuildValues, Place};
use crate::types::Type;

/// Problems with provisioner groups.
pub const IDS: &[Entry] = &[Entry::error(
    "check/unknown-group",
    "a provisioner group that is not declared",
)];

/// One instance of a provisioner or post-processor block in one build.
pub(super) struct Piece<'a> {
    /// The unit the block stands in.
    pub(super) unit: &'a Unit<'a>,
    pub(super) block: &'a Arc<module::Component>,
    /// Its type, evaluated.
    pub(super) ty: Name,
    /// Its own key.
    pub(super) key: Option<Key>,
    /// The names of elements it has, its own included.
    pub(super) elements: Elements,
    /// Those of the blocks around it.
    pub(super) outer: Elements,
}

/// An evaluated piece that applies to its build.
pub(super) struct Part {
    /// Its type.
    pub(super) ty: SmolStr,
    /// The last part of its address, behind the word: `[2]["eu"]`.
    pub(super) label: String,
    /// Its place in the template.
    pub(super) span: Span,
    /// What is written in it.
    pub(super) body: Arc<Body>,
    /// Where it says what it acts on, and that a checkpoint follows it.
    pub(super) on: Option<Span>,
    pub(super) checkpoint: Option<Span>,
    pub(super) made: Arc<Configured>,
}

/// Where among the blocks of a build something stands.
struct Spot<'a, 'i> {
    unit: &'a Unit<'a>,
    instance: &'i Instance<'a>,
    generated: &'i [SmolStr],
    elements: Elements,
    /// Keys of the groups around.
    keys: String,
}

impl<'a> Maker<'a, '_> {
    /// The provisioners of a build for one of its sources.
    pub(super) fn provisioners(
        &mut self,
        build: &'a module::Build,
        instance: &Instance<'a>,
        generated: &[SmolStr],
    ) -> Vec<Part> {
        let spot = Spot::new(instance, generated);
        let mut parts = Vec::new();
        self.sequence(
            &build.provisioners,
            &spot,
            &mut 0,
            &mut Vec::new(),
            &mut parts,
        );
        parts
    }

    fn sequence(
        &mut self,
        blocks: &'a [Provisioning],
        spot: &Spot<'a, '_>,
        number: &mut u32,
        within: &mut Vec<*const Group>,
        parts: &mut Vec<Part>,
    ) {
        for block in blocks {
            match block {
                Provisioning::One(component) => {
                    let label = format!("[{number}]{}", spot.keys);
                    *number += 1;
                    self.component_parts(
                        ComponentKind::Provisioner,
                        component,
                        spot,
                        &label,
                        parts,
                    );
                }
                Provisioning::Group(used) => self.group(used, spot, number, within, parts),
            }
        }
    }

    /// The provisioners of a group, at the place where it is used.
    fn group(
        &mut self,
        used: &'a GroupUse,
        spot: &Spot<'a, '_>,
        number: &mut u32,
        within: &mut Vec<*const Group>,
        parts: &mut Vec<Part>,
    ) {
        // What is wrong with the name is said where groups are checked.
        let Some((unit, group)) = find_group(self.units, spot.unit, &used.name.text) else {
            return;
        };
        let identity = std::ptr::from_ref(group);
        if within.contains(&identity) {
            return;
        }
        let first = *number;
        *number += size(self.units, unit, group, within);
        let turns = spot.turns(self, &used.repeat);
        within.push(identity);
        for turn in turns.into_iter().filter(|turn| turn.enabled) {
            if !spot.applies(self, used, &turn) {
                continue;
            }
            let key = turn.key.map(|key| key.to_string()).unwrap_or_default();
            let inside = Spot {
                unit,
                instance: spot.instance,
                generated: spot.generated,
                elements: turn.elements,
                keys: format!("{}{key}", spot.keys),
            };
            self.sequence(
                &group.provisioners,
                &inside,
                &mut first.clone(),
                within,
                parts,
            );
        }
        within.pop();
    }

    /// `error-cleanup-provisioner` blocks.
    pub(super) fn cleanup(
        &mut self,
        build: &'a module::Build,
        instance: &Instance<'a>,
        generated: &[SmolStr],
    ) -> Vec<Part> {
        let spot = Spot::new(instance, generated);
        let mut parts = Vec::new();
        for (number, component) in build.cleanup.iter().enumerate() {
            let label = format!("[{number}]");
            self.component_parts(
                ComponentKind::Provisioner,
                component,
                &spot,
                &label,
                &mut parts,
            );
        }
        parts
    }

    /// The sequences of post-processors of a build for one of its sources, those left out that have nothing in them.
    pub(super) fn chains(
        &mut self,
        build: &'a module::Build,
        instance: &Instance<'a>,
        generated: &[SmolStr],
    ) -> Vec<Vec<Part>> {
        let spot = Spot::new(instance, generated);
        let mut chains = Vec::new();
        for (number, chain) in build.post_processors.iter().enumerate() {
            for turn in spot.turns(self, &chain.repeat) {
                if turn.enabled {
                    chains.push(self.chain(chain, number, turn, &spot));
                }
            }
        }
        chains.retain(|chain| !chain.is_empty());
        chains
    }

    fn chain(
        &mut self,
        chain: &'a Chain,
        number: usize,
        turn: Turn,
        spot: &Spot<'a, '_>,
    ) -> Vec<Part> {
        let key = turn.key.map(|key| key.to_string()).unwrap_or_default();
        let inside = Spot {
            unit: spot.unit,
            instance: spot.instance,
            generated: spot.generated,
            elements: turn.elements,
            keys: String::new(),
        };
        let mut parts = Vec::new();
        for (position, component) in chain.components.iter().enumerate() {
            let label = format!("[{number}]{key}[{position}]");
            self.component_parts(
                ComponentKind::PostProcessor,
                component,
                &inside,
                &label,
                &mut parts,
            );
        }
        parts
    }

    /// The instances of a block that apply.
    fn component_parts(
        &mut self,
        kind: ComponentKind,
        block: &'a Arc<module::Component>,
        spot: &Spot<'a, '_>,
        label: &str,
        parts: &mut Vec<Part>,
    ) {
        for turn in spot.turns(self, &block.repeat) {
            if !turn.enabled {
                continue;
            }
            let view = View::of(spot.unit, spot.instance, &turn.elements);
            let Some(ty) = self.label(&block.label, spot.place(&view)) else {
                continue;
            };
            let mut label = label.to_owned();
            if let Some(key) = &turn.key {
                label.push_str(&key.to_string());
            }
            let piece = Piece {
                unit: spot.unit,
                block,
                ty,
                key: turn.key,
                elements: turn.elements,
                outer: Arc::clone(&spot.elements),
            };
            if let Some(made) = self.component(kind, &piece, spot.instance, spot.generated) {
                parts.push(Part {
                    ty: piece.ty.text,
                    label,
                    span: block.span,
                    body: Arc::clone(&block.body),
                    on: block.meta.on.as_ref().map(|one| one.value.span),
                    checkpoint: block.meta.checkpoint.as_ref().map(|one| one.value.span),
                    made,
                });
            }
        }
    }

    /// What a label says; `None`, reported, where it says nothing.
    pub(super) fn label(&mut self, label: &Label, place: Place<'_>) -> Option<Name> {
        match label {
            Label::Written(name) => Some(name.clone()),
            Label::Computed(expr) => {
                let value = eval::evaluate_as(expr, &Type::String, &place, self.cx, "labels");
                if !value.is_known() && !value.is_error() {
                    self.not_yet(expr.span, "labels");
                }
                if value.is_null() {
                    let message = "the label is null";
                    self.cx.report(
                        Diagnostic::error("check/invalid-dynamic", expr.span, message)
                            .help("write `labels = [\"…\"]`"),
                    );
                }
                let text = value.as_str()?.into();
                Some(Name {
                    text,
                    span: expr.span,
                })
            }
        }
    }

    /// Complains about groups that are used and do not exist, and about groups that are part of themselves.
    pub(super) fn check_groups(&mut self, unit: &'a Unit<'a>) {
        let module = unit.module;
        let in_groups = module.groups.values().map(|group| &group.provisioners);
        let in_builds = module.builds.iter().map(|build| &build.provisioners);
        for used in in_builds.chain(in_groups).flatten() {
            if let Provisioning::Group(used) = used {
                self.check_use(unit, used);
            }
        }
        let mut done = Vec::new();
        for group in module.groups.values() {
            self.check_circle(unit, group, &mut Vec::new(), &mut done);
        }
    }

    fn check_use(&mut self, unit: &'a Unit<'a>, used: &GroupUse) {
        if let (Some(first), Some(second)) = (&used.only, &used.except)
            && [first, second]
                .iter()
                .all(|names| names_something(&names.value))
        {
            self.cx.report(super::meta::only_and_except(first, second));
        }
        let name = &used.name;
        if find_group(self.units, unit, &name.text).is_some() {
            return;
        }
        let (module, rest) = match inside(self.units, unit, &name.text, 2) {
            Inside::No => (unit.module, name.text.as_str()),
            Inside::Unit(unit, rest) => (unit.module, rest),
            // The group of a module that is not enabled: it is there, and nobody runs it.
            Inside::Off(module, rest) if module.groups.contains_key(rest) => return,
            Inside::Off(module, rest) => (module, rest),
            Inside::Broken => return,
            Inside::Unknown(message, names) => {
                return self.no_module(&name.text, message, &names, name.span);
            }
        };
        let message = format!("there is no provisioner group `{}`", name.text);
        let diagnostic = Diagnostic::error("check/unknown-group", name.span, message);
        let ahead = &name.text[..name.text.len() - rest.len()];
        let groups = module.groups.keys();
        let groups: Vec<String> = groups.map(|group| format!("{ahead}{group}")).collect();
        let groups = groups.iter().map(String::as_str);
        self.cx.report(match nearest(&name.text, groups) {
            Some(near) => {
                let mention = Mention {
                    span: name.span,
                    form: Form::Label,
                };
                mention.meant(diagnostic, "name", near)
            }
            None => diagnostic.help(format!(
                "declare it at the top of the template with `provisioners \"{}\" {{ … }}`",
                name.text
            )),
        });
    }

    fn check_circle(
        &mut self,
        unit: &'a Unit<'a>,
        group: &'a Group,
        path: &mut Vec<(&'a Group, Option<&'a GroupUse>)>,
        done: &mut Vec<*const Group>,
    ) {
        if done.contains(&std::ptr::from_ref(group)) {
            return;
        }
        if let Some(first) = path
            .iter()
            .position(|(other, _)| std::ptr::eq(*other, group))
        {
            let circle = &path[first..];
            let mut names: Vec<&str> = circle
                .iter()
                .map(|(group, _)| group.name.text.as_str())
                .collect();
            names.push(&group.name.text);
            let mut diagnostic = Diagnostic::error(
                "check/cycle",
                circle[0].0.name.span,
                format!(
                    "the provisioner group `{}` is part of itself: {}",
                    names[0],
                    names.join(" → ")
                ),
            )
            .help("take one of these uses out");
            for (group, used) in circle {
                if let Some(used) = used {
                    diagnostic =
                        diagnostic.label(used.span, format!("`{}` uses this", group.name.text));
                }
            }
            self.cx.report(diagnostic);
            return;
        }
        for one in &group.provisioners {
            let Provisioning::Group(used) = one else {
                continue;
            };
            if let Some((home, inner)) = find_group(self.units, unit, &used.name.text) {
                path.push((group, Some(used)));
                self.check_circle(home, inner, path, done);
                path.pop();
            }
        }
        done.push(std::ptr::from_ref(group));
    }
}

impl<'a, 'i> Spot<'a, 'i> {
    fn new(instance: &'i Instance<'a>, generated: &'i [SmolStr]) -> Self {
        Self {
            unit: instance.unit,
            instance,
            generated,
            elements: Arc::clone(&instance.elements),
            keys: String::new(),
        }
    }

    fn place<'p>(&'p self, view: &'p View) -> Place<'p> {
        let build = BuildValues::Planned {
            name: &self.instance.block,
            extra: self.generated,
        };
        view.build(build, Values::Planned(None))
    }

    fn turns(&self, maker: &mut Maker<'a, '_>, repeat: &module::Repeat) -> Vec<Turn> {
        let view = View::of(self.unit, self.instance, &self.elements);
        maker.turns(repeat, self.place(&view), &self.elements).list
    }

    /// Whether `only` and `except` of a used group let it apply.
    fn applies(&self, maker: &mut Maker<'a, '_>, used: &GroupUse, turn: &Turn) -> bool {
        let view = View::of(self.unit, self.instance, &turn.elements);
        let place = self.place(&view);
        maker.lets_through(
            used.only.as_deref(),
            used.except.as_deref(),
            self.instance,
            &place,
        )
    }
}

/// Whether a list is written out and has elements.
fn names_something(list: &Expr) -> bool {
    matches!(&list.kind, ExprKind::Tuple(elements) if !elements.is_empty())
}

/// The group of a name, with the unit that declares it.
pub(super) fn find_group<'a>(
    units: &'a [Unit<'a>],
    unit: &'a Unit<'a>,
    name: &str,
) -> Option<(&'a Unit<'a>, &'a Group)> {
    let (unit, name) = match inside(units, unit, name, 2) {
        Inside::No => (unit, name),
        Inside::Unit(unit, rest) => (unit, rest),
        Inside::Off(..) | Inside::Broken | Inside::Unknown(..) => return None,
    };
    unit.module.groups.get(name).map(|group| (unit, group))
}

/// How many provisioner blocks a group has, with those of groups in it.
fn size<'a>(
    units: &'a [Unit<'a>],
    unit: &'a Unit<'a>,
    group: &'a Group,
    within: &mut Vec<*const Group>,
) -> u32 {
    let identity = std::ptr::from_ref(group);
    if within.contains(&identity) {
        return 0;
    }
    within.push(identity);
    let sizes = group.provisioners.iter().map(|one| match one {
        Provisioning::One(_) => 1,
        Provisioning::Group(used) => find_group(units, unit, &used.name.text)
            .map_or(0, |(unit, inner)| size(units, unit, inner, within)),
    });
    let sum = sizes.sum();
    within.pop();
    sum
}
