//! Comments, attributes, blocks.

use crate::check;

#[test]
fn comments_of_all_three_kinds_are_nothing() {
    check(&[
        ("", ""),
        ("# one\n", ""),
        ("// two\n", ""),
        ("/* three\n   lines\n   long */\n", ""),
        ("# without a line end", ""),
        ("/**/", ""),
        ("/* a /* does not nest */ a = 1\n", "a = 1"),
        (
            "a = 1 # behind\nb = 2 // behind\nc = /* within */ 3\n",
            "a = 1\nb = 2\nc = 3",
        ),
        (
            "a = \"# not one\"\nb = \"// nor this\"\n",
            "a = \"# not one\"\nb = \"// nor this\"",
        ),
        ("/* open\n", "1:1 syntax/unclosed-comment"),
    ]);
}

#[test]
fn attributes_stand_on_lines_of_their_own() {
    check(&[
        ("a = \"1\"\nb = \"2\"\n", "a = \"1\"\nb = \"2\""),
        ("a = \"1\"\n\n\nb = \"2\"", "a = \"1\"\nb = \"2\""),
        ("a=1\r\nb=2\r\n", "a = 1\nb = 2"),
        ("a-b = 1\na_b = 2\né = 3\n", "a-b = 1\na_b = 2\né = 3"),
        ("a = \"1\", b = \"2\"\n", "1:8 syntax/stray-comma"),
        ("a = 1 b = 2\n", "1:6 syntax/missing-newline"),
        ("a =\n", "1:4 syntax/expected-expression"),
        ("a\n", "1:2 syntax/expected-equals"),
        ("1a = 1\n", "1:1 syntax/invalid-number"),
    ]);
}

#[test]
fn blocks_have_a_type_labels_and_a_body() {
    check(&[
        ("a {}\n", "a"),
        ("a {\n}\n", "a"),
        ("a {\n\n}\n", "a"),
        ("a { b = \"c\" }\n", "a\na.b = \"c\""),
        ("a \"l\" m {\n  b = 1\n}\n", "a[l][m]\na[l][m].b = 1"),
        (
            "a {\n  b \"l\" {\n    c = 1\n  }\n  d = 2\n}\n",
            "a\na.d = 2\na.b[l]\na.b[l].c = 1",
        ),
        ("a \"with \\\"quotes\\\"\" {}\n", "a[with \"quotes\"]"),
        ("a {} b {}\n", "1:5 syntax/missing-newline"),
        ("a\n{\n}\n", "1:2 syntax/brace-on-next-line"),
        ("a \"${b}\" {}\n", "1:4 syntax/label-template"),
        ("a {\n", "1:4 syntax/unclosed-block"),
        ("}\n", "1:1 syntax/unexpected-closing"),
    ]);
}

#[test]
fn a_block_on_one_line_has_one_attribute_at_most() {
    check(&[
        ("a { b = 1, c = 2 }\n", "1:10 syntax/one-line-block"),
        ("a { b = 1\n}\n", "1:10 syntax/one-line-block"),
        ("a { b = 1\n  c = 2 }\n", "2:3 syntax/one-line-block"),
        ("a { b = 1\n  c = 2\n}\n", "2:3 syntax/one-line-block"),
        ("a { d {} }\n", "1:5 syntax/one-line-block"),
        ("a { b = [\n  1,\n] }\n", "a\na.b = [1]"),
    ]);
}
