//! What all targets do with a text.

use std::sync::Arc;

use imgc_compiler::compile::{Request, compile};
use imgc_compiler::components::Everything;
use imgc_compiler::diagnostic::plain;
use imgc_compiler::source::{FixedWorld, Memory, World};

/// Compiles the bytes as the file `name`: it ends, does not panic, and every diagnostic and every fix points into a text.
pub fn compile_as(name: &str, data: &[u8]) {
    let sources = Memory::new([(name, data)]);
    let world: Arc<dyn World> = Arc::new(FixedWorld::default());
    let request = Request { path: name.into(), ..Request::default() };
    let compilation = compile(&request, &sources, &world, &Everything);
    for diagnostic in &compilation.diagnostics {
        let edits = diagnostic.fixes.iter().flat_map(|fix| &fix.edits);
        let labels = diagnostic.labels.iter().map(|label| label.span);
        for span in edits.map(|edit| edit.span).chain(labels).chain([diagnostic.span]) {
            let file = compilation.sources.file(span.file);
            assert!(file.text.get(span.start as usize..span.end as usize).is_some());
        }
    }
    plain::render(&compilation.sources, &compilation.diagnostics);
}
