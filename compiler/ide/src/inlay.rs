//! Values and types beside the text.

use std::path::Path;

use imgc_compiler::types::Type;
use imgc_compiler::value::Value;

use crate::analysis::{Analysis, Cancellable};
use crate::facts;
use crate::hover;
use crate::index::{Entity, Occurrence, Role};
use crate::template::Template;
use crate::text::TextRange;

/// A note shown in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlayHint {
    /// Behind this offset.
    pub offset: u32,
    /// What is shown, without blanks around it.
    pub label: String,
    /// What it says.
    pub kind: InlayKind,
    /// More about it, in Markdown.
    pub tooltip: Option<String>,
}

/// What a note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InlayKind {
    /// The type of a local.
    Type,
    /// The value of a variable.
    Value,
}

/// More characters than this are not shown beside the text.
const MOST: usize = 40;

pub(crate) fn of(
    analysis: &Analysis,
    path: &Path,
    range: TextRange,
) -> Cancellable<Vec<InlayHint>> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(Vec::new());
    };
    let names = template.index().in_file(file).iter();
    let declared = names.filter(|found| {
        found.role == Role::Declaration
            && found.key.unit == 0
            && range.meets(found.span.into())
            && template.text(found.span) == found.key.entity.name().as_str()
    });
    Ok(declared
        .filter_map(|found| hint(&template, found))
        .collect())
}

fn hint(template: &Template, found: &Occurrence) -> Option<InlayHint> {
    // Behind the quote of a label or a key.
    let text = &template.file(found.span.file).text;
    let quote = text[found.span.end as usize..].starts_with(['"', '\'']);
    let offset = found.span.end + u32::from(quote);
    match &found.key.entity {
        Entity::Variable(name) => {
            let given = template.given(name)?;
            let is_secret = template
                .compilation
                .module
                .variables
                .get(name)
                .is_none_or(|declared| declared.sensitive.is_some());
            let told = given.origin != "default" && given.origin != "nothing";
            if !told || is_secret || !is_shown(&given.value) {
                return None;
            }
            Some(InlayHint {
                offset,
                label: format!("= {}", short(&facts::shown(&given.value))),
                kind: InlayKind::Value,
                tooltip: hover::variable(template, 0, name),
            })
        }
        Entity::Local(name) => {
            let names = template.compilation.names.as_deref()?;
            let value = names.locals.0.get(name)?;
            let ty = value.ty();
            if matches!(ty, Type::Any | Type::Error) {
                return None;
            }
            Some(InlayHint {
                offset,
                label: format!(": {}", short(&ty.to_string())),
                kind: InlayKind::Type,
                tooltip: is_shown(value).then(|| format!("`{}`", facts::shown(value))),
            })
        }
        _ => None,
    }
}

fn is_shown(value: &Value) -> bool {
    value.is_known() && !value.is_error() && !value.contains_sensitive()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::fixture::{Seen, fixture};
    use crate::text::TextRange;

    #[test]
    fn hints() {
        let mut seen = Seen::default();
        let cases = [
            "variable \"x\" { default = 1 }\nvariable \"y\" { default = 1 }\nvariable \"s\" {\n  default = \"\"\n  sensitive = true\n}\nlocals {\n  a = [1]\n  b = upper(var.s)\n  c = var.none\n}\n//- a.auto.pkrvars.hcl\ny = 2\ns = \"secret\"\n",
            "//- a.pkr.json\n{\"locals\": {\"a\": {\"b\": 1}}}",
        ];
        for case in cases {
            let f = fixture(case);
            let mut text = f.analysis.text(&f.path).unwrap().to_string();
            let all = TextRange::new(0, text.len() as u32);
            let mut hints = f.analysis.inlay_hints(&f.path, all).unwrap();
            hints.sort_by_key(|hint| hint.offset);
            for hint in hints.iter().rev() {
                assert!(!format!("{hint:?}").contains("secret"));
                text.insert_str(hint.offset as usize, &format!("«{}»", hint.label));
            }
            seen.add(case, &text);
        }
        seen.check("hints");
    }
}
