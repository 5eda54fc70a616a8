//! `imgc graph`: the plan's graph as a drawing.

use crate::args::GraphArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::graph;
use crate::terminal::{Terminal, print};

use super::{compile, note_ignored, planned, refuse_plan_file};

pub(super) fn run(args: &GraphArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    refuse_plan_file("graph", &args.template.path)?;
    let mut request = args.template.request();
    request.show_only = true;
    let (compilation, _) = compile(&request);
    let plan = planned(compilation, terminal)?;
    let drawing = match (args.svg, args.mermaid) {
        (true, _) => graph::svg(&plan)?,
        (_, true) => graph::mermaid(&plan),
        _ => graph::dot(&plan),
    };
    match &args.output {
        Some(path) => {
            std::fs::write(path, drawing).map_err(|error| Failure::file("write", path, &error))?
        }
        None => print(&drawing)?,
    }
    Ok(Exit::Done)
}
