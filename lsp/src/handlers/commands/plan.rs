//! What would be made: as text, as data, as a graph.

use std::path::PathBuf;

use imgc_compiler::Span;
use imgc_compiler::compile::{self, Compilation, Request};
use imgc_compiler::plan::Plan;
use imgc_compiler::source::{EntryKind, SourceMap, Sources as _};
use imgc_ide::{Location, TextRange};
use serde_json::{Map, Value, json};

use super::{Target, path, shown};
use crate::dispatch::Reply;
use crate::overlay::Overlay;
use crate::snapshot::{Answer, Refused, Snapshot};

/// The plan in every form, without its secrets.
pub(super) fn plan(snapshot: &Snapshot, target: &Target) -> Answer<Reply> {
    let (directory, plan, sources) = make(snapshot, target)?;
    let views = (snapshot.host.views)(&plan);
    Ok(Reply {
        result: json!({
            "path": directory.display().to_string(),
            "places": places(snapshot, &plan, &sources),
            "text": views.text,
            "plan": views.json,
            "mermaid": views.mermaid,
            "dot": views.dot,
            "svg": views.svg,
        }),
        edit: None,
    })
}

/// The graph alone.
pub(super) fn graph(snapshot: &Snapshot, target: &Target) -> Answer<Reply> {
    let (directory, plan, _) = make(snapshot, target)?;
    let views = (snapshot.host.views)(&plan);
    Ok(Reply {
        result: json!({
            "path": directory.display().to_string(),
            "mermaid": views.mermaid,
            "dot": views.dot,
            "svg": views.svg,
        }),
        edit: None,
    })
}

/// Where builds and steps are written, by address.
fn places(snapshot: &Snapshot, plan: &Plan, sources: &SourceMap) -> Map<String, Value> {
    let builds = plan.builds.iter().map(|build| (&build.address, build.span));
    let steps = plan.steps.iter().map(|step| (&step.address, step.span));
    let place = |span: Span| {
        let path = sources.file(span.file).path.clone();
        let range = TextRange::new(span.start, span.end);
        serde_json::to_value(snapshot.location(&Location { path, range })?).ok()
    };
    let all = builds.chain(steps);
    all.filter_map(|(address, span)| Some((address.clone(), place(span)?)))
        .collect()
}

fn make(snapshot: &Snapshot, target: &Target) -> Answer<(PathBuf, Plan, SourceMap)> {
    let path = match &target.uri {
        Some(uri) => path(uri)?,
        // Without any, the only folder there is.
        None => match snapshot.folders.as_slice() {
            [folder] => folder.clone(),
            _ => return Err(Refused::Params("`uri` says which template".to_owned())),
        },
    };
    let overlay = Overlay {
        saved: snapshot.host.sources.clone(),
        documents: snapshot.documents.clone(),
        added: None,
        hidden: None,
    };
    let is_directory = matches!(overlay.kind(&path), Ok(EntryKind::Directory));
    let (path, values) = match snapshot.analysis.template_of(&path) {
        Some(template) if !is_directory => (template.path, template.values),
        _ => (path, None),
    };
    let request = Request {
        path: path.clone(),
        vars: target.vars.clone(),
        var_files: values.into_iter().collect(),
        only: target.only.clone(),
        except: target.except.clone(),
        show_only: true,
        digest_files: true,
        ..Request::default()
    };
    let mut compilation = compile(snapshot, &request, &overlay);
    match compilation.plan.take() {
        Some(plan) => Ok((path, plan, compilation.sources)),
        None => Err(Refused::Failed(why(&compilation, snapshot))),
    }
}

/// Compiles in the world as it is now.
pub(super) fn compile(snapshot: &Snapshot, request: &Request, overlay: &Overlay) -> Compilation {
    let world = (snapshot.host.world)();
    compile::compile(request, overlay, &world, &*snapshot.host.components)
}

/// Why there is no plan: the first error, and how many there are.
pub(super) fn why(compilation: &Compilation, snapshot: &Snapshot) -> String {
    if let Some(unreadable) = &compilation.unreadable {
        return format!(
            "{}: {}",
            shown(&unreadable.path, snapshot),
            unreadable.message
        );
    }
    let mut errors = compilation
        .diagnostics
        .iter()
        .filter(|problem| problem.is_error());
    let Some(first) = errors.next() else {
        return "the template makes no plan".to_owned();
    };
    let file = compilation.sources.file(first.span.file);
    let (line, _) = file.position(first.span.start);
    let more = match errors.count() {
        0 => String::new(),
        1 => " (and one more error)".to_owned(),
        more => format!(" (and {more} more errors)"),
    };
    format!(
        "{}:{line}: {}{more}",
        shown(&file.path, snapshot),
        first.message
    )
}
