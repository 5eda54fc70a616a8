//! What is in a module, as the template that uses it names it: `module.NAME.source.null.base`.

use imgc_syntax::Span;

use super::make::Maker;
use super::names::{Key, leading_key};
use super::sources::bare_source;
use super::unit::Unit;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::hir::{Expr, ExprKind, Name};
use crate::module::{Label, Module};
use crate::scope::ModuleValues;
use crate::value::Value;

/// A name that begins with a module.
pub(super) enum Inside<'a, 't> {
    /// It does not.
    No,
    /// The unit of the innermost module, and the rest of the name.
    Unit(&'a Unit<'a>, &'t str),
    /// A module that is not enabled: what its template declares, and the rest of the name.
    Off(&'a Module, &'t str),
    /// The module cannot be used, which is reported where it is.
    Broken,
    /// There is no such module: what is said, and which names there are.
    Unknown(String, Vec<String>),
}

/// The module at the beginning of a text: its name, its key, and what follows.
fn first_module(text: &str) -> Option<(&str, Option<Key>, &str)> {
    let named = text.strip_prefix("module.")?;
    let end = named.find(['.', '[']).unwrap_or(named.len());
    let (name, mut after) = named.split_at(end);
    let mut key = None;
    if let Some((found, behind)) = leading_key(after) {
        (key, after) = (Some(found), behind);
    }
    Some((name, key, after.strip_prefix('.').unwrap_or(after)))
}

/// Follows the modules in front of a name that stands in `unit`. A name of a module that is not there counts as one if
/// at least so many `words` are left: `module` may be the first word of a source's name as well.
pub(super) fn inside<'a, 't>(
    units: &'a [Unit<'a>],
    mut unit: &'a Unit<'a>,
    text: &'t str,
    words: usize,
) -> Inside<'a, 't> {
    let mut rest = text;
    let mut entered = false;
    while let Some((name, key, behind)) = first_module(rest) {
        let known = unit.names.modules.0.get(name);
        let left = rest.split('.').skip(1);
        if known.is_none() && !entered && left.count() < words {
            return Inside::No;
        }
        let shown = key.as_ref().map(Key::to_string).unwrap_or_default();
        let shown = format!("module.{name}{shown}");
        let prefix = format!("{}{shown}.", unit.prefix);
        let Some(found) = units.iter().find(|unit| unit.prefix == prefix.as_str()) else {
            let missing = || format!("there is no `{shown}`");
            return match (known, key) {
                (Some(ModuleValues::Broken), _) => Inside::Broken,
                (Some(ModuleValues::One(_)), None) => declared(unit, name, behind),
                (Some(ModuleValues::Many { off, .. }), Some(key)) if off.contains(&key) => {
                    declared(unit, name, behind)
                }
                (Some(ModuleValues::One(_)), Some(_)) => {
                    Inside::Unknown(missing(), vec![format!("module.{name}")])
                }
                (Some(ModuleValues::Many { instances, off }), _) => {
                    let used = instances.iter().map(|(key, _)| key);
                    let all = used.chain(off).map(|key| format!("module.{name}{key}"));
                    Inside::Unknown(missing(), all.collect())
                }
                (None, _) => {
                    let names = unit.names.modules.0.keys();
                    Inside::Unknown(
                        format!("there is no module `{name}`"),
                        names.map(|name| format!("module.{name}")).collect(),
                    )
                }
            };
        };
        unit = found;
        entered = true;
        rest = behind;
    }
    match entered {
        true => Inside::Unit(unit, rest),
        false => Inside::No,
    }
}

/// Follows the modules in front of what is left of a name, from the module `name` of `unit` on, by what their templates
/// declare: nothing in them has a value.
fn declared<'a, 't>(unit: &'a Unit<'a>, name: &str, mut rest: &'t str) -> Inside<'a, 't> {
    let Some(at) = unit.calls.get(name) else {
        return Inside::Broken;
    };
    let mut here = &unit.loaded[*at];
    while let Some((name, _, behind)) = first_module(rest) {
        if !here.module.modules.contains_key(name) {
            let names = here.module.modules.keys();
            return Inside::Unknown(
                format!("there is no module `{name}`"),
                names.map(|name| format!("module.{name}")).collect(),
            );
        }
        let Some(at) = here.calls.get(name) else {
            return Inside::Broken;
        };
        (here, rest) = (&unit.loaded[*at], behind);
    }
    Inside::Off(&here.module, rest)
}

/// Where somebody names a source or a group.
#[derive(Clone, Copy)]
pub(super) struct Mention {
    pub(super) span: Span,
    pub(super) form: Form,
}

/// How a name stands in the text.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As a text, with its quotes.
    Text,
    /// As the label of a block, without.
    Label,
    /// As something that is computed.
    Computed,
}

impl Mention {
    /// An expression; a name without quotes may be replaced by one with.
    pub(super) fn of(expr: &Expr) -> Self {
        let is_text = matches!(&expr.kind, ExprKind::Literal(value) if value.as_str().is_some())
            || bare_source(expr).is_some();
        Self {
            span: expr.span,
            form: if is_text { Form::Text } else { Form::Computed },
        }
    }

    /// A label that says `name`.
    pub(super) fn of_label(label: &Label, name: &Name) -> Self {
        match label {
            Label::Written(_) => Self {
                span: name.span,
                form: Form::Label,
            },
            Label::Computed(expr) => Self::of(expr),
        }
    }

    /// Says that there is something with a similar name, with the correction if the name is written out.
    pub(super) fn meant(self, diagnostic: Diagnostic, what: &str, near: &str) -> Diagnostic {
        let diagnostic = diagnostic.help(format!("there is one with a similar {what}: `{near}`"));
        let quoted = Value::string(near).display();
        let text = match self.form {
            Form::Text => quoted,
            Form::Label => quoted[1..quoted.len() - 1].to_owned(),
            Form::Computed => return diagnostic,
        };
        diagnostic.guess(format!("refer to `{near}`"), Edit::replace(self.span, text))
    }
}

impl Maker<'_, '_> {
    /// Complains about a module that is not there.
    pub(super) fn no_module(&mut self, text: &str, message: String, names: &[String], span: Span) {
        let diagnostic = Diagnostic::error("check/unknown-module", span, message);
        let start = text.find(['[']).unwrap_or(text.len());
        let wanted: String = text[..start]
            .split('.')
            .take(2)
            .collect::<Vec<_>>()
            .join(".");
        let names = || names.iter().map(String::as_str);
        self.cx.report(match nearest(&wanted, names()) {
            Some(near) => diagnostic.help(format!("there is one with a similar name: `{near}`")),
            None if names().next().is_none() => {
                diagnostic.help("declare it with `module \"NAME\" { source = … }`")
            }
            None => diagnostic.help(format!(
                "there is {}",
                crate::module::quoted_list(names().take(8))
            )),
        });
    }
}
