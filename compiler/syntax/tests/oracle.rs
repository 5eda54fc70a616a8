//! Our parser against hcl-edit: for every text that hcl-edit accepts, both must see the same structure.
//!
//! Where hcl-edit differs from the specification is in [`known_differences`].
#![allow(clippy::unwrap_used)]

mod support;

use support::{corpus, ours, theirs};

#[test]
fn same_structure_as_hcl_edit_on_every_template() {
    let mut compared = 0;
    for (path, text) in corpus() {
        let Some(expected) = theirs(&text) else {
            let error = hcl_edit::parser::parse_body(&text).unwrap_err();
            panic!("hcl-edit does not accept {path}; list it as a known difference: {error}")
        };
        same(&path, &expected, &ours(&text));
        compared += 1;
        // The same with the line ends of Windows. Heredocs then hold them too, as in the Go implementation; hcl-edit loses
        // them where it removes indentation.
        let windows = text.replace('\n', "\r\n");
        let Some(expected) = theirs(&windows) else {
            panic!("hcl-edit does not accept {path} with CRLF")
        };
        let unix = |shape: String| shape.replace(r"\r\n", r"\n");
        same(&path, &unix(expected), &unix(ours(&windows)));
    }
    assert!(compared >= 15, "only {compared} templates were compared");
}

fn same(path: &str, theirs: &str, ours: &str) {
    for (theirs, ours) in theirs.lines().zip(ours.lines()) {
        assert_eq!(
            theirs, ours,
            "hcl-edit on the left, we on the right, in {path}"
        );
    }
    assert_eq!(
        theirs.lines().count(),
        ours.lines().count(),
        "number of items in {path}"
    );
}
