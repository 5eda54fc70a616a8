//! Which names are near enough for "did you mean".

use imgc_compiler::diagnostic::nearest;

#[test]
fn a_third_of_the_letters_may_be_wrong() {
    let near = |wanted: &str, known: &'static str| nearest(wanted, [known]).is_some();
    for (wanted, known) in [
        ("regon", "region"),
        ("nmae", "name"),
        ("comunicatr", "communicator"),
        ("Region", "region"),
        ("nam", "name"),
        ("aa", "a"),
        ("harden", "hardening"),
    ] {
        assert!(near(wanted, known), "{wanted} {known}");
    }
    for (wanted, known) in [
        ("nope", "home"),
        ("foo", "not"),
        ("nine", "one"),
        ("", "l"),
        ("b", "a"),
    ] {
        assert!(!near(wanted, known), "{wanted} {known}");
    }
}

#[test]
fn the_nearest_wins() {
    assert_eq!(
        nearest("locls", ["local", "locals", "labels"]),
        Some("locals")
    );
}
