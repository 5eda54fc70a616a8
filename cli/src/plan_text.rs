//! The plan for people: what will be made, in which order, in parallel with what.
//!
//! In: a [`Plan`]. Out: text. Terse by default: long values are cut and only the first options of a component are
//! shown; verbose shows all of them, what each step waits for, its limits and its digest.

use std::fmt::Write as _;
use std::time::Duration;

use imgc_compiler::components::{ComponentKind, Components as _};
use imgc_compiler::plan::{Build, Limits, NeedKind, Plan, Step, StepId, StepKind};
use imgc_compiler::value::Value;
use imgc_runtime::event::Redact as _;
use imgc_runtime::redact::Redactor;
use imgc_runtime::registry::Registry;

use crate::components::registry;
use crate::plan_shape::{component, kind_word, short_address, tainted, totals, wave_numbers};
use crate::terminal::{Look, Style, harmless};

/// Said of what this version cannot run.
const IDLE: &str = ", cannot run in this version";
/// Options shown of one component in a terse plan.
const TERSE_OPTIONS: usize = 5;
/// Characters shown of one value in a terse plan.
const TERSE_WIDTH: usize = 72;

/// The whole plan.
pub(crate) fn render(plan: &Plan, look: Look, verbose: bool) -> String {
    let view = View {
        plan,
        registry: registry(),
        look,
        verbose,
        waves: wave_numbers(plan),
        tainted: tainted(plan),
        redact: Redactor::declared(plan),
    };
    let mut out = String::new();
    view.builds(&mut out);
    view.variables(&mut out);
    view.inputs(&mut out);
    if !plan.outputs.is_empty() {
        line(&mut out, &look.paint(Style::Strong, "Outputs"));
        for output in &plan.outputs {
            let value = match output.complete {
                true => view.value(output.value.value()),
                false => "(needs builds that are left out)".to_owned(),
            };
            line(
                &mut out,
                &format!("  {} = {}", harmless(&output.name), harmless(&value)),
            );
        }
        out.push('\n');
    }
    let totals = totals(plan);
    line(
        &mut out,
        &look.paint(
            Style::Strong,
            &format!(
                "Plan: {}, {}, {}.",
                counted(totals.builds, "build"),
                counted(totals.steps, "step"),
                counted(totals.artifacts, "artifact"),
            ),
        ),
    );
    out
}

/// `1 build`, `2 builds`.
pub(crate) fn counted(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

struct View<'a> {
    plan: &'a Plan,
    registry: Registry,
    look: Look,
    verbose: bool,
    waves: Vec<u32>,
    tainted: Vec<bool>,
    /// For secrets that reached a value without their mark.
    redact: Redactor,
}

