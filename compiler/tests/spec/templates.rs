//! Quoted templates and heredocs: escapes, interpolations, directives, strip markers, indentation.

use crate::{check, check_expressions};

#[test]
fn quoted_templates() {
    check_expressions(&[
        ("\"a ${word} b\"", "\"a word b\""),
        ("\"${1 + 1} and ${true}\"", "\"2 and true\""),
        // Nothing but one interpolation is the value itself.
        ("\"${[1]}\"", "[1]"),
        ("\" ${~ 1 ~} \"", "\"1\""),
        ("\"${\"${word}\"}\"", "\"word\""),
        (
            "\"\\n\\r\\t\\\"\\\\\\u00e9\\U0001F600\"",
            "\"\\n\\r\\t\\\"\\\\é😀\"",
        ),
        (
            "\"$${word} %%{if} $ $$ % %% $a\"",
            "\"$${word} %%{if} $ $$ % %% $a\"",
        ),
        ("\"\\q\"", "1:6 syntax/invalid-escape"),
        ("\"a ${null}\"", "1:10 eval/null"),
        ("\"a ${words}\"", "1:10 eval/template"),
        ("\"a ${later}\"", "(known at run time): string"),
        ("\"open", "1:10 syntax/unclosed-string"),
        ("\"${}\"", "1:8 syntax/expected-expression"),
    ]);
}

#[test]
fn directives() {
    check_expressions(&[
        ("\"%{ if true }yes%{ endif }\"", "\"yes\""),
        ("\"%{ if false }yes%{ else }no%{ endif }\"", "\"no\""),
        ("\"%{ for w in words }<${w}>%{ endfor }\"", "\"<one><two>\""),
        (
            "\"%{ for i, w in words }${i}%{ if w == \"two\" }!%{ endif }%{ endfor }\"",
            "\"01!\"",
        ),
        ("\"a %{~ if true ~} b %{~ endif ~} c\"", "\"abc\""),
        ("\"%{ if word }x%{ endif }\"", "1:12 eval/condition"),
        (
            "\"%{ for x in word }x%{ endfor }\"",
            "1:18 eval/not-a-collection",
        ),
        ("\"%{ if true }x\"", "1:6 syntax/unclosed-directive"),
        ("\"x%{ endif }\"", "1:7 syntax/unexpected-directive"),
    ]);
}

#[test]
fn heredocs_keep_their_lines() {
    check(&[
        ("a = <<E\none\ntwo\nE\n", "a = \"one\\ntwo\\n\""),
        (
            "a = <<E\n  one\n    two\n  E\n",
            "a = \"  one\\n    two\\n\"",
        ),
        (
            "a = <<E\n\none\n\ntwo\n\nE\n",
            "a = \"\\none\\n\\ntwo\\n\\n\"",
        ),
        ("a = <<E\nE\n", "a = \"\""),
        ("a = <<E\nnot E\nE\n", "a = \"not E\\n\""),
        ("a = <<E\nEE\n  E \n", "a = \"EE\\n\""),
        ("a = <<E\n${word}\nE\n", "a = \"word\\n\""),
        (
            "a = <<E\n\\n \"quoted\" $${word}\nE\n",
            "a = \"\\\\n \\\"quoted\\\" $${word}\\n\"",
        ),
        ("a = [<<E\none\nE\n, 2]\n", "a = [\"one\\n\", 2]"),
        ("a = <<E\r\none\r\nE\r\n", "a = \"one\\r\\n\""),
        ("a = <<E\none\n", "1:5 syntax/unclosed-heredoc"),
    ]);
}

#[test]
fn flush_heredocs_lose_the_indentation_their_lines_share() {
    check(&[
        ("a = <<-E\none\nE\n", "a = \"one\\n\""),
        ("a = <<-E\n  one\n  two\n  E\n", "a = \"one\\ntwo\\n\""),
        (
            "a = <<-E\n    one\n      two\n    E\n",
            "a = \"one\\n  two\\n\"",
        ),
        (
            "a = <<-E\n      one\n    two\n      E\n",
            "a = \"  one\\ntwo\\n\"",
        ),
        // A tab counts as one, as does every other blank.
        ("a = <<-E\n\tone\n  two\n  E\n", "a = \"one\\n two\\n\""),
        (
            "a = <<-E\n  \u{2003}\u{2003}one\n   two\n  E\n",
            "a = \"\u{2003}one\\ntwo\\n\"",
        ),
        // Lines without anything do not count.
        (
            "a = <<-E\n    one\n\n    two\n  E\n",
            "a = \"one\\n\\ntwo\\n\"",
        ),
        (
            "a = <<-E\n    one\n    ${word}\n      two\n  E\n",
            "a = \"one\\nword\\n  two\\n\"",
        ),
        (
            "a = <<-E\n    one\n  ${blanks}two\n  E\n",
            "a = \"  one\\n   two\\n\"",
        ),
    ]);
}

#[test]
fn strip_markers_take_the_blanks_beside_them() {
    check(&[
        (
            "a = <<E\n%{ for w in words ~}\n${w}\n%{ endfor ~}\nend\nE\n",
            "a = \"one\\ntwo\\nend\\n\"",
        ),
        (
            "a = <<-E\n  %{ for w in words }\n  - ${w}\n  %{ endfor }\n  E\n",
            "a = \"\\n- one\\n\\n- two\\n\\n\"",
        ),
        (
            "a = <<-E\n  %{ if true ~}\n  yes\n  %{ else ~}\n  no\n  %{ endif ~}\n  E\n",
            "a = \"  yes\\n\"",
        ),
        ("a = \"x   ${~ word ~}   y\"\n", "a = \"xwordy\""),
    ]);
}
