//! What is known of what is under the cursor.

use std::fmt::Write as _;
use std::path::Path;

use imgc_compiler::FileId;
use imgc_compiler::components::ComponentKind;
use imgc_compiler::eval::{self, Context, Reference};
use imgc_compiler::functions::{self, Purity};
use imgc_compiler::hir::{Attribute, Block, Expr, ExprKind};
use imgc_compiler::schema;
use imgc_compiler::scope::{BUILD_MEMBERS, BuildValues, Names, Place};
use imgc_compiler::types::Type;
use imgc_compiler::value::{Data, Value};

use crate::analysis::{Analysis, Cancellable};
use crate::facts;
use crate::grammar::Inside;
use crate::index::{Entity, Key, Occurrence, Role};
use crate::locate::{self, On, Spot};
use crate::place::floor;
use crate::template::Template;
use crate::text::TextRange;

/// What is shown under the pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub range: TextRange,
    /// The text, in Markdown.
    pub markdown: String,
}

pub(crate) fn of(analysis: &Analysis, path: &Path, offset: u32) -> Cancellable<Option<Hover>> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(None);
    };
    let offset = floor(&template.file(file).text, offset);
    if let Some(occurrence) = template.index().at(file, offset) {
        return Ok(Some(Hover {
            range: occurrence.span.into(),
            markdown: entity(&template, occurrence),
        }));
    }
    let Some(body) = template.body(file) else {
        return Ok(None);
    };
    let top = match template.file(file).gives_values {
        true => Inside::Values,
        false => Inside::top(),
    };
    let spot = locate::spot(body, top, offset);
    Ok(on_spot(analysis, &template, file, &spot, offset))
}

fn on_spot(
    analysis: &Analysis,
    template: &Template,
    file: FileId,
    spot: &Spot<'_>,
    offset: u32,
) -> Option<Hover> {
    let (span, markdown) = match spot.on {
        On::Kind(block) => {
            let blk = spot.inside.block(&block.kind.text)?;
            (block.kind.span, facts::block(&blk))
        }
        On::Label(block, at) => (block.labels[at].span, label(spot, block, at)?),
        On::Name(attribute) => {
            let opt = spot.inside.option(&attribute.name.text)?;
            (attribute.name.span, facts::option(spot.inside, &opt))
        }
        On::Value(attribute) => {
            return value(analysis, template, spot, attribute, offset)
                .filter(|_| attribute.value.span.file == file);
        }
        On::Space => return None,
    };
    (span.file == file).then(|| Hover {
        range: span.into(),
        markdown,
    })
}

fn label(spot: &Spot<'_>, block: &Block, at: usize) -> Option<String> {
    if at > 0 {
        return None;
    }
    let name = block.labels[0].text.as_str();
    let labels: Vec<&str> = block.labels.iter().map(|l| l.text.as_str()).collect();
    let inside = spot.inside.child(&block.kind.text, &labels);
    match inside.component() {
        Some((kind, component)) if component.name == name => {
            Some(facts::component(kind, component))
        }
        _ => None,
    }
}

/// Something with a name.
fn entity(template: &Template, occurrence: &Occurrence) -> String {
    let Key { unit, entity } = &occurrence.key;
    let text = match entity {
        Entity::Variable(name) => variable(template, *unit, name),
        Entity::Local(name) => local(template, *unit, name),
        Entity::Data(ty, name) => Some(component(ComponentKind::DataSource, "data", ty, name)),
        Entity::Source(ty, name) => Some(
            component(ComponentKind::Builder, "source", ty, name) + &builds(template, ty, name),
        ),
        Entity::Build(name) => Some(build(template, name)),
        Entity::Module(name) => module(template, *unit, name),
        Entity::Output(name) => output(template, *unit, name),
        Entity::Group(_) => None,
    };
    let mut text = text.unwrap_or_else(|| {
        let declared = template.index().declaration(&occurrence.key).is_some();
        let missing = if declared {
            ""
        } else {
            " that is not declared"
        };
        format!("{} `{}`{missing}", entity.what(), entity.name())
    });
    if occurrence.role == Role::Declaration {
        let uses = template.index().uses(&occurrence.key);
        let count = uses.filter(|found| found.role == Role::Reference).count();
        let noun = if count == 1 {
            "reference"
        } else {
            "references"
        };
        let _ = write!(text, "\n\n{count} {noun}");
    }
    text
}

