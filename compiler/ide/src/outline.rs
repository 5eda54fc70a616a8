//! What a file and a workspace declare.

use std::path::{Path, PathBuf};

use imgc_compiler::Span;
use imgc_compiler::hir::{Attribute, Block, Body, Expr, ExprKind};

use crate::analysis::{Analysis, Cancellable};
use crate::index::{Entity, literal};
use crate::text::{Location, TextRange};
use crate::{survey, workspace};

/// A declaration in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name, such as `amazon-ebs.web`.
    pub name: String,
    /// What it is.
    pub kind: SymbolKind,
    /// More about it.
    pub detail: Option<String>,
    /// All of it.
    pub range: TextRange,
    /// Its name; inside of `range`.
    pub focus: TextRange,
    /// Better not used any more.
    pub deprecated: bool,
    /// What is declared inside of it.
    pub children: Vec<Symbol>,
}

/// The kinds of declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolKind {
    /// The `packer` block.
    Settings,
    /// A variable.
    Variable,
    /// A local, or a block of them.
    Local,
    /// A data source.
    Data,
    /// A source.
    Source,
    /// A build.
    Build,
    /// A provisioner.
    Provisioner,
    /// A post-processor.
    PostProcessor,
    /// A module.
    Module,
    /// An output.
    Output,
    /// An option of a block.
    Option,
    /// A value given to a variable.
    Value,
    /// Any other block.
    Block,
}

/// A declaration in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSymbol {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SymbolKind,
    /// The template it belongs to, for people.
    pub container: String,
    /// Where its name stands.
    pub location: Location,
}

/// Symbols of a workspace that are listed, at most.
const MOST: usize = 1_000;

/// What a file declares.
pub(crate) fn of(analysis: &Analysis, path: &Path) -> Cancellable<Vec<Symbol>> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(Vec::new());
    };
    let Some(body) = template.body(file) else {
        return Ok(Vec::new());
    };
    if template.file(file).gives_values {
        let values = body.attributes.iter();
        return Ok(values
            .map(|attribute| entry(attribute, SymbolKind::Value))
            .collect());
    }
    let mut symbols = Vec::new();
    blocks(body, &mut symbols);
    Ok(symbols)
}

fn blocks(body: &Body, out: &mut Vec<Symbol>) {
    for block in &body.blocks {
        // The one build of a template from before HCL stands nowhere; what is in it does.
        if block.kind.text == "build" && body.weak {
            blocks(&block.body, out);
        } else {
            out.push(symbol(block));
        }
    }
}

fn symbol(block: &Block) -> Symbol {
    let labels: Vec<&str> = block.labels.iter().map(|l| l.text.as_str()).collect();
    let kind = kind(block);
    let name = match (kind, &labels[..]) {
        (SymbolKind::Build, _) => {
            let name = block.body.attribute("name");
            name.and_then(|name| literal(&name.value))
                .unwrap_or_else(|| "build".to_owned())
        }
        (_, []) => block.kind.text.to_string(),
        _ => labels.join("."),
    };
    let focus = block.labels.last().map_or(block.header, |label| label.span);
    let (range, focus) = nested(block.span, focus);
    let mut children = Vec::new();
    match block.kind.text.as_str() {
        "locals" => children.extend(entries(&block.body, SymbolKind::Local)),
        "variables" => children.extend(entries(&block.body, SymbolKind::Variable)),
        _ => blocks(&block.body, &mut children),
    }
    Symbol {
        name,
        kind,
        detail: Some(detail(block)),
        range,
        focus,
        deprecated: false,
        children,
    }
}

/// What stands beside the name: the kind, and of a build its sources.
fn detail(block: &Block) -> String {
    let Some(sources) = block.body.attribute("sources") else {
        return block.kind.text.to_string();
    };
    let mut names = Vec::new();
    texts(&sources.value, &mut names);
    match names.is_empty() {
        true => block.kind.text.to_string(),
        false => names.join(", "),
    }
}

fn texts(expr: &Expr, out: &mut Vec<String>) {
    if let ExprKind::Tuple(elements) = &expr.kind {
        for element in elements {
            texts(element, out);
        }
        return;
    }
    match literal(expr) {
        Some(text) => out.push(text),
        None => {
            for reference in imgc_compiler::eval::references(expr) {
                let path = reference.path.iter().map(|name| name.text.as_str());
                let words: Vec<&str> = std::iter::once(reference.root.as_str())
                    .chain(path)
                    .collect();
                out.push(words.join("."));
            }
        }
    }
}

fn entries(body: &Body, kind: SymbolKind) -> impl Iterator<Item = Symbol> {
    body.attributes
        .iter()
        .map(move |attribute| entry(attribute, kind))
}

fn entry(attribute: &Attribute, kind: SymbolKind) -> Symbol {
    let (range, focus) = nested(attribute.span, attribute.name.span);
    Symbol {
        name: attribute.name.text.to_string(),
        kind,
        detail: None,
        range,
        focus,
        deprecated: false,
        children: Vec::new(),
    }
}

/// A range and one inside of it, whatever the spans of what other languages only mean.
fn nested(range: Span, focus: Span) -> (TextRange, TextRange) {
    let (range, focus) = (TextRange::from(range), TextRange::from(focus));
    let all = TextRange::new(range.start.min(focus.start), range.end.max(focus.end));
    (all, focus)
}

