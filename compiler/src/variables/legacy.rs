//! What is different where the template is a legacy one: values may be templates, names need not be declared.

use std::collections::BTreeMap;
use std::path::Path;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::{GIVEN, Inputs, Raw};
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::{self, Context};
use crate::hir::Expr;
use crate::module::{Module, Variable};
use crate::scope::Place;
use crate::source::SourceMap;
use crate::value::Value;

/// Warns about values in files for variables nobody declares, where one with a similar name is given nothing. Others are
/// as common as files that several templates share, and Packer says nothing about them.
pub(super) fn check_names(
    module: &Module,
    inputs: &Inputs,
    raw: &BTreeMap<&str, Raw<'_>>,
    cx: &mut Context<'_>,
) {
    let names = module.variables.keys().map(SmolStr::as_str);
    let open: Vec<&str> = names.filter(|name| !raw.contains_key(name)).collect();
    let given = inputs.files.iter().flat_map(|(_, body)| &body.attributes);
    for attribute in given {
        let name = attribute.name.text.as_str();
        if module.variables.contains_key(name) || name.starts_with('_') {
            continue;
        }
        if let Some(near) = nearest(name, open.iter().copied()) {
            let message = format!("no template here declares the variable `{name}`");
            cx.report(
                Diagnostic::warning("check/undeclared-variable", attribute.name.span, message)
                    .help(format!("there is one with a similar name: `{near}`")),
            );
        }
    }
}

/// Takes back what was said about a variable that a legacy template uses and does not declare.
pub(super) fn undeclared(variable: &Variable, cx: &mut Context<'_>) -> Option<Diagnostic> {
    let said = |diagnostic: &Diagnostic| {
        diagnostic.id == "legacy/undeclared-variable" && diagnostic.span == variable.name.span
    };
    let at = cx.diagnostics.iter().position(said)?;
    Some(cx.diagnostics.remove(at))
}

/// The value of an expression of a variables file, which in a legacy template may use what defaults may use.
pub(super) fn given_value(
    module: &Module,
    expr: &Expr,
    place: &Place<'_>,
    cx: &mut Context<'_>,
) -> Value {
    if !module.weak {
        return eval::evaluate(expr, &GIVEN, cx);
    }
    cx.env_allowed = true;
    let value = eval::evaluate(expr, place, cx);
    cx.env_allowed = false;
    value
}

impl Raw<'_> {
    /// Reads a text given for a variable of a legacy template as the template it may be.
    pub(super) fn read_template(
        &mut self,
        name: &str,
        secret: bool,
        sources: &mut SourceMap,
        cx: &mut Context<'_>,
    ) {
        let Self::Text { text, origin } = self else {
            return;
        };
        if !text.contains("{{") {
            return;
        }
        let shown = if secret {
            "*".repeat(text.len())
        } else {
            (*text).to_owned()
        };
        let file = sources.add(Path::new(origin), format!("{name}={shown}"));
        let start = name.len() as u32 + 1;
        let mut problems = Vec::new();
        let expr = crate::lower::legacy::variable_value(file, start, text, &mut problems);
        if secret && !problems.is_empty() {
            // What is said about the text of a secret would tell parts of it.
            let span = Span::new(file, start, start + text.len() as u32);
            let message = format!("the template in the value for `{name}` cannot be read");
            problems = vec![
                Diagnostic::error("check/invalid-variable", span, message)
                    .help("for two braces as they are write {{ `{{` }}"),
            ];
        }
        cx.diagnostics.append(&mut problems);
        *self = Self::Template {
            expr,
            origin: std::mem::take(origin),
        };
    }
}