impl View<'_> {
    fn value(&self, value: &Value) -> String {
        self.redact.redact(&value.display())
    }

    fn builds(&self, out: &mut String) {
        let mut by_build: Vec<Vec<StepId>> = vec![Vec::new(); self.plan.builds.len()];
        for id in self.plan.step_ids() {
            by_build[self.plan.step(id).build.0 as usize].push(id);
        }
        for (at, build) in self.plan.builds.iter().enumerate() {
            self.heading(build, out);
            for id in &by_build[at] {
                self.step(*id, out);
                if self.plan.step(*id).kind == StepKind::Check {
                    for step in &build.checks {
                        self.inside(step, build, "on the machine that is checked", out);
                    }
                }
            }
            for step in &build.cleanup {
                self.inside(step, build, "only after a failure", out);
            }
            out.push('\n');
        }
        let mut sorted = self.waves.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            line(
                out,
                "Steps with the same number can run at the same time.\n",
            );
        }
    }

    fn heading(&self, build: &Build, out: &mut String) {
        let address = self.look.paint(Style::Strong, &harmless(&build.address));
        let builder = &build.builder;
        let communicator = &build.communicator;
        let idle = match self.registry.has(ComponentKind::Builder, builder) {
            true => "",
            false => IDLE,
        };
        let about = format!("builder {builder}, communicator {communicator}{idle}");
        line(
            out,
            &format!("{address}  {}", self.look.paint(Style::Faint, &about)),
        );
        if let Some(description) = &build.description {
            let description = self.redact.redact(description);
            for text in harmless(&description).lines() {
                line(out, &format!("  {text}"));
            }
        }
        if !build.selected {
            let id = self
                .plan
                .builds
                .iter()
                .position(|other| std::ptr::eq(other, build));
            let users = self.plan.builds.iter().filter(|other| {
                let mut uses = other.uses.iter();
                uses.any(|used| Some(used.0 as usize) == id)
            });
            let users: Vec<&str> = users.map(|user| user.address.as_str()).collect();
            line(out, &format!("  needed by {}", harmless(&users.join(", "))));
        }
        self.options(build.source.value(), 2, out);
    }

    fn can_run(&self, step: &Step) -> bool {
        match &step.kind {
            StepKind::Provision { provisioner, .. } => {
                self.registry.has(ComponentKind::Provisioner, provisioner)
            }
            StepKind::PostProcess { post_processor, .. } => self
                .registry
                .has(ComponentKind::PostProcessor, post_processor),
            _ => true,
        }
    }

    fn step(&self, id: StepId, out: &mut String) {
        let step = self.plan.step(id);
        let number = self.waves[id.0 as usize];
        let name = match self.verbose {
            true => &step.address,
            false => short_address(self.plan, step),
        };
        let mut text = format!(
            "  {number:>2}  {}",
            self.look.paint(Style::Name, &harmless(name))
        );
        if let Some(component) = component(step) {
            let _ = write!(text, "  {component}");
            if !self.can_run(step) {
                text.push_str(&self.look.paint(Style::Faint, IDLE));
            }
        } else if step.kind == StepKind::Check {
            text.push_str("  on a machine that is started from what was made");
        } else if let StepKind::Publish { makes, .. } = &step.kind {
            let _ = write!(text, "  {}", harmless(&self.redact.redact(makes)));
        } else if self.verbose && !name.ends_with(kind_word(&step.kind)) {
            let _ = write!(text, "  {}", kind_word(&step.kind));
        }
        if let Some(undo) = step.undo {
            text.push_str(&self.look.paint(Style::Faint, &format!("  (undo: {undo})")));
        }
        line(out, &text);
        self.options(step.options.value(), 6, out);
        self.limits(step, out);
        if self.verbose {
            self.reasons(id, step, out);
        }
    }

    fn limits(&self, step: &Step, out: &mut String) {
        let mut limits = limits(&step.limits);
        if step.checkpoint {
            limits.push("a later run can begin behind it".to_owned());
        }
        if !limits.is_empty() {
            line(out, &self.faint(&format!("      {}", limits.join(", "))));
        }
    }

    fn reasons(&self, id: StepId, step: &Step, out: &mut String) {
        for need in &step.needs {
            let why = match need.kind {
                NeedKind::Data => "uses what it yields",
                NeedKind::Order => "order",
            };
            let address = &self.plan.step(need.step).address;
            line(out, &self.faint(&format!("      after {address} ({why})")));
        }
        for (name, ty) in &step.outputs {
            line(out, &self.faint(&format!("      yields {name}: {ty}")));
        }
        let digest = match self.tainted[id.0 as usize] {
            true => "(sensitive)",
            false => &step.digest,
        };
        line(out, &self.faint(&format!("      digest {digest}")));
    }

    /// A step that is none of the graph by itself; `when` it runs.
    fn inside(&self, step: &Step, build: &Build, when: &str, out: &mut String) {
        let short = step
            .address
            .strip_prefix(build.address.as_str())
            .map_or(step.address.as_str(), |rest| rest.trim_start_matches('.'));
        let name = self.look.paint(Style::Name, &harmless(short));
        let component = component(step).unwrap_or_default();
        line(
            out,
            &format!(
                "   -  {name}  {component}  {}",
                self.faint(&format!("({when})"))
            ),
        );
        self.options(step.options.value(), 6, out);
        self.limits(step, out);
    }

    /// The options, one a line; nothing for null and for what is not an object.
    fn options(&self, options: &Value, indent: usize, out: &mut String) {
        if options.is_sensitive() {
            line(out, &format!("{:indent$}(sensitive)", ""));
            return;
        }
        let Some(entries) = options.as_map() else {
            return;
        };
        let given: Vec<_> = entries
            .iter()
            .filter(|(_, value)| !value.is_null())
            .collect();
        let shown = match self.verbose {
            true => given.len(),
            // One more line says no more than the option itself would.
            false if given.len() <= TERSE_OPTIONS + 1 => given.len(),
            false => TERSE_OPTIONS,
        };
        for (name, value) in &given[..shown] {
            self.option(name, value, indent, out);
        }
        if shown < given.len() {
            let more = format!(
                "{:indent$}... and {} more (-v shows all)",
                "",
                given.len() - shown
            );
            line(out, &self.faint(&more));
        }
    }

    fn option(&self, name: &str, value: &Value, indent: usize, out: &mut String) {
        let text = self.value(value);
        let text = harmless(&text);
        if !self.verbose {
            line(
                out,
                &format!("{:indent$}{name} = {}", "", cut(&text, TERSE_WIDTH)),
            );
            return;
        }
        let long = text.chars().count() > 100;
        match value.as_slice().filter(|_| long && !value.is_sensitive()) {
            None => line(out, &format!("{:indent$}{name} = {text}", "")),
            Some(elements) => {
                line(out, &format!("{:indent$}{name} = [", ""));
                for element in elements {
                    let element = self.value(element);
                    line(out, &format!("{:indent$}  {},", "", harmless(&element)));
                }
                line(out, &format!("{:indent$}]", ""));
            }
        }
    }

    fn variables(&self, out: &mut String) {
        let variables = &self.plan.variables;
        if variables.is_empty() {
            return;
        }
        line(out, &self.look.paint(Style::Strong, "Variables"));
        let width = variables.iter().map(|v| v.name.chars().count()).max();
        let width = width.unwrap_or(0);
        for variable in variables {
            let value = self.value(&variable.value);
            let value = match self.verbose {
                true => harmless(&value).into_owned(),
                false => cut(&harmless(&value), TERSE_WIDTH),
            };
            let origin = self.faint(&format!("({})", harmless(&variable.origin)));
            line(
                out,
                &format!("  {:width$} = {value}  {origin}", variable.name.as_str()),
            );
        }
        out.push('\n');
    }

    fn inputs(&self, out: &mut String) {
        if !self.verbose || self.plan.inputs.is_empty() {
            return;
        }
        line(out, &self.look.paint(Style::Strong, "Inputs"));
        for input in &self.plan.inputs {
            let digest = match input.kind {
                "environment" => "",
                _ => &input.digest,
            };
            let text = format!(
                "  {} {}  {}",
                input.kind,
                harmless(&input.name),
                self.faint(digest)
            );
            line(out, text.trim_end());
        }
        out.push('\n');
    }

    fn faint(&self, text: &str) -> String {
        self.look.paint(Style::Faint, text)
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// At most `width` characters; what is cut is marked.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(width - 3).collect();
            format!("{kept}...")
        }
    }
}