fn kind(block: &Block) -> SymbolKind {
    match block.kind.text.as_str() {
        "packer" => SymbolKind::Settings,
        "variable" | "variables" => SymbolKind::Variable,
        "local" | "locals" => SymbolKind::Local,
        "data" => SymbolKind::Data,
        "source" => SymbolKind::Source,
        "build" => SymbolKind::Build,
        "provisioner" | "error-cleanup-provisioner" => SymbolKind::Provisioner,
        "post-processor" => SymbolKind::PostProcessor,
        "module" => SymbolKind::Module,
        "output" => SymbolKind::Output,
        _ => SymbolKind::Block,
    }
}

/// What the templates in and below directories declare, by their syntax alone.
pub(crate) fn in_workspace(
    analysis: &Analysis,
    roots: &[PathBuf],
    query: &str,
) -> Cancellable<Vec<WorkspaceSymbol>> {
    let templates = workspace::templates(analysis, roots)?;
    let files = templates.values().flatten().map(PathBuf::as_path);
    analysis.shared.survey.keep(roots, &files.collect());
    let mut found = Vec::new();
    for (id, files) in &templates {
        analysis.check()?;
        let container = roots
            .iter()
            .find_map(|root| id.path.strip_prefix(root).ok())
            .filter(|rest| !rest.as_os_str().is_empty())
            .unwrap_or(&id.path);
        for path in files {
            let Some(facts) = survey::facts(analysis, path) else {
                continue;
            };
            for (entity, range) in &facts.declared {
                let name = full_name(entity);
                if !is_match(&name, query) {
                    continue;
                }
                found.push(WorkspaceSymbol {
                    name,
                    kind: kind_of(entity),
                    container: container.display().to_string(),
                    location: Location {
                        path: path.clone(),
                        range: *range,
                    },
                });
                if found.len() >= MOST {
                    return Ok(found);
                }
            }
        }
    }
    Ok(found)
}

fn full_name(entity: &Entity) -> String {
    match entity {
        Entity::Source(ty, name) | Entity::Data(ty, name) => format!("{ty}.{name}"),
        entity => entity.name().to_string(),
    }
}

fn kind_of(entity: &Entity) -> SymbolKind {
    match entity {
        Entity::Variable(_) => SymbolKind::Variable,
        Entity::Local(_) => SymbolKind::Local,
        Entity::Data(..) => SymbolKind::Data,
        Entity::Source(..) => SymbolKind::Source,
        Entity::Build(_) => SymbolKind::Build,
        Entity::Group(_) => SymbolKind::Block,
        Entity::Module(_) => SymbolKind::Module,
        Entity::Output(_) => SymbolKind::Output,
    }
}

/// Whether the letters of a query stand in a name, in this order.
fn is_match(name: &str, query: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    query
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|c| !c.is_whitespace())
        .all(|wanted| letters.any(|letter| letter == wanted))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::Symbol;
    use crate::fixture::{Seen, fixture};

    fn tree(symbols: &[Symbol], depth: usize, out: &mut String) {
        for symbol in symbols {
            assert!(symbol.range.covers(symbol.focus));
            let detail = symbol.detail.as_deref().unwrap_or_default();
            out.push_str(&format!(
                "\n{:depth$}{:?} {} ({detail})",
                "",
                symbol.kind,
                symbol.name,
                depth = depth * 2
            ));
            tree(&symbol.children, depth + 1, out);
        }
    }

    #[test]
    fn outlines() {
        let mut seen = Seen::default();
        let cases = [
            "packer {}\nvariable \"x\" {}\nlocals {\n  a = 1\n  b = 2\n}\nsource \"null\" \"s\" {}\nbuild {\n  name = \"w\"\n  sources = [\"null.s\", source.null.t]\n  provisioner \"shell\" {}\n  post-processors {\n    post-processor \"manifest\" {}\n  }\n}\nsource \"half",
            "//- a.json\n{\"variables\": {\"v\": \"1\"}, \"builders\": [{\"type\": \"null\", \"name\": \"n\"}], \"provisioners\": [{\"type\": \"shell\"}]}",
            "//- a.imgc.toml\n[variable.v]\ndefault = 1\n[source.null.s]\nssh_host = \"h\"\n[[build]]\nsources = [\"null.s\"]\n",
            "//- a.pkr.json\n{\"source\": {\"null\": {\"s\": {}, \"t\": {}}}}",
            "//- x.pkrvars.hcl\na = 1\nb = 2\n//- b.pkr.hcl\n",
        ];
        for case in cases {
            let f = fixture(case);
            let symbols = f.analysis.document_symbols(&f.path).unwrap();
            let mut out = String::new();
            tree(&symbols, 0, &mut out);
            seen.add(case, &out);
        }
        seen.check("outlines");
    }

    #[test]
    fn a_workspace_is_searched_by_letters() {
        let f = fixture(
            "//- a/main.pkr.hcl\nsource \"amazon-ebs\" \"web\" {}\nvariable \"region\" {}\n//- b/c/x.json\n{\"builders\": [{\"type\": \"null\", \"name\": \"webber\"}]}\n//- .git/x.pkr.hcl\nvariable \"web\" {}\n//- b/package.json\n{\"name\": \"web\"}\n",
        );
        let roots = [PathBuf::from("/t")];
        let find = |query: &str| {
            let found = f.analysis.workspace_symbols(&roots, query).unwrap();
            let names = found
                .iter()
                .map(|s| format!("{} in {}", s.name, s.container));
            names.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            find("web"),
            "amazon-ebs.web in a, null.webber in b/c/x.json"
        );
        assert_eq!(find("rgn"), "region in a");
        assert_eq!(find("xyz"), "");
    }
}
