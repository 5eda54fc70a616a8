//! Any bytes as a template: compiling ends, does not panic, and every diagnostic points into a text.
//!
//! Run with `RUSTC_BOOTSTRAP=1 cargo fuzz run compile` in `compiler/`.
#![no_main]

use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::diagnostic::plain;
use imgc_compiler::source::{FixedWorld, Memory, World};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let sources = Memory::new([("main.pkr.hcl", data)]);
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    let request = Request { path: "main.pkr.hcl".into(), ..Request::default() };
    let compilation = compile(&request, &sources, &world, &Everything);
    for diagnostic in &compilation.diagnostics {
        let file = compilation.sources.file(diagnostic.span.file);
        assert!(file.text.get(diagnostic.span.start as usize..diagnostic.span.end as usize).is_some());
    }
    plain::render(&compilation.sources, &compilation.diagnostics);
});
