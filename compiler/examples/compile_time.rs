//! Compiles a template and says how long it took: `cargo run --release -p imgc-compiler --example compile_time FILE`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measuring tool reads files and prints"
)]

use std::sync::Arc;
use std::time::Instant;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::source::{FixedWorld, Memory, World};

fn main() {
    let path = std::env::args().nth(1).expect("an argument: the template");
    let text = std::fs::read(&path).expect("the template can be read");
    let megabytes = text.len() as f64 / 1e6;
    let sources = Memory::new([("main.pkr.hcl", text)]);
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    let request = Request {
        path: "main.pkr.hcl".into(),
        ..Request::default()
    };
    let start = Instant::now();
    let compilation = compile(&request, &sources, &world, &Everything);
    let took = start.elapsed().as_secs_f64();
    let steps = compilation.plan.as_ref().map_or(0, |plan| plan.steps.len());
    println!(
        "{megabytes:.2} MB, {} problems, {steps} steps: {took:.3} s, {:.3} s/MB",
        compilation.diagnostics.len(),
        took / megabytes
    );
}
