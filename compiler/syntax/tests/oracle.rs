//! Our parser against hcl-edit: for every text that hcl-edit accepts, both must see the same structure.
//!
//! Where hcl-edit differs from the specification is in [`known_differences`].
#![allow(clippy::unwrap_used)]

mod support;

use imgc_syntax::hcl::parse;
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

/// Where hcl-edit reads something else than the specification and the Go implementation do, with what each of us sees;
/// nothing for a text that is not accepted.
#[test]
fn known_differences() {
    let case = |text: &str, expected: Option<&str>, own: Option<&str>| {
        assert_eq!(
            theirs(text).as_deref(),
            expected,
            "hcl-edit on {text:?} changed, perhaps to what it should be"
        );
        let accepted = parse(text).errors().is_empty();
        assert_eq!(
            accepted.then(|| ours(text)).as_deref(),
            own,
            "we on {text:?}"
        );
    };
    // It looks for the end marker of an empty heredoc only from the second line on.
    case(
        "a = <<E\nE\nb = <<E\nE\n",
        Some("a = (heredoc \"E\\nb = <<E\\n\")\n"),
        Some("a = (heredoc )\nb = (heredoc )\n"),
    );
    // It counts a line of blanks for the common indentation; the specification does not, and keeps it as it is.
    case(
        "a = <<-E\n    b\n  \n    c\n  E\n",
        Some("a = (heredoc \"  b\\n\\n  c\\n\")\n"),
        Some("a = (heredoc \"b\\n  \\nc\\n\")\n"),
    );
    // It removes indentation only outside of directives.
    case(
        "a = <<-E\n    %{ if x }\n    y\n    %{ endif }\n    E\n",
        Some("a = (heredoc %{if x: \"\\n    y\\n    \"} \"\\n\")\n"),
        Some("a = (heredoc %{if x: \"\\ny\\n\"} \"\\n\")\n"),
    );
    // It removes the `\r` of each line along with its indentation.
    case(
        "a = <<-E\r\n    b\r\n  E\r\n",
        Some("a = (heredoc \"b\\n\")\n"),
        Some("a = (heredoc \"b\\r\\n\")\n"),
    );
    // It does not decode escapes between the directives of a quoted template.
    case(
        "a = \"%{ if b }\\n%{ endif }\"\n",
        Some("a = (template %{if b: \"\\\\n\"})\n"),
        Some("a = (template %{if b: \"\\n\"})\n"),
    );
    // It lets a line end stand after a dot outside of brackets.
    case("a = b.\nc = 1\n", None, None);
    case("a = b.\nc\n", Some("a = (get b .c)\n"), None);
    // It ends a heredoc at a line that only begins with the marker.
    case(
        "a = [<<E\nx\nE)\nE\n]\n",
        None,
        Some("a = [(heredoc \"x\\nE)\\n\")]\n"),
    );
    // It does not accept a byte order mark; the Go implementation skips it.
    case("\u{feff}a = 1\n", None, Some("a = 1\n"));
    // It refuses to read a name twice; that is for the checks after parsing, which know both places.
    case("a = 1\na = 2\n", None, Some("a = 1\na = 2\n"));
    // It accepts no bare `for` as a key, nor does the Go implementation; here only what cannot be a `for` is a key.
    case("a = {for = 1}\n", None, Some("a = {for: 1}\n"));
}
