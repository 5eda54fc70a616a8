//! Which sources a build has: its list, and the names that select among them.

use std::collections::HashMap;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::make::{Instance, Maker, unknown_yet};
use super::unit::Unit;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::eval;
use crate::hir::{Expr, ExprKind};
use crate::module;
use crate::scope::{Place, ROOTS};
use crate::types::Type;

impl<'a> Maker<'a, '_> {
    /// Adds the sources of `sources = […]`; those that do not exist are reported.
    pub(super) fn listed_sources(
        &mut self,
        unit: &'a Unit<'a>,
        expr: &'a Expr,
        block: &str,
        instances: &mut Vec<Instance<'a>>,
    ) {
        if self.unquoted(expr) {
            return;
        }
        let value = eval::evaluate_as(
            expr,
            &Type::list(Type::String),
            &Place::block(&unit.names),
            self.cx,
            "sources",
        );
        if value.contains_error() {
            return;
        }
        let Some(elements) = value.as_slice().filter(|_| value.is_wholly_known()) else {
            self.cx.report(unknown_yet(expr.span, "sources"));
            return;
        };
        if elements.is_empty() {
            self.cx.report(
                Diagnostic::error(
                    "check/build-without-source",
                    expr.span,
                    "this build has no source",
                )
                .help("name at least one: `sources = [\"source.TYPE.NAME\"]`"),
            );
        }
        for (at, element) in elements.iter().enumerate() {
            let span = match &expr.kind {
                ExprKind::Tuple(parts) => parts.get(at).map_or(expr.span, |part| part.span),
                _ => expr.span,
            };
            let reference = element.as_str().unwrap_or_default();
            if let Some((home, source)) = self.find_source(unit, reference, span) {
                instances.push(Instance {
                    unit,
                    home,
                    source,
                    nested: None,
                    name: source.name.text.clone(),
                    block: block.to_owned(),
                    span,
                });
            }
        }
    }

    /// The declared source of a reference in `unit`, `source.null.base` or `null.base`, with the unit that declares it; or
    /// a complaint at `span`. Of three words the first may be any, as in Packer; `sources.null.base` is common.
    pub(super) fn find_source(
        &mut self,
        unit: &'a Unit<'a>,
        reference: &str,
        span: Span,
    ) -> Option<(&'a Unit<'a>, &'a module::Source)> {
        let short = match reference.split_once('.') {
            Some((_, rest)) if rest.contains('.') => rest,
            _ => reference,
        };
        let parts = short
            .split_once('.')
            .filter(|(_, name)| !name.contains('.'));
        if let Some((ty, name)) = parts
            && let Some(source) = unit
                .module
                .sources
                .get(&(SmolStr::from(ty), SmolStr::from(name)))
        {
            return Some((unit, source));
        }
        let diagnostic = Diagnostic::error(
            "check/unknown-source",
            span,
            format!("there is no source `{reference}`"),
        );
        let all: Vec<String> = unit
            .module
            .sources
            .keys()
            .map(|(ty, name)| format!("source.{ty}.{name}"))
            .collect();
        let wanted = format!("source.{short}");
        self.cx
            .report(match nearest(&wanted, all.iter().map(String::as_str)) {
                Some(near) => diagnostic
                    .help(format!("there is one with a similar name: `{near}`"))
                    .fix(
                        format!("refer to `{near}`"),
                        Edit::replace(span, format!("\"{near}\"")),
                    ),
                None if parts.is_none() => {
                    diagnostic.help("a source is written as `source.TYPE.NAME`")
                }
                None => diagnostic.help(format!(
                    "declare it with `source \"{}\" \"{}\" {{ … }}`",
                    parts.map_or("TYPE", |(ty, _)| ty),
                    parts.map_or("NAME", |(_, name)| name)
                )),
            });
        None
    }

    /// Complains about sources named without quotes.
    fn unquoted(&mut self, expr: &Expr) -> bool {
        let one = std::slice::from_ref(expr);
        let elements = match &expr.kind {
            ExprKind::Tuple(elements) => elements.as_slice(),
            _ => one,
        };
        let mut found = false;
        for element in elements {
            let Some(path) = bare_source(element) else {
                continue;
            };
            found = true;
            self.cx.report(
                Diagnostic::error(
                    "check/unknown-source",
                    element.span,
                    "the name of a source stands in quotes",
                )
                .help(format!("write `\"{path}\"`"))
                .fix(
                    "put quotes around it",
                    Edit::replace(element.span, format!("\"{path}\"")),
                ),
            );
        }
        found
    }

    /// Warns where two builds of one block cannot be told apart.
    pub(super) fn check_repeated(&mut self, instances: &[Instance<'a>]) {
        let mut seen: HashMap<String, Span> = HashMap::new();
        for instance in instances {
            let short = instance.short();
            let Some(first) = seen.get(&short) else {
                seen.insert(short, instance.span);
                continue;
            };
            let diagnostic = Diagnostic::warning(
                "check/repeated-source",
                instance.span,
                format!("this build has the source `{short}` twice"),
            )
            .label(*first, "it is here as well");
            self.cx.report(match instance.nested {
                Some(_) => diagnostic.help("give this one a name of its own: `name = …`"),
                None => diagnostic.help("remove one of them"),
            });
        }
    }

    /// Warns where `only`, `except` or `override` names nothing this build has.
    pub(super) fn check_filters(&mut self, build: &module::Build, all: &[(String, String)]) {
        if all.is_empty() {
            return;
        }
        let components = build
            .provisioners
            .iter()
            .chain(&build.cleanup)
            .chain(build.post_processors.iter().flatten());
        for component in components {
            let meta = &component.meta;
            for attribute in [&meta.only, &meta.except].into_iter().flatten() {
                let ExprKind::Tuple(parts) = &attribute.value.kind else {
                    continue;
                };
                for part in parts {
                    self.check_filter(part, all, |_, _, _| false);
                }
            }
            if let Some(Expr {
                kind: ExprKind::Object(entries),
                ..
            }) = meta.overrides.as_ref().map(|attribute| &attribute.value)
            {
                for (key, _) in entries {
                    // Here the name or the type of a source is enough.
                    self.check_filter(key, all, |text, ty, name| text == ty || text == name);
                }
            }
        }
    }

    /// Warns where a text that is written out names no source of the build.
    fn check_filter(
        &mut self,
        part: &Expr,
        all: &[(String, String)],
        also: impl Fn(&str, &str, &str) -> bool,
    ) {
        let ExprKind::Literal(value) = &part.kind else {
            return;
        };
        let Some(text) = value.as_str() else { return };
        let matches = all.iter().any(|(short, full)| {
            let (ty, name) = short.split_once('.').unwrap_or((short, ""));
            super::select::names_source(text, short, full) || also(text, ty, name)
        });
        if matches {
            return;
        }
        let names = all.iter().map(|(short, _)| short.as_str());
        let diagnostic = Diagnostic::warning(
            "check/unmatched-filter",
            part.span,
            format!("this build has no source `{text}`"),
        );
        // The name alone is a common slip.
        let ending = format!(".{text}");
        let near = names
            .clone()
            .find(|name| name.ends_with(&ending))
            .or_else(|| nearest(text, names.clone()));
        self.cx.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                format!("change to `{near}`"),
                Edit::replace(part.span, format!("\"{near}\"")),
            ),
            None => diagnostic.help(format!("it has {}", module::quoted_list(names))),
        });
    }
}

/// `source.null.base` or `null.base` written as an expression.
fn bare_source(expr: &Expr) -> Option<String> {
    let ExprKind::Attribute(operand, name) = &expr.kind else {
        return None;
    };
    let ty = match &operand.kind {
        // The word `null` is a value of its own.
        ExprKind::Literal(value) if value.is_null() => "null",
        ExprKind::Variable(word) if !ROOTS.contains(&word.as_str()) => word,
        ExprKind::Attribute(root, ty) if matches!(&root.kind, ExprKind::Variable(word) if word == "source") =>
        {
            return Some(format!("source.{}.{}", ty.text, name.text));
        }
        _ => return None,
    };
    Some(format!("{ty}.{}", name.text))
}
