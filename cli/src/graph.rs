//! The plan's graph as a drawing: DOT for Graphviz, Mermaid for pages, SVG through Graphviz' own program.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use imgc_compiler::plan::{NeedKind, Plan, Step};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_shape::{component, short_address};

/// The graph in DOT: a cluster for each build, solid edges for data, dashed ones for mere order.
pub(crate) fn dot(plan: &Plan) -> String {
    let mut out = String::from("digraph plan {\n  rankdir = \"LR\";\n  node [shape = \"box\"];\n");
    for (number, build) in plan.builds.iter().enumerate() {
        let name = dot_quote(&build.address);
        let _ = writeln!(
            out,
            "  subgraph \"cluster_{number}\" {{\n    label = {name};"
        );
        for step in plan
            .steps
            .iter()
            .filter(|step| step.build.0 as usize == number)
        {
            let (address, label) = (dot_quote(&step.address), dot_quote(&label(plan, step)));
            let _ = writeln!(out, "    {address} [label = {label}];");
        }
        out.push_str("  }\n");
    }
    for step in &plan.steps {
        for need in &step.needs {
            let from = dot_quote(&plan.step(need.step).address);
            let style = match need.kind {
                NeedKind::Data => "",
                NeedKind::Order => " [style = \"dashed\"]",
            };
            let _ = writeln!(out, "  {from} -> {}{style};", dot_quote(&step.address));
        }
    }
    out.push_str("}\n");
    out
}

/// The graph in Mermaid, which many page renderers draw.
pub(crate) fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart LR\n");
    for (number, build) in plan.builds.iter().enumerate() {
        let _ = writeln!(
            out,
            "  subgraph b{number}[\"{}\"]",
            mermaid_quote(&build.address)
        );
        for (at, step) in plan.steps.iter().enumerate() {
            if step.build.0 as usize == number {
                let _ = writeln!(out, "    s{at}[\"{}\"]", mermaid_quote(&label(plan, step)));
            }
        }
        out.push_str("  end\n");
    }
    for (at, step) in plan.steps.iter().enumerate() {
        for need in &step.needs {
            let arrow = match need.kind {
                NeedKind::Data => "-->",
                NeedKind::Order => "-.->",
            };
            let _ = writeln!(out, "  s{} {arrow} s{at}", need.step.0);
        }
    }
    out
}

/// The graph as a picture, drawn by Graphviz' `dot`.
pub(crate) fn svg(plan: &Plan) -> Result<String, Failure> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(Exit::Environment, "the program `dot` is not installed").help(
                "install the package `graphviz`, or use `--mermaid` or DOT, which need no program",
            )
        }
        _ => Failure::new(
            Exit::Environment,
            format!("cannot start `dot`: {}", crate::failure::reason(&error)),
        ),
    };
    let mut child = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    let mut stdin = child.stdin.take().expect("the pipe was asked for");
    let text = dot(plan);
    // Fed beside reading: a large graph fills both pipes.
    let feeder = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().map_err(missing)?;
    let fed = feeder.join().is_ok_and(|written| written.is_ok());
    if !output.status.success() || !fed {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("it gave no reason");
        return Err(Failure::new(
            Exit::Environment,
            format!("`dot` could not draw the graph: {said}"),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn label(plan: &Plan, step: &Step) -> String {
    let address = short_address(plan, step);
    match component(step) {
        Some(component) => format!("{address} {component}"),
        None => address.to_owned(),
    }
}

fn dot_quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Mermaid has no escapes in labels but entities.
fn mermaid_quote(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn for_graphviz() {
        insta::assert_snapshot!(dot(&sample::plan()), @r#"
        digraph plan {
          rankdir = "LR";
          node [shape = "box"];
          subgraph "cluster_0" {
            label = "build.web.null.base";
            "build.web.null.base.prepare" [label = "prepare"];
            "build.web.null.base.launch" [label = "launch"];
            "build.web.null.base.connect" [label = "connect"];
            "build.web.null.base.provisioner[0]" [label = "provisioner[0] shell"];
            "build.web.null.base.provisioner[1]" [label = "provisioner[1] shell"];
            "build.web.null.base.capture" [label = "capture"];
          }
          subgraph "cluster_1" {
            label = "build.note.file.readme";
            "build.note.file.readme.launch" [label = "launch"];
            "build.note.file.readme.capture" [label = "capture"];
            "build.note.file.readme.post-processor[0][0]" [label = "post-processor[0][0] checksum"];
            "build.note.file.readme.post-processor[1][0]" [label = "post-processor[1][0] manifest"];
          }
          "build.web.null.base.prepare" -> "build.web.null.base.launch" [style = "dashed"];
          "build.web.null.base.launch" -> "build.web.null.base.connect" [style = "dashed"];
          "build.web.null.base.connect" -> "build.web.null.base.provisioner[0]" [style = "dashed"];
          "build.web.null.base.provisioner[0]" -> "build.web.null.base.provisioner[1]" [style = "dashed"];
          "build.web.null.base.provisioner[1]" -> "build.web.null.base.capture" [style = "dashed"];
          "build.note.file.readme.launch" -> "build.note.file.readme.capture" [style = "dashed"];
          "build.note.file.readme.capture" -> "build.note.file.readme.post-processor[0][0]";
          "build.note.file.readme.capture" -> "build.note.file.readme.post-processor[1][0]";
        }
        "#);
    }

    #[test]
    fn for_pages() {
        insta::assert_snapshot!(mermaid(&sample::plan()), @r#"
        flowchart LR
          subgraph b0["build.web.null.base"]
            s0["prepare"]
            s1["launch"]
            s2["connect"]
            s3["provisioner[0] shell"]
            s4["provisioner[1] shell"]
            s5["capture"]
          end
          subgraph b1["build.note.file.readme"]
            s6["launch"]
            s7["capture"]
            s8["post-processor[0][0] checksum"]
            s9["post-processor[1][0] manifest"]
          end
          s0 -.-> s1
          s1 -.-> s2
          s2 -.-> s3
          s3 -.-> s4
          s4 -.-> s5
          s6 -.-> s7
          s7 --> s8
          s7 --> s9
        "#);
    }

    #[test]
    fn quotes_in_addresses_stay_inside_their_labels() {
        assert_eq!(
            dot_quote("build.web[\"eu\\x\"]"),
            r#""build.web[\"eu\\x\"]""#
        );
        assert_eq!(mermaid_quote("a[\"#1\"]"), "a[#quot;#35;1#quot;]");
    }
}