/// A variable: type, default, where its value comes from.
pub(crate) fn variable(template: &Template, unit: usize, name: &str) -> Option<String> {
    let module = template.module(unit)?;
    let declared = module.variables.get(name)?;
    let given = template.given(name).filter(|_| unit == 0);
    let is_secret =
        declared.sensitive.is_some() || given.is_some_and(|given| given.value.contains_sensitive());
    let ty = match &declared.ty {
        Some(_) if module.weak => "string".to_owned(),
        Some(ty) => template.text(ty.span).trim_matches('"').to_owned(),
        None => given.map_or_else(|| "any".to_owned(), |given| given.value.ty().to_string()),
    };
    let mut text = format!("```hcl\nvariable \"{name}\": {ty}\n```");
    if let Some(description) = declared
        .description
        .as_ref()
        .and_then(crate::index::literal)
    {
        let _ = write!(text, "\n{description}\n");
    }
    match &declared.default {
        _ if is_secret => text.push_str("\n\nIts value is a secret and is not shown."),
        Some(default) => {
            let _ = write!(text, "\n\nDefault: {}", code(template.text(default.span)));
        }
        None => text.push_str("\n\nWithout a default: a value must be given."),
    }
    if let Some(given) = given.filter(|given| !given.value.is_error()) {
        if !is_secret && given.origin != "default" && given.value.is_known() {
            let _ = write!(text, "\n\nValue: {}", code(&facts::shown(&given.value)));
        }
        if given.origin != "nothing" {
            let _ = write!(text, "\n\nFrom: {}", origin(&given.origin));
        }
    }
    Some(text)
}

/// Where a value comes from; of a path, the name of the file.
fn origin(origin: &str) -> String {
    match origin.rsplit_once('/') {
        Some((_, name)) => format!("`{name}`"),
        None => origin.to_owned(),
    }
}

fn local(template: &Template, unit: usize, name: &str) -> Option<String> {
    let module = template.module(unit)?;
    let declared = module.locals.get(name)?;
    let names = template.compilation.names.as_deref().filter(|_| unit == 0);
    let value = names.and_then(|names| names.locals.0.get(name));
    let secret = declared.sensitive.is_some() || value.is_some_and(Value::contains_sensitive);
    let known = value.filter(|value| !value.is_error());
    let ty = known.map_or_else(String::new, |value| format!(": {}", value.ty()));
    let mut text = format!("```hcl\nlocal.{name}{ty}\n```");
    if secret {
        text.push_str("\n\nIts value is a secret and is not shown.");
    } else if let Some(value) = known.filter(|value| value.is_known()) {
        let _ = write!(text, "\n\nValue: {}", code(&facts::shown(value)));
    }
    Some(text)
}

fn component(kind: ComponentKind, word: &str, ty: &str, name: &str) -> String {
    let mut text = format!("```hcl\n{word} \"{ty}\" \"{name}\"\n```\n");
    match schema::component(kind, ty) {
        Some(component) => text.push_str(&facts::component(kind, component)),
        None => text.push_str(kind.word()),
    }
    text
}

/// The builds of a source.
fn builds(template: &Template, ty: &str, name: &str) -> String {
    let plan = template.compilation.plan.as_ref();
    let builds = plan.into_iter().flat_map(|plan| &plan.builds);
    let of_source = builds.filter(|build| build.builder == ty && build.source_name == name);
    let names: Vec<&str> = of_source
        .map(|build| build.name.as_str())
        .take(20)
        .collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("\n\nBuilt as {}", facts::quoted(&names)),
    }
}

fn build(template: &Template, name: &str) -> String {
    let plan = template.compilation.plan.as_ref();
    let builds = plan.into_iter().flat_map(|plan| &plan.builds);
    let of_block = builds.filter(|build| build.block_name == name);
    let names: Vec<&str> = of_block.map(|build| build.name.as_str()).take(20).collect();
    let mut text = format!("```hcl\nbuild \"{name}\"\n```");
    if !names.is_empty() {
        let _ = write!(text, "\n\nBuilds {}", facts::quoted(&names));
    }
    text
}

fn module(template: &Template, unit: usize, name: &str) -> Option<String> {
    let declared = template.module(unit)?.modules.get(name)?;
    let mut text = format!("```hcl\nmodule \"{name}\"\n```");
    if let Some(source) = &declared.source {
        let _ = write!(text, "\n\nFrom {}", code(template.text(source.span)));
    }
    let called = template.compilation.calls.get(name).filter(|_| unit == 0)?;
    let used = template.module(called + 1)?;
    let outputs: Vec<&str> = used.outputs.keys().map(|name| name.as_str()).collect();
    if !outputs.is_empty() {
        let _ = write!(text, "\n\nGives {}", facts::quoted(&outputs));
    }
    Some(text)
}

fn output(template: &Template, unit: usize, name: &str) -> Option<String> {
    let declared = template.module(unit)?.outputs.get(name)?;
    let mut text = format!("```hcl\noutput \"{name}\"\n```");
    if let Some(description) = declared
        .description
        .as_ref()
        .and_then(crate::index::literal)
    {
        let _ = write!(text, "\n{description}");
    }
    Some(text)
}

