//! Colour, and who asks for it.

use crate::harness::Test;

const BROKEN: &str = "build {\n  sources = [\"source.null.bas\"]\n}\n";

#[test]
fn no_colour_unless_there_is_a_terminal_or_it_is_forced() {
    let coloured = |test: Test, arguments: &[&str]| test.run(arguments).stderr.contains("\x1b[");
    assert!(!coloured(Test::new(BROKEN), &["validate", "."]));
    assert!(coloured(
        Test::new(BROKEN).env("CLICOLOR_FORCE", "1"),
        &["validate", "."]
    ));
    assert!(coloured(Test::new(BROKEN), &["validate", "-color", "."]));
    let both = || {
        Test::new(BROKEN)
            .env("CLICOLOR_FORCE", "1")
            .env("NO_COLOR", "1")
    };
    assert!(!coloured(both(), &["validate", "."]));
    let forced = || Test::new(BROKEN).env("CLICOLOR_FORCE", "1");
    assert!(!coloured(forced(), &["validate", "-color=false", "."]));
    assert!(!coloured(forced(), &["-no-color", "validate", "."]));
    let packer = Test::new(BROKEN)
        .env("CLICOLOR_FORCE", "1")
        .env("PACKER_NO_COLOR", "1");
    assert!(!coloured(packer, &["validate", "."]));
}
