//! Uses of modules: each makes a unit, given values and giving outputs.

use std::collections::BTreeMap;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::{Node, Resolved, Resolver, check_description, is_sensitive};
use crate::artifacts::{Others, Values};
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::eval;
use crate::late::{LateValue, Tree};
use crate::module::{Module, ModuleCall, quoted_list};
use crate::modules::{Loaded, MOST_USES};
use crate::plan::Key;
use crate::plan::repeat::{Elements, Repeating, Turn};
use crate::scope::{Kind, ModuleOutputs, ModuleValues, Names, Place};
use crate::types::Type;
use crate::value::Value;
use crate::variables;

impl<'a> Resolver<'a, '_, '_> {
    /// Uses a module, as often as its block says.
    pub(super) fn call(
        &mut self,
        node: &Node<'a>,
        call: &'a ModuleCall,
        names: &Names,
    ) -> ModuleValues {
        let Some(at) = node.calls.get(&call.name.text) else {
            return ModuleValues::Broken;
        };
        let loaded = &self.loaded[*at];
        self.check_inputs(call, &loaded.module);
        let none = Elements::from([]);
        let mut repeating = Repeating {
            check_only: self.check_only,
            cx: self.cx,
        };
        let turns = repeating.turns(&call.repeat, Place::local(names), &none);
        let (mut instances, mut off) = (Vec::new(), Vec::new());
        let repeated = call.repeat.has_keys();
        let broken = !turns.complete;
        for turn in turns.list {
            if !turn.enabled {
                off.extend(turn.key);
                continue;
            }
            if self.units.len() >= MOST_USES {
                self.cx.report(too_many(call.span));
                return ModuleValues::Broken;
            }
            let outputs = self.instance((node, call), (*at + 1, loaded), names, &turn);
            instances.push((turn.key, outputs));
        }
        if broken {
            return ModuleValues::Broken;
        }
        if repeated {
            let keyed = instances.into_iter();
            let instances = keyed.filter_map(|(key, outputs)| Some((key?, outputs)));
            return ModuleValues::Many {
                instances: instances.collect(),
                off,
            };
        }
        match instances.pop() {
            Some((_, outputs)) => ModuleValues::One(outputs),
            // Not enabled: it gives nothing.
            None => ModuleValues::One(ModuleOutputs {
                values: loaded
                    .module
                    .outputs
                    .keys()
                    .map(|name| (name.clone(), Value::null(Type::Any)))
                    .collect(),
                ..ModuleOutputs::default()
            }),
        }
    }

    /// Values must be for variables that the module has.
    fn check_inputs(&mut self, call: &ModuleCall, module: &Module) {
        for input in &call.inputs {
            let name = &input.name.text;
            if module.variables.contains_key(name) {
                continue;
            }
            let diagnostic = Diagnostic::error(
                "check/unknown-input",
                input.name.span,
                format!("the module `{}` has no variable `{name}`", call.name.text),
            );
            let known = || module.variables.keys().map(SmolStr::as_str);
            self.cx.report(match nearest(name, known()) {
                Some(near) => diagnostic
                    .help(format!("there is one with a similar name: `{near}`"))
                    .guess(
                        format!("change `{name}` to `{near}`"),
                        Edit::replace(input.name.span, near),
                    ),
                None if module.variables.is_empty() => {
                    diagnostic.help("it has no variables: take this line out")
                }
                None => diagnostic.help(format!("it has {}", quoted_list(known().take(12)))),
            });
        }
    }

    /// One use of a module.
    fn instance(
        &mut self,
        (node, call): (&Node<'a>, &'a ModuleCall),
        (at, loaded): (usize, &'a Loaded),
        names: &Names,
        turn: &Turn,
    ) -> ModuleOutputs {
        let key = turn.key.as_ref().map(Key::to_string).unwrap_or_default();
        let prefix = SmolStr::from(format!("{}module.{}{key}.", node.prefix, call.name.text));
        let index = self.units.len() as u32;
        self.units.push(Resolved {
            prefix: prefix.clone(),
            module: &loaded.module,
            calls: &loaded.calls,
            root: &loaded.root,
            names: Names::default(),
        });
        let place = Place::local(names).with_elements(&turn.elements);
        let mut given = BTreeMap::new();
        for input in &call.inputs {
            let value = eval::evaluate(&input.value, &place, self.cx);
            given.insert(input.name.text.clone(), (value, input.value.span));
        }
        let mut inner = Names::at(&self.cx.world.working_directory(), &loaded.root);
        inner.variables.0 = variables::of_call(&loaded.module, given, &call.name, &inner, self.cx);
        for input in &call.inputs {
            let Some(variable) = loaded.module.variables.get(&input.name.text) else {
                continue;
            };
            let value = inner.variables.0[&input.name.text].clone();
            let id = self.late(&value, || LateValue {
                expr: input.value.clone(),
                unit: node.index,
                elements: turn.elements.clone(),
                ty: variables::target_type(variable),
                sensitive: value.is_sensitive(),
            });
            if let Some(id) = id {
                let key = (Kind::Variable, input.name.text.clone());
                inner.late.insert(key, id);
            }
        }
        let before = self.cx.diagnostics.len();
        variables::validate(&loaded.module, &inner, self.cx);
        for problem in &mut self.cx.diagnostics[before..] {
            if problem.id == "check/failed-validation" {
                let moved = std::mem::take(&mut problem.labels);
                *problem = problem
                    .clone()
                    .label(call.name.span, "its value is given here");
                problem.labels.extend(moved);
            }
        }
        let child = Node {
            module: &loaded.module,
            at,
            calls: &loaded.calls,
            prefix,
            index,
        };
        self.resolve(&child, &mut inner);
        let outputs = self.outputs(&child, &inner);
        self.units[index as usize].names = inner;
        outputs
    }

    /// The outputs of a module.
    fn outputs(&mut self, node: &Node<'_>, names: &Names) -> ModuleOutputs {
        let mut outputs = ModuleOutputs::default();
        let tree = Tree::default();
        let others = Others {
            tree: &tree,
            unit: node.index,
            values: Values::Early,
        };
        let place = Place::block(names).with_builds(others);
        for (name, output) in &node.module.outputs {
            let value = eval::evaluate(&output.value, &place, self.cx);
            let sensitive = is_sensitive(output.sensitive.as_ref(), names, self.cx);
            check_description(output, names, self.cx);
            let value = value.mark(sensitive);
            let id = self.late(&value, || LateValue {
                expr: output.value.clone(),
                unit: node.index,
                elements: Elements::from([]),
                ty: Type::Any,
                sensitive,
            });
            if let Some(id) = id {
                outputs.late.insert(name.clone(), id);
            }
            outputs.values.insert(name.clone(), value);
        }
        outputs
    }
}

fn too_many(place: Span) -> Diagnostic {
    Diagnostic::error(
        "check/too-many-modules",
        place,
        format!("this template uses modules more than {MOST_USES} times"),
    )
    .help("repeat builds or sources inside of a module instead")
}
