//! Commands: a template's plan and its graph, and a file in another language.

mod convert;
mod plan;

use std::path::{Path, PathBuf};

use gen_lsp_types::{ExecuteCommandParams, Uri};
use serde::Deserialize;
use serde_json::Value;

use crate::dispatch::Reply;
use crate::snapshot::{Answer, Refused, Snapshot};

/// Gives the plan of a template.
pub(crate) const PLAN: &str = "imgc.plan";
/// Gives the graph of a template's plan.
const GRAPH: &str = "imgc.graph";
/// Says a file in another language.
const CONVERT: &str = "imgc.convert";

/// All commands.
pub(crate) const NAMES: [&str; 3] = [PLAN, GRAPH, CONVERT];

/// Runs a command.
pub(crate) fn run(snapshot: &Snapshot, params: ExecuteCommandParams) -> Answer<Reply> {
    let arguments = params.arguments.unwrap_or_default();
    let first = arguments.into_iter().next().unwrap_or_default();
    match params.command.as_str() {
        PLAN => plan::plan(snapshot, &target(first)?),
        GRAPH => plan::graph(snapshot, &target(first)?),
        CONVERT => convert::convert(snapshot, &read(first)?),
        other => Err(Refused::Params(format!("there is no command `{other}`"))),
    }
}

fn read<T: serde::de::DeserializeOwned>(argument: Value) -> Answer<T> {
    serde_json::from_value(argument).map_err(|error| Refused::Params(error.to_string()))
}

/// Which template, and what of it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    /// A file of the template, or its directory.
    uri: Option<Uri>,
    only: Vec<String>,
    except: Vec<String>,
    vars: Vec<String>,
}

/// The target of an argument: an object, or merely a URI.
fn target(argument: Value) -> Answer<Target> {
    match argument {
        Value::String(uri) => Ok(Target {
            uri: Some(Uri(uri)),
            ..Target::default()
        }),
        other => read(other),
    }
}

/// The path of a URI.
fn path(uri: &Uri) -> Answer<PathBuf> {
    crate::convert::path(uri)
        .ok_or_else(|| Refused::Params(format!("`{}` is no file of this machine", uri.0)))
}

/// A path as it is shown: from the workspace's folder, where it is in one.
fn shown(path: &Path, snapshot: &Snapshot) -> String {
    let folders = snapshot.folders.iter();
    let mut inside = folders.filter_map(|folder| path.strip_prefix(folder).ok());
    inside.next().unwrap_or(path).display().to_string()
}