fn limits(limits: &Limits) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(pause) = limits.pause_before {
        texts.push(format!("waits {} before", duration(pause)));
    }
    if let Some(timeout) = limits.timeout {
        texts.push(format!("at most {}", duration(timeout)));
    }
    if limits.max_retries > 0 {
        texts.push(format!(
            "up to {}",
            counted(limits.max_retries as usize, "retry").replace("retrys", "retries")
        ));
    }
    if limits.continue_on_error {
        texts.push("goes on after a failure".to_owned());
    }
    texts
}

/// `1h2m3s`, as Packer's users write durations.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = duration.subsec_millis();
    let mut text = String::new();
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    if fraction > 0 && seconds < 60 {
        let _ = write!(text, "{rest}.{}s", fraction / 100);
    } else if rest > 0 || text.is_empty() {
        let _ = write!(text, "{rest}s");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn terse() {
        let text = render(&sample::plan(), Look::default(), false);
        assert!(!text.contains(sample::SECRET));
        insta::assert_snapshot!(text, @r#"
        build.web.null.base  builder null, communicator ssh
          A web server.
          communicator = "ssh"
          pause_before_connecting = "10s"
          ssh_host = "192.0.2.1"
          ssh_password = (sensitive)
          ssh_port = 22
          ... and 2 more (-v shows all)
           1  prepare
           2  launch  (undo: release the machine)
           3  connect
           4  provisioner[0]  shell
              environment_vars = [(sensitive)]
              inline = ["apt-get update", "apt-get install --yes nginx-light openssl curl ca...
              waits 1m30s before, at most 10m, up to 2 retries
           5  provisioner[1]  shell
              inline = (known at run time)
           6  capture

        build.note.file.readme  builder file, communicator none
          content = "hello\n"
          target = "readme.txt"
           1  launch
           2  capture
           3  post-processor[0][0]  checksum
           3  post-processor[1][0]  manifest
           -  error-cleanup-provisioner[0]  shell  (only after a failure)
              inline = ["echo sorry"]
              waits 1m30s before, at most 10m, up to 2 retries

        Steps with the same number can run at the same time.

        Variables
          name     = "web"  (default)
          password = (sensitive)  (environment PKR_VAR_password)

        Plan: 2 builds, 10 steps, 1 artifact.
        "#);
    }

    #[test]
    fn verbose() {
        let text = render(&sample::plan(), Look::default(), true);
        assert!(!text.contains(sample::SECRET));
        insta::assert_snapshot!(text, @r#"
        build.web.null.base  builder null, communicator ssh
          A web server.
          communicator = "ssh"
          pause_before_connecting = "10s"
          ssh_host = "192.0.2.1"
          ssh_password = (sensitive)
          ssh_port = 22
          ssh_timeout = "5m"
          ssh_username = "root"
           1  build.web.null.base.prepare
              digest (sensitive)
           2  build.web.null.base.launch  (undo: release the machine)
              after build.web.null.base.prepare (order)
              digest (sensitive)
           3  build.web.null.base.connect
              after build.web.null.base.launch (order)
              digest (sensitive)
           4  build.web.null.base.provisioner[0]  shell
              environment_vars = [(sensitive)]
              inline = ["apt-get update", "apt-get install --yes nginx-light openssl curl ca-certificates", "echo done"]
              waits 1m30s before, at most 10m, up to 2 retries
              after build.web.null.base.connect (order)
              digest (sensitive)
           5  build.web.null.base.provisioner[1]  shell
              inline = (known at run time)
              after build.web.null.base.provisioner[0] (order)
              digest (sensitive)
           6  build.web.null.base.capture
              after build.web.null.base.provisioner[1] (order)
              digest (sensitive)

        build.note.file.readme  builder file, communicator none
          content = "hello\n"
          target = "readme.txt"
           1  build.note.file.readme.launch
              digest 0606060606060606060606060606060606060606060606060606060606060606
           2  build.note.file.readme.capture
              after build.note.file.readme.launch (order)
              digest 0707070707070707070707070707070707070707070707070707070707070707
           3  build.note.file.readme.post-processor[0][0]  checksum
              after build.note.file.readme.capture (uses what it yields)
              yields artifact: any
              digest 0808080808080808080808080808080808080808080808080808080808080808
           3  build.note.file.readme.post-processor[1][0]  manifest
              after build.note.file.readme.capture (uses what it yields)
              yields artifact: any
              digest 0909090909090909090909090909090909090909090909090909090909090909
           -  error-cleanup-provisioner[0]  shell  (only after a failure)
              inline = ["echo sorry"]
              waits 1m30s before, at most 10m, up to 2 retries

        Steps with the same number can run at the same time.

        Variables
          name     = "web"  (default)
          password = (sensitive)  (environment PKR_VAR_password)

        Inputs
          file setup.sh  f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0
          environment PKR_VAR_password

        Plan: 2 builds, 10 steps, 1 artifact.
        "#);
    }

    #[test]
    fn durations_as_users_write_them() {
        let texts = [0, 900, 5_000, 90_000, 3_600_000, 3_725_500]
            .map(|milliseconds| duration(Duration::from_millis(milliseconds)));
        assert_eq!(texts, ["0s", "0.9s", "5s", "1m30s", "1h", "1h2m5s"]);
    }
}
