//! The commands, one module each; here what they share.

mod apply;
mod attach;
pub(crate) mod cache;
mod console;
mod convert;
mod explain;
mod fix;
mod fmt;
mod gc;
mod graph;
mod help;
pub(crate) mod history;
mod images;
mod init;
mod inspect;
mod logs;
mod lsp;
mod output;
mod plan;
mod plugins;
#[cfg(feature = "aws")]
mod rollback;
mod schema;
mod show;
mod update;
mod validate;
mod version;

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;

use clap::CommandFactory as _;
use imgc_compiler::compile::{self, Compilation, Request};
use imgc_compiler::plan::Plan;
use imgc_compiler::source::{Sources, World};
use imgc_runtime::redact::{self, Redactor};

use crate::args::{Cli, Command, IgnoredArgs};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Terminal, complain, print, shown_path};
use crate::world::{Disk, RealWorld};
use crate::{components, diagnostics, plan_file};

pub(crate) use explain::page;

/// Does what the command line asks for.
pub(crate) fn run(cli: Cli, terminal: Terminal) -> Outcome {
    let display = cli.display;
    match cli.command {
        Command::Plan(args) => plan::run(&args, terminal),
        Command::Apply(args) => apply::apply(args, &display, terminal),
        Command::Build(args) => apply::build(args, &display, terminal),
        Command::Validate(args) => validate::run(&args, terminal),
        Command::Graph(args) => graph::run(&args, terminal),
        Command::Output(args) => output::run(&args),
        Command::History(args) => history::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Attach(args) => attach::attach(&args),
        Command::Release(args) => attach::release(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Images(args) => images::run(&args),
        #[cfg(feature = "aws")]
        Command::Rollback(args) => rollback::run(&args),
        Command::Gc(args) => gc::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Update(args) => update::run(&args, terminal),
        Command::Inspect(args) => inspect::run(&args, &display, terminal),
        Command::Console(args) => console::run(&args, terminal),
        Command::Convert(args) => convert::run(&args, terminal),
        Command::Fix(args) => fix::run(&args, terminal),
        Command::Fmt(args) => fmt::run(&args, terminal),
        Command::Explain(args) => explain::run(&args),
        Command::Schema(args) => schema::run(&args, terminal),
        Command::Init(args) => init::run(&args, terminal),
        Command::Plugins(args) => plugins::run(&args, terminal),
        Command::Lsp(args) => lsp::run(&args),
        Command::Completions(args) => {
            let mut script = Vec::new();
            let mut command = Cli::command();
            clap_complete::generate(args.shell, &mut command, "imgc", &mut script);
            print(&String::from_utf8_lossy(&script)).map(|()| Exit::Done)
        }
        Command::Version(args) => version::run(&args, &display),
        Command::Help(args) => help::run(&args),
        Command::ComponentPages(args) => crate::component_pages::write(&args.directory),
        Command::CliReference => print(&crate::reference::page()).map(|()| Exit::Done),
    }
}

/// Compiles, in the world as it is now.
///
/// It is never dropped: what a template of megabytes is made of takes a while to take apart, and the process ends anyway.
fn compile(request: &Request) -> (ManuallyDrop<Compilation>, Arc<RealWorld>) {
    compile_in(request, RealWorld::new())
}

/// Compiles in a given world, which goes online if the request says so.
fn compile_in(request: &Request, world: RealWorld) -> (ManuallyDrop<Compilation>, Arc<RealWorld>) {
    compile_from(request, &Disk, Arc::new(world.online(request.online)))
}

/// Compiles given texts in a given world.
fn compile_from(
    request: &Request,
    sources: &dyn Sources,
    world: Arc<RealWorld>,
) -> (ManuallyDrop<Compilation>, Arc<RealWorld>) {
    // The process ends soon; taking it apart would only take time.
    let registry = ManuallyDrop::new(components::registry());
    let door: Arc<dyn World> = world.clone();
    let mut compilation = compile::compile(request, sources, &door, &*registry);
    if let (Some(plan), false) = (&compilation.plan, compilation.diagnostics.is_empty()) {
        let redactor = Redactor::declared(plan);
        for problem in &mut compilation.diagnostics {
            redact::diagnostic(problem, &redactor);
        }
    }
    (ManuallyDrop::new(compilation), world)
}

/// The plan of a compilation; its problems go to standard error.
fn planned(
    mut compilation: ManuallyDrop<Compilation>,
    terminal: Terminal,
) -> Result<Plan, Failure> {
    complain(&diagnostics::render(&compilation, terminal.err));
    match compilation.plan.take() {
        Some(plan) if !compilation.has_errors() => Ok(plan),
        _ => Err(Failure::said(exit_of(&compilation))),
    }
}

/// The code for a compilation with errors: the template, or the file that cannot be read.
fn exit_of(compilation: &Compilation) -> Exit {
    match &compilation.unreadable {
        Some(unreadable) => diagnostics::unreadable_failure(unreadable).exit,
        None => Exit::Template,
    }
}

/// Says so when there is nothing to make, which is seldom meant.
fn note_empty(plan: &Plan) {
    if plan.builds.is_empty() {
        complain("note: the template has no builds: there is nothing to make\n");
    }
}

/// A plan file where a template belongs.
fn refuse_plan_file(command: &str, path: &Path) -> Result<(), Failure> {
    if !plan_file::is_one(path) {
        return Ok(());
    }
    let shown = shown_path(path);
    Err(Failure::usage(format!(
        "`{shown}` is a plan file, and `imgc {command}` takes templates"
    ))
    .help(format!("run it with `imgc apply {shown}`")))
}

/// Says what is worth knowing about flags that change nothing.
fn note_ignored(ignored: &IgnoredArgs) {
    for note in ignored.notes() {
        complain(&format!("note: {note}\n"));
    }
}

/// JSON as it is printed: indented, with a line end.
fn json_text(json: &serde_json::Value) -> String {
    format!("{json:#}\n")
}
