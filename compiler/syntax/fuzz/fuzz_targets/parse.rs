//! Any text: no panic, no byte lost, every view can be visited, depth stays bounded.
#![no_main]

#[path = "../../tests/support/visit.rs"]
mod visit;

use imgc_syntax::hcl::{MAX_DEPTH, parse, parse_expression, parse_template, tree_dump};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for parse in [parse(text), parse_expression(text), parse_template(text)] {
        let root = parse.syntax();
        assert_eq!(root.text().to_string(), text);
        assert!(visit::visit(&root) <= MAX_DEPTH + 8);
        assert!(tree_dump(&root).lines().count() >= 1);
        for error in parse.errors() {
            assert!(text.get(error.start as usize..error.end as usize).is_some(), "{error:?}");
        }
    }
});
