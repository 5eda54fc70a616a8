//! `cargo xtask tree FILE`: what the parser sees, for the people who work on it.

use std::fmt::Write;

use imgc_syntax::hcl;

/// Tokens and nodes of an HCL text, one a line, then the errors with their byte offsets.
pub(crate) fn dump(text: &str) -> String {
    let parse = hcl::parse(text);
    let mut out = hcl::tree_dump(&parse.syntax());
    for error in parse.errors() {
        let written = writeln!(
            out,
            "error {}..{} {}: {}",
            error.start, error.end, error.id, error.message
        );
        written.expect("writing to a string cannot fail");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::dump;

    #[test]
    fn tokens_and_errors_are_both_there() {
        let dump = dump("name = \n");
        assert!(dump.contains("\"name\""), "{dump}");
        assert!(
            dump.contains("error 6..6 syntax/expected-expression"),
            "{dump}"
        );
    }
}
