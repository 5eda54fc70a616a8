//! What is in a module, as the template that uses it names it: `module.NAME.source.null.base`.

use imgc_syntax::Span;

use super::make::Maker;
use super::names::leading_key;
use super::unit::Unit;
use crate::diagnostic::{Diagnostic, nearest};
use crate::scope::ModuleValues;

/// A name that begins with a module.
pub(super) enum Inside<'a, 't> {
    /// It does not.
    No,
    /// The unit of the innermost module, and the rest of the name.
    Unit(&'a Unit<'a>, &'t str),
    /// The module cannot be used, which is reported where it is.
    Broken,
    /// There is no such module: what is said, and which names there are.
    Unknown(String, Vec<String>),
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
    while let Some(named) = rest.strip_prefix("module.") {
        let end = named.find(['.', '[']).unwrap_or(named.len());
        let (name, mut after) = named.split_at(end);
        let known = unit.names.modules.0.get(name);
        if known.is_none() && !entered && named.split('.').count() < words {
            return Inside::No;
        }
        let mut prefix = format!("{}module.{name}", unit.prefix);
        if let Some((key, behind)) = leading_key(after) {
            prefix.push_str(&key.to_string());
            after = behind;
        }
        prefix.push('.');
        let found = units.iter().find(|unit| unit.prefix == prefix.as_str());
        let Some(found) = found else {
            return match known {
                Some(ModuleValues::Broken) => Inside::Broken,
                Some(ModuleValues::Many(instances)) => Inside::Unknown(
                    format!(
                        "there is no `{}`",
                        &prefix[unit.prefix.len()..prefix.len() - 1]
                    ),
                    instances
                        .iter()
                        .map(|(key, _)| format!("module.{name}{key}"))
                        .collect(),
                ),
                Some(ModuleValues::One(_)) => Inside::Broken,
                None => Inside::Unknown(
                    format!("there is no module `{name}`"),
                    unit.names
                        .modules
                        .0
                        .keys()
                        .map(|name| format!("module.{name}"))
                        .collect(),
                ),
            };
        };
        unit = found;
        entered = true;
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    match entered {
        true => Inside::Unit(unit, rest),
        false => Inside::No,
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
