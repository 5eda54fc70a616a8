//! Values that wait for artifacts: locals, inputs and outputs of modules that are computed from what builds make.
//!
//! In a plan they are unknown. What uses them needs the builds they are made from; when these have ended, they are
//! evaluated again, each after those it uses. The order is that of the first evaluation.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use smol_str::SmolStr;

use crate::artifacts::{Builds, Others, Uses, Values};
use crate::convert::convert;
use crate::diagnostic::Diagnostic;
use crate::eval::trace::{self, Trace};
use crate::eval::{self, Context, Secrets};
use crate::hir::Expr;
use crate::scope::{Names, Place};
use crate::source::World;
use crate::types::Type;
use crate::value::Value;

/// Position in [`Tree::lates`].
pub(crate) type LateId = usize;

/// A value that could not be known before a run.
#[derive(Clone, Debug)]
pub(crate) struct LateValue {
    /// What it is computed by.
    pub(crate) expr: Expr,
    /// The unit whose names the expression uses.
    pub(crate) unit: u32,
    /// What the block around it is repeated over.
    pub(crate) elements: Arc<[(SmolStr, Value)]>,
    /// The type it is converted to.
    pub(crate) ty: Type,
    /// Whether it is a secret.
    pub(crate) sensitive: bool,
}

/// What late values are made from: the builds of all units, and the names of each.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) builds: Builds,
    /// Each after those it uses.
    lates: Vec<LateValue>,
    /// By unit.
    names: Vec<Arc<Names>>,
    /// What each late value uses, directly or through others.
    closures: OnceLock<Vec<Uses>>,
}

/// The values that became known, by late value.
pub(crate) type Overlay = HashMap<LateId, Value>;

impl Tree {
    /// Problems with the references to builds go to `cx`.
    pub(crate) fn new(
        builds: Builds,
        lates: Vec<LateValue>,
        names: Vec<Arc<Names>>,
        cx: &mut Context<'_>,
    ) -> Self {
        let tree = Self {
            builds,
            lates,
            names,
            closures: OnceLock::new(),
        };
        let mut closures: Vec<Uses> = Vec::with_capacity(tree.lates.len());
        for late in &tree.lates {
            let uses = RefCell::default();
            tree.evaluate(late, Values::Planned(Some(&uses)), cx);
            let references = eval::references(&late.expr);
            let names = &tree.names[late.unit as usize];
            let mut uses = uses.into_inner();
            uses.add_unevaluated(&tree.builds, late.unit, names, &references);
            uses.close(&closures);
            closures.push(uses);
        }
        // Set once, here.
        let _ = tree.closures.set(closures);
        tree
    }

    /// Adds what late values use that are used.
    pub(crate) fn close(&self, uses: &mut Uses) {
        if let Some(closures) = self.closures.get() {
            uses.close(closures);
        }
    }

    /// Looks at what these late values are made of.
    pub(crate) fn trace(&self, lates: &BTreeSet<LateId>, cx: &Context<'_>, found: &mut Trace) {
        for late in lates.iter().filter_map(|id| self.lates.get(*id)) {
            let others = Others {
                tree: self,
                unit: late.unit,
                values: Values::Planned(None),
            };
            let place = Place::block(&self.names[late.unit as usize])
                .with_elements(&late.elements)
                .with_builds(others);
            let text = crate::print::hcl::expression(&late.expr);
            let text = Value::string(text).mark(late.sensitive);
            found.known.push(("an expression it uses".to_owned(), text));
            trace::expression(&late.expr, &place, cx, found);
        }
    }

    fn evaluate(&self, late: &LateValue, values: Values<'_>, cx: &mut Context<'_>) -> Value {
        let others = Others {
            tree: self,
            unit: late.unit,
            values,
        };
        let place = Place::block(&self.names[late.unit as usize])
            .with_elements(&late.elements)
            .with_builds(others);
        let value = eval::evaluate(&late.expr, &place, cx).mark(late.sensitive);
        convert(&value, &late.ty).unwrap_or(value)
    }

    /// The values of these late values, which include those they use, with the artifacts there are; `secrets` gets what
    /// calls gave on the way.
    pub(crate) fn known(
        &self,
        lates: &BTreeSet<LateId>,
        artifacts: &BTreeMap<String, Value>,
        world: &dyn World,
        secrets: &mut Secrets,
    ) -> Result<Overlay, Vec<Diagnostic>> {
        let mut overlay = Overlay::new();
        for id in lates {
            let Some(late) = self.lates.get(*id) else {
                continue;
            };
            let mut cx = Context::new(world, std::path::Path::new(""));
            cx.secrets = std::mem::take(secrets);
            let values = Values::Running {
                artifacts,
                overlay: &overlay,
            };
            let value = self.evaluate(late, values, &mut cx);
            *secrets = std::mem::take(&mut cx.secrets);
            cx.diagnostics.retain(Diagnostic::is_error);
            if !cx.diagnostics.is_empty() {
                return Err(cx.diagnostics);
            }
            overlay.insert(*id, value);
        }
        Ok(overlay)
    }
}
