//! The inside of strings.

use imgc_compiler::types::Type;

use super::{CompletionKind, Cx, Rank, paths};
use crate::analysis::Cancellable;
use crate::go_template;
use crate::grammar::{Inside, Opt};
use crate::language::Language;
use crate::place::Value;
use crate::text::TextRange;

pub(super) fn complete(
    cx: &mut Cx<'_>,
    value: &Value,
    opt: Option<&Opt>,
    before: &str,
    content: TextRange,
) -> Cancellable<()> {
    if let Some(open) = open_action(before) {
        template_names(cx, value, open);
        return Ok(());
    }
    if before.ends_with('{') && !before.ends_with("${") {
        return Ok(());
    }
    let bare = !cx.is_hcl() && !cx.is_quoted();
    let wrap = |text: &str| match bare {
        true => format!("\"{text}\""),
        false => text.to_owned(),
    };
    if value.whole {
        let is_list = value.in_list;
        for word in opt.map(Opt::values).unwrap_or_default() {
            let is_word = matches!(word, "true" | "false");
            let text = if is_word { word.to_owned() } else { wrap(word) };
            cx.push_at(content, Rank::Must, CompletionKind::Value, word, text);
        }
        let is_bool = opt
            .and_then(Opt::schema)
            .is_some_and(|a| a.ty == Type::Bool);
        if bare && is_bool {
            for word in ["true", "false"] {
                cx.push_at(content, Rank::Must, CompletionKind::Keyword, word, word);
            }
        }
        if is_list || value.option == "extends" {
            for name in names(cx, value) {
                let text = wrap(&name);
                cx.push_at(content, Rank::Must, CompletionKind::Source, name, text);
            }
        }
        if is_type(cx, value) {
            for word in crate::grammar::TYPES {
                cx.push_at(
                    content,
                    Rank::Fits,
                    CompletionKind::Keyword,
                    *word,
                    wrap(word),
                );
            }
        }
    }
    let in_plugins =
        matches!(cx.place.inside, Inside::Core(core) if core.name == "required_plugins");
    if in_plugins && value.keys.last().is_some_and(|key| key == "source") {
        for plugin in imgc_compiler::schema::plugins() {
            let address = format!("github.com/{plugin}");
            let text = wrap(&address);
            cx.push_at(content, Rank::Fits, CompletionKind::Value, address, text);
        }
    }
    if paths::is_path(cx, value, opt) {
        paths::complete(cx, before, content, bare)?;
    }
    Ok(())
}

/// In JSON and TOML a type stands in quotes.
fn is_type(cx: &Cx<'_>, value: &Value) -> bool {
    value.option == "type"
        && matches!(cx.place.inside, Inside::Core(core) if core.name == "variable")
}

/// The names that elements of this list can be: of sources, of builds.
pub(super) fn names(cx: &Cx<'_>, value: &Value) -> Vec<String> {
    let Some(template) = &cx.template else {
        return Vec::new();
    };
    let sources = template.compilation.module.sources.keys();
    let is_build = matches!(cx.place.inside, Inside::Core(core) if core.name == "build");
    match value.option.as_str() {
        "sources" if is_build => sources
            .map(|(ty, name)| format!("source.{ty}.{name}"))
            .collect(),
        "only" | "except" if cx.place.language == Language::Legacy => {
            sources.map(|(_, name)| name.to_string()).collect()
        }
        "only" | "except" => sources.map(|(ty, name)| format!("{ty}.{name}")).collect(),
        _ => Vec::new(),
    }
}

/// What stands in the last `{{` that is not closed.
fn open_action(before: &str) -> Option<&str> {
    let at = before.rfind("{{")?;
    let inner = &before[at + 2..];
    (!inner.contains("}}")).then_some(inner)
}

/// Names in `{{ … }}`.
fn template_names(cx: &mut Cx<'_>, value: &Value, open: &str) {
    let word = open
        .rfind(|c: char| c.is_whitespace() || "(|`".contains(c))
        .map_or(open, |at| &open[at + 1..]);
    let range = TextRange::new(cx.offset - word.len() as u32, cx.offset);
    let command = open.trim_start();
    let argument = |function: &str| {
        let rest = command.strip_prefix(function)?;
        rest.starts_with([' ', '`']).then_some(())
    };
    if argument("user").is_some() {
        let variables = cx.template.as_ref().map(|template| {
            let names = template.compilation.module.variables.keys();
            let names = names.filter(|name| !name.is_empty());
            names.map(ToString::to_string).collect::<Vec<_>>()
        });
        for name in variables.unwrap_or_default() {
            let text = match open.trim_end().ends_with('`') || open.contains('`') {
                true => name.clone(),
                false => format!("`{name}`"),
            };
            cx.push_at(range, Rank::Must, CompletionKind::Variable, name, text);
        }
        return;
    }
    if argument("build").is_some() {
        for name in imgc_compiler::scope::BUILD_MEMBERS {
            let text = match open.contains('`') {
                true => (*name).to_owned(),
                false => format!("`{name}`"),
            };
            cx.push_at(range, Rank::Must, CompletionKind::Member, *name, text);
        }
        return;
    }
    let component = cx.place.inside.component();
    let component = component.map_or("", |(_, component)| component.name.as_str());
    for name in go_template::fields(component, &value.option) {
        let label = format!(".{name}");
        let item = cx.push_at(
            range,
            Rank::Must,
            CompletionKind::TemplateVariable,
            label.clone(),
            label,
        );
        item.detail = Some(format!("of `{}`", value.option));
    }
    let is_legacy = cx.place.language == Language::Legacy;
    for (name, legacy_only, doc) in go_template::FUNCTIONS {
        if is_legacy || !legacy_only {
            let item = cx.push_at(range, Rank::Usual, CompletionKind::Function, *name, *name);
            item.detail = Some((*doc).to_owned());
        }
    }
}
