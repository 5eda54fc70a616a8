//! `imgc lsp`: the language server, with this machine's files.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env_logger::{Builder, Env, Target};
use imgc_compiler::plan::Plan;
use imgc_lsp::{Host, Views};

use crate::args::LspArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::terminal::Look;
use crate::world::{Disk, RealWorld};
use crate::{components, graph, panic, plan_json, plan_text};

pub(super) fn run(args: &LspArgs) -> Outcome {
    log_to(args.log.as_deref())?;
    panic::install_in_log();
    let host = Host {
        sources: Arc::new(Disk),
        world: Arc::new(|| Arc::new(RealWorld::new())),
        components: Arc::new(components::registry()),
        page: Arc::new(page),
        views: Arc::new(views),
    };
    match imgc_lsp::serve_stdio(host) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            log::warn!("{error}");
            Err(Failure::new(Exit::Environment, error.to_string()))
        }
    }
}

/// Starts the log: to a file, or to standard error, which editors keep. `RUST_LOG` says how much.
fn log_to(file: Option<&Path>) -> Result<(), Failure> {
    let level = if file.is_some() { "info" } else { "error" };
    let mut builder = Builder::from_env(Env::default().default_filter_or(level));
    if let Some(path) = file {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| Failure::file("write", path, &error))?;
        builder.target(Target::Pipe(Box::new(file)));
    }
    builder.init();
    Ok(())
}

/// The plan as the commands print it, without colour.
fn views(plan: &Plan) -> Views {
    Views {
        text: plan_text::render(plan, Look::default(), false),
        json: plan_json::plan(plan),
        mermaid: graph::mermaid(plan),
        dot: graph::dot(plan),
        svg: graph::svg(plan).ok(),
    }
}

/// The page of a problem as a file in the user's cache, for editors to open: it is the page of this very version, and
/// needs no network.
fn page(id: &str) -> Option<PathBuf> {
    let text = super::page(id)?;
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.filter(|cache| cache.is_absolute()).or_else(|| {
        let home = PathBuf::from(std::env::var_os("HOME")?);
        home.is_absolute().then(|| home.join(".cache"))
    })?;
    let pages = cache.join("imgc").join(env!("CARGO_PKG_VERSION"));
    let path = pages.join("diagnostics").join(format!("{id}.md"));
    // A development version changes its pages and not its number.
    if std::fs::read_to_string(&path).is_ok_and(|known| known == text) {
        return Some(path);
    }
    std::fs::create_dir_all(path.parent()?).ok()?;
    std::fs::write(&path, text).ok()?;
    Some(path)
}