/// An expression: a function, or its type and value.
fn value(
    analysis: &Analysis,
    template: &Template,
    spot: &Spot<'_>,
    attribute: &Attribute,
    offset: u32,
) -> Option<Hover> {
    let around = locate::expressions(&attribute.value, offset);
    for expr in &around {
        if let ExprKind::Call(call) = &expr.kind
            && locate::touches(call.name.span, offset)
            && let Some(function) = functions::TABLE.iter().find(|f| f.name == call.name.text)
        {
            return Some(Hover {
                range: call.name.span.into(),
                markdown: facts::function(function),
            });
        }
    }
    let expr = around.iter().find(|expr| is_computed(expr))?;
    // A name's last part is what the whole name stands for.
    let expr = around
        .iter()
        .rev()
        .find(|outer| {
            matches!(outer.kind, ExprKind::Attribute(..) | ExprKind::Index(..))
                && locate::touches(outer.span, offset)
                && outer.span.start == expr.span.start
        })
        .unwrap_or(expr);
    let markdown = match member(expr) {
        Some(text) => text,
        None => computed(analysis, template, spot, expr)?,
    };
    Some(Hover {
        range: expr.span.into(),
        markdown,
    })
}

/// Whether an expression says something else than itself.
fn is_computed(expr: &Expr) -> bool {
    !matches!(
        expr.kind,
        ExprKind::Literal(_) | ExprKind::Error | ExprKind::Object(_) | ExprKind::Tuple(_)
    )
}

/// What a member of `build`, `source`, `each` and the like is.
fn member(expr: &Expr) -> Option<String> {
    let references = eval::references(expr);
    let [Reference { root, path, span }] = &references[..] else {
        return None;
    };
    if *span != expr.span {
        return None;
    }
    let first = path.first()?.text.as_str();
    let text = match (root.as_str(), first) {
        ("build", "name") => "the name of the build that runs",
        ("build", name) if path.len() == 1 && BUILD_MEMBERS.contains(&name) => {
            "a value of the build that runs; known at run time"
        }
        ("source", "name") => "the name of the source",
        ("source", "type") => "the builder of the source",
        ("source", "key") => "the key of the instance, where the source is repeated",
        ("each", "key") => "the key of the element",
        ("each", "value") => "the element",
        ("count", "index") => "the position of the instance, from 0",
        _ => return None,
    };
    Some(format!("`{root}.{first}`: {text}"))
}

/// The type and, where it is known, the value of an expression.
fn computed(
    analysis: &Analysis,
    template: &Template,
    spot: &Spot<'_>,
    expr: &Expr,
) -> Option<String> {
    let names = template.compilation.names.as_deref()?;
    let value = evaluate(analysis, template, names, spot, expr)?;
    if value.is_error() || matches!(value.data(), Data::Unknown(Type::Any)) {
        return None;
    }
    let mut text = format!("```hcl\n{}\n```", value.ty());
    if value.contains_sensitive() {
        text.push_str("\n\nThe value is a secret and is not shown.");
    } else if value.is_known() && !varies(expr) {
        let _ = write!(text, "\n\nValue: {}", code(&facts::shown(&value)));
    }
    Some(text)
}

/// The value of an expression where it stands; `None` where names of repetition decide it.
pub(crate) fn evaluate(
    analysis: &Analysis,
    template: &Template,
    names: &Names,
    spot: &Spot<'_>,
    expr: &Expr,
) -> Option<Value> {
    let roots = eval::references(expr);
    let unknown = |reference: &Reference| {
        !matches!(
            reference.root.as_str(),
            "var" | "local" | "data" | "path" | "packer" | "source" | "build"
        )
    };
    if roots.iter().any(unknown) {
        return None;
    }
    let world = analysis.surroundings(&template.root);
    let mut cx = Context::new(&world, &template.root);
    let (ty, name) = match spot.blocks.first() {
        Some(block) if block.kind.text == "source" && block.labels.len() == 2 => {
            (block.labels[0].text.as_str(), block.labels[1].text.as_str())
        }
        _ => ("", ""),
    };
    let in_build = spot
        .blocks
        .first()
        .is_some_and(|block| block.kind.text == "build");
    if roots
        .iter()
        .any(|reference| reference.root == "source" && ty.is_empty())
    {
        return None;
    }
    let extra = [];
    let place = match in_build {
        true => Place::build(
            names,
            ty,
            name,
            BuildValues::Planned {
                name: "",
                extra: &extra,
            },
        ),
        false if !ty.is_empty() => Place::source(names, ty, name),
        false => Place::block(names),
    };
    Some(eval::evaluate(expr, &place, &mut cx))
}

/// Whether an expression's value is another each time.
fn varies(expr: &Expr) -> bool {
    if let ExprKind::Call(call) = &expr.kind {
        let function = functions::TABLE.iter().find(|f| f.name == call.name.text);
        if function
            .is_none_or(|f| matches!(f.purity, Purity::Time | Purity::Random | Purity::Network))
        {
            return true;
        }
    }
    locate::children(expr).into_iter().any(varies)
}

/// A text as code, whatever is in it.
fn code(text: &str) -> String {
    let text = text.trim();
    let lines = text.lines().count();
    if lines > 1 || text.contains('`') {
        let shown: Vec<&str> = text.lines().take(10).collect();
        return format!("\n```hcl\n{}\n```", shown.join("\n").replace("```", "``"));
    }
    let shown: String = text.chars().take(200).collect();
    format!("`{shown}`")
}

#[cfg(test)]
mod tests;
