//! Which sources a build has: its list, and the names that select among them.

use std::collections::HashMap;

use imgc_syntax::Span;
use indexmap::IndexSet;
use smol_str::SmolStr;

use super::blocks::Block;
use super::inside::{Inside, Mention, inside};
use super::instance::Instance;
use super::instances::Referred;
use super::make::Maker;
use super::names::Key;
use super::unit::Unit;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::eval;
use crate::hir::{Attribute, Expr, ExprKind};
use crate::module;
use crate::scope::{Place, ROOTS};
use crate::types::Type;
use crate::value::Value;

/// What the name of a source means.
pub(super) enum Found<'a> {
    /// A source, with the unit that declares it.
    Source(&'a Unit<'a>, &'a module::Source),
    /// A source of a module that is not enabled: there is one, and it has no values.
    Off,
    /// Nothing; reported.
    No,
}

impl<'a> Maker<'a, '_> {
    /// The sources of `sources = […]` with the places they are named at; those that do not exist are reported. Of a block
    /// that is repeated for nothing (`dry`) what is not known is left out.
    pub(super) fn listed_sources(
        &mut self,
        unit: &'a Unit<'a>,
        expr: &'a Expr,
        place: Place<'_>,
        dry: bool,
    ) -> Vec<(Referred<'a>, Span)> {
        let written_out = matches!(&expr.kind, ExprKind::Tuple(parts) if !parts.is_empty());
        let parts = match &expr.kind {
            ExprKind::Tuple(parts) if written_out => self.source_names(parts, &place),
            _ if self.unquoted(expr) => return Vec::new(),
            _ => {
                let ty = Type::list(Type::String);
                let value = eval::evaluate_as(expr, &ty, &place, self.cx, "sources");
                if value.is_error() {
                    return Vec::new();
                }
                let Some(elements) = value.as_slice() else {
                    if !dry {
                        self.not_yet(expr.span, "sources");
                    }
                    return Vec::new();
                };
                elements.iter().map(|name| (name.clone(), expr)).collect()
            }
        };
        if parts.is_empty() && !written_out {
            self.cx.report(
                Diagnostic::error(
                    "check/build-without-source",
                    expr.span,
                    "this build has no source",
                )
                .help("name at least one: `sources = [\"source.TYPE.NAME\"]`"),
            );
        }
        let mut found = Vec::new();
        for (name, part) in parts {
            if name.is_error() {
                continue;
            }
            if !name.is_known() {
                if !dry {
                    self.not_yet(part.span, "sources");
                }
                continue;
            }
            let reference = name.as_str().unwrap_or_default();
            found.extend(
                self.referred(unit, reference, Mention::of(part))
                    .map(|source| (source, part.span)),
            );
        }
        found
    }

    /// The names of a list that is written out, each on its own: a mistake in one hides none in the others.
    fn source_names(&mut self, parts: &'a [Expr], place: &Place<'_>) -> Vec<(Value, &'a Expr)> {
        let mut names = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            if !self.unquoted(part) {
                let what = format!("sources[{at}]");
                let name = eval::evaluate_as(part, &Type::String, place, self.cx, &what);
                names.push((name, part));
            }
        }
        names
    }

    /// The declared source of a reference in `unit`, `source.null.base` or `null.base`, with the unit that declares it; or
    /// a complaint. Of three words the first may be any, as in Packer; `sources.null.base` is common.
    pub(super) fn find_source(
        &mut self,
        unit: &'a Unit<'a>,
        reference: &str,
        mention: Mention,
    ) -> Found<'a> {
        let span = mention.span;
        let whole = reference;
        let (home, module, reference) = match inside(self.units, unit, reference, 3) {
            Inside::No => (Some(unit), unit.module, reference),
            Inside::Unit(unit, rest) => (Some(unit), unit.module, rest),
            Inside::Off(module, rest) => (None, module, rest),
            Inside::Broken => return Found::No,
            Inside::Unknown(message, names) => {
                self.no_module(whole, message, &names, span);
                return Found::No;
            }
        };
        let ahead = &whole[..whole.len() - reference.len()];
        // Packer drops the first of more than two parts, whatever it is, and all after the third.
        let short = match reference.split_once('.') {
            Some((_, rest)) if rest.contains('.') => rest
                .match_indices('.')
                .nth(1)
                .map_or(rest, |(end, _)| &rest[..end]),
            _ => reference,
        };
        let parts = short
            .split_once('.')
            .filter(|(_, name)| !name.contains('.'));
        if let Some((ty, name)) = parts
            && let Some(source) = module
                .sources
                .get(&(SmolStr::from(ty), SmolStr::from(name)))
        {
            return home.map_or(Found::Off, |home| Found::Source(home, source));
        }
        let diagnostic = Diagnostic::error(
            "check/unknown-source",
            span,
            format!("there is no source `{whole}`"),
        );
        let all: Vec<String> = module
            .sources
            .keys()
            .map(|(ty, name)| format!("{ahead}source.{ty}.{name}"))
            .collect();
        let wanted = format!("{ahead}source.{short}");
        self.cx
            .report(match nearest(&wanted, all.iter().map(String::as_str)) {
                Some(near) => mention.meant(diagnostic, "name", near),
                None if parts.is_none() => {
                    diagnostic.help("a source is written as `source.TYPE.NAME`")
                }
                None => diagnostic.help(format!(
                    "declare it with `source \"{}\" \"{}\" {{ … }}`",
                    parts.map_or("TYPE", |(ty, _)| ty),
                    parts.map_or("NAME", |(_, name)| name)
                )),
            });
        Found::No
    }

    /// Complains about a source named without quotes.
    fn unquoted(&mut self, expr: &Expr) -> bool {
        let Some(path) = bare_source(expr) else {
            return false;
        };
        self.cx.report(
            Diagnostic::error(
                "check/unknown-source",
                expr.span,
                "the name of a source stands in quotes",
            )
            .help(format!("write `\"{path}\"`"))
            .fix(
                "put quotes around it",
                Edit::replace(expr.span, format!("\"{path}\"")),
            ),
        );
        true
    }

    /// Warns where two builds of one block cannot be told apart.
    pub(super) fn check_repeated(&mut self, instances: &[Instance<'a>]) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for instance in instances {
            let short = instance.short.text();
            let Some(first) = seen.get(short) else {
                seen.insert(short, instance.span);
                continue;
            };
            let diagnostic = Diagnostic::warning(
                "check/repeated-source",
                instance.span,
                format!("this build has the source `{short}` twice"),
            )
            .label(*first, "it is here as well");
            self.cx.report(match instance.is_nested {
                true => diagnostic.help("give this one a name of its own: `name = …`"),
                false => diagnostic.help("remove one of them"),
            });
        }
    }

    /// Warns where `only`, `except` or `override` names nothing this build has.
    pub(super) fn check_filters(&mut self, build: &module::Build, blocks: &[Block<'a>]) {
        let all: Vec<&Instance<'a>> = blocks.iter().flat_map(|block| &block.instances).collect();
        let all = &all[..];
        if all.is_empty() {
            return;
        }
        // A list that is computed has other sources another time.
        let is_computed = |expr: &Expr| match &expr.kind {
            ExprKind::Tuple(parts) => !parts
                .iter()
                .all(|part| matches!(part.kind, ExprKind::Literal(_))),
            _ => true,
        };
        let mut others = Vec::new();
        if build.sources.as_ref().is_some_and(is_computed) {
            for unit in blocks.iter().map(|block| block.unit) {
                let names = unit.module.sources.keys();
                others.extend(names.map(|(ty, name)| format!("{ty}.{name}")));
            }
        }
        let others = &others[..];
        // What a group says of sources is for all builds that use it.
        for provisioning in &build.provisioners {
            if let module::Provisioning::Group(group) = provisioning {
                self.check_list(group.only.as_deref(), all, others);
                self.check_list(group.except.as_deref(), all, others);
            }
        }
        let provisioners = build.provisioners.iter().filter_map(|one| match one {
            module::Provisioning::One(component) => Some(component),
            module::Provisioning::Group(_) => None,
        });
        let post_processors = build.post_processors.iter();
        let components = provisioners
            .chain(&build.cleanup)
            .chain(post_processors.flat_map(|chain| &chain.components));
        for component in components {
            let meta = &component.meta;
            self.check_list(meta.only.as_deref(), all, others);
            self.check_list(meta.except.as_deref(), all, others);
            if let Some(Expr {
                kind: ExprKind::Object(entries),
                ..
            }) = meta.overrides.as_ref().map(|attribute| &attribute.value)
            {
                for (key, _) in entries {
                    // Here the name or the type of a source is enough.
                    self.check_filter(key, all, |text, instance| {
                        let by_type = !instance.source.body.weak && text == instance.source.ty.text;
                        by_type || instance.is_called(text)
                    });
                }
            }
        }
    }

    fn check_list(
        &mut self,
        attribute: Option<&Attribute>,
        all: &[&Instance<'a>],
        others: &[String],
    ) {
        if let Some(ExprKind::Tuple(parts)) = attribute.map(|attribute| &attribute.value.kind) {
            for part in parts {
                self.check_filter(part, all, |text, _| others.iter().any(|name| name == text));
            }
        }
    }

    /// Warns where a text that is written out names no source of the build.
    fn check_filter(
        &mut self,
        part: &Expr,
        all: &[&Instance<'a>],
        also: impl Fn(&str, &Instance<'a>) -> bool,
    ) {
        let ExprKind::Literal(value) = &part.kind else {
            return;
        };
        let Some(text) = value.as_str() else { return };
        if all
            .iter()
            .any(|instance| instance.is_named(text) || also(text, instance))
        {
            return;
        }
        let names = all.iter().map(|instance| instance.short.text());
        let bare = text.strip_prefix("source.");
        let bare = bare.filter(|bare| all.iter().any(|instance| instance.is_named(bare)));
        let message = match bare {
            Some(_) => {
                format!("`{text}` names no source here: filters have names without `source.`")
            }
            None => format!("this build has no source `{text}`"),
        };
        let diagnostic = Diagnostic::warning("check/unmatched-filter", part.span, message);
        // The name alone is a common slip.
        let near = bare
            .or_else(|| {
                let of = |name: &&str| {
                    name.strip_suffix(text)
                        .is_some_and(|rest| rest.ends_with('.'))
                };
                names.clone().find(of)
            })
            .or_else(|| nearest(text, names.clone()));
        self.cx.report(match near {
            Some(near) => {
                let quoted = Value::string(near).display();
                diagnostic.help(format!("did you mean `{near}`?")).guess(
                    format!("change to `{near}`"),
                    Edit::replace(part.span, quoted),
                )
            }
            None => {
                let names: IndexSet<&str> = names.collect();
                let some = module::quoted_list(names.iter().copied().take(8));
                diagnostic.help(match names.len().saturating_sub(8) {
                    0 => format!("it has {some}"),
                    more => format!("it has {some} and {more} more"),
                })
            }
        });
    }
}

/// `source.null.base`, `null.base` or `module.m.source.null.base` written as an expression.
pub(super) fn bare_source(expr: &Expr) -> Option<String> {
    let ExprKind::Attribute(operand, name) = &expr.kind else {
        return None;
    };
    let ty = match &operand.kind {
        // The word `null` is a value of its own.
        ExprKind::Literal(value) if value.is_null() => "null",
        ExprKind::Variable(word) if !ROOTS.contains(&word.as_str()) => word,
        ExprKind::Attribute(root, ty) => {
            let root = match &root.kind {
                ExprKind::Variable(word) if word == "source" => "source".to_owned(),
                ExprKind::Attribute(module, word) if word.text == "source" => {
                    format!("{}.source", bare_module(module)?)
                }
                _ => return None,
            };
            return Some(format!("{root}.{}.{}", ty.text, name.text));
        }
        _ => return None,
    };
    Some(format!("{ty}.{}", name.text))
}

/// `module.m`, `module.m["a"]` or `module.m.module.n` written as an expression.
fn bare_module(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Attribute(operand, name) => match &operand.kind {
            ExprKind::Variable(word) if word == "module" => Some(format!("module.{}", name.text)),
            ExprKind::Attribute(outer, word) if word.text == "module" => {
                Some(format!("{}.module.{}", bare_module(outer)?, name.text))
            }
            _ => None,
        },
        ExprKind::Index(operand, key) => {
            let ExprKind::Literal(key) = &key.kind else {
                return None;
            };
            let key = match key.as_str() {
                Some(text) => Key::Text(text.into()),
                None => Key::Index(key.as_number()?.to_usize()?),
            };
            Some(format!("{}{key}", bare_module(operand)?))
        }
        _ => None,
    }
}
