//! The outputs of a template.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::make::Maker;
use super::options::{Deferred, Resolved};
use super::unit::View;
use super::{BuildId, Options, RunValues};
use crate::artifacts::{BuildIndex, Uses, Values};
use crate::diagnostic::Diagnostic;
use crate::eval::{self, Context, Secrets};
use crate::hir::Expr;
use crate::late::LateId;
use crate::names;
use crate::source::World;

/// An output of a template.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: SmolStr,
    /// What it is for.
    pub description: Option<String>,
    /// Its value, unknown where it is made from artifacts; sensitive ones carry the mark.
    pub value: Options,
    /// The builds whose artifacts it is made from.
    pub uses: Vec<BuildId>,
    /// Whether all of these are in the plan; where `-only` leaves some out, it has no value.
    pub complete: bool,
    /// Where it stands.
    pub span: Span,
}

impl Maker<'_, '_> {
    /// Evaluates the template's outputs; `ids` are the builds of the plan.
    pub(super) fn outputs(&mut self, ids: &HashMap<BuildIndex, BuildId>) {
        let Some(unit) = self.units.first() else {
            return;
        };
        for output in unit.module.outputs.values() {
            let view = View::alone(unit);
            let uses = RefCell::default();
            let place = view.block(Values::Planned(Some(&uses)));
            let value = eval::evaluate(&output.value, &place, self.cx);
            let secret = names::is_sensitive(output.sensitive.as_ref(), &unit.names, self.cx);
            let value = value.mark(secret);
            let description = names::check_description(output, &unit.names, self.cx);
            view.add_unevaluated_expr(&output.value, &uses);
            let Uses { builds, lates, .. } = uses.into_inner();
            let known = value.is_wholly_known();
            let mut used: Vec<BuildId> = Vec::new();
            let mut complete = true;
            for index in builds.keys().filter(|_| !known) {
                match ids.get(index) {
                    Some(id) => used.push(*id),
                    None => complete = false,
                }
            }
            used.sort_unstable();
            let value = match known {
                true => Options::known(value),
                false => Options::deferred(
                    value,
                    Arc::new(Late {
                        expr: output.value.clone(),
                        secret,
                        root: unit.root.clone(),
                        lates,
                        view,
                    }),
                ),
            };
            self.plan.outputs.push(Output {
                name: output.name.text.clone(),
                description,
                value,
                uses: used,
                complete,
                span: output.span,
            });
        }
    }
}

/// An output to be evaluated again when the builds have ended.
struct Late {
    expr: Expr,
    secret: bool,
    root: PathBuf,
    lates: BTreeSet<LateId>,
    view: View,
}

impl Deferred for Late {
    fn resolve(&self, values: &RunValues, world: &dyn World) -> Result<Resolved, Vec<Diagnostic>> {
        let mut secrets = Secrets::default();
        let tree = self.view.tree();
        let overlay = tree.known(&self.lates, &values.artifacts, world, &mut secrets)?;
        let mut cx = Context::new(world, &self.root);
        cx.secrets = secrets;
        let place = self.view.block(Values::Running {
            artifacts: &values.artifacts,
            overlay: &overlay,
        });
        let value = eval::evaluate(&self.expr, &place, &mut cx).mark(self.secret);
        cx.diagnostics.retain(Diagnostic::is_error);
        if cx.diagnostics.is_empty() {
            Ok(Resolved::new(value, cx.secrets))
        } else {
            Err(cx.diagnostics)
        }
    }
}
