//! What a person sees for each mistake. Each case is one mistake and must give one message.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use imgc_syntax::hcl::{ERROR_IDS, parse};
use insta::assert_snapshot;
use support::errors;

/// The only error of a text, rendered; also checks that the tree holds the text and that items around the mistake survive.
fn one(text: &str) -> String {
    let parse = parse(text);
    assert_eq!(parse.syntax().text().to_string(), text);
    let shown = errors(&parse, text);
    assert_eq!(
        parse.errors().len(),
        1,
        "one mistake, one message:\n{shown}"
    );
    let names = names(text);
    if text.contains("last = 1") {
        assert!(
            names.contains("last"),
            "the item after the mistake is lost: {names:?}\n{shown}"
        );
    }
    shown
}

/// The names of all attributes and blocks, at any depth.
fn names(text: &str) -> BTreeSet<String> {
    support::shape(text)
        .lines()
        .map(|line| {
            line.split_whitespace()
                .next()
                .unwrap_or("")
                .trim_end_matches(':')
                .to_owned()
        })
        .collect()
}

#[test]
fn attributes() {
    assert_snapshot!(one("ami: \"x\"\nlast = 1\n"), @r#"
    syntax/colon-for-equals: attribute `ami` is set with `=`, not with `:`
      1 | ami: "x"
        |    ^
        = help: write `ami = …`
    "#);
    assert_snapshot!(one("ami == \"x\"\nlast = 1\n"), @r#"
    syntax/double-equals: attribute `ami` is set with one `=`
      1 | ami == "x"
        |     ^^
        = help: write `ami = …`
    "#);
    assert_snapshot!(one("a =\nlast = 1\n"), @r"
    syntax/expected-expression: expected an expression after `=`
      1 | a =
        |    ^ a value is missing here
    ");
    assert_snapshot!(one("a = # nothing\nlast = 1\n"), @r"
    syntax/expected-expression: expected an expression after `=`
      1 | a = # nothing
        |    ^ a value is missing here
    ");
    assert_snapshot!(one("b {\n  a \"x\"\n  last = 1\n}\n"), @r#"
    syntax/expected-equals: expected `=` after `a`
      2 |   a "x"
        |    ^
        = help: write `a = …`
    "#);
    assert_snapshot!(one("a 5\nlast = 1\n"), @r"
    syntax/expected-equals: expected `=` after `a`
      1 | a 5
        |  ^
        = help: write `a = …`
    ");
    assert_snapshot!(one("a [1, 2]\nlast = 1\n"), @r"
    syntax/expected-equals: expected `=` after `a`
      1 | a [1, 2]
        |  ^
        = help: write `a = …`
    ");
    assert_snapshot!(one("a\nlast = 1\n"), @r"
    syntax/expected-equals: expected `=` or `{` after `a`
      1 | a
        |  ^
        = help: write `a = value` for an attribute, `a { … }` for a block
    ");
    assert_snapshot!(one("b {\n  a\n}\nlast = 1\n"), @r"
    syntax/expected-equals: expected `=` or `{` after `a`
      2 |   a
        |    ^
        = help: write `a = value` for an attribute, `a { … }` for a block
    ");
    assert_snapshot!(one("a = 1,\nlast = 1\n"), @r"
    syntax/stray-comma: no comma stands after an attribute
      1 | a = 1,
        |      ^
        = help: remove the comma; items end with their line
    ");
    assert_snapshot!(one("a = 1;\nlast = 1\n"), @r"
    syntax/invalid-character: `;` has no meaning here
      1 | a = 1;
        |      ^
        = help: a line end is enough to end an attribute
    ");
    assert_snapshot!(one("a = 1 b = 2\nlast = 1\n"), @r"
    syntax/missing-newline: expected a new line after an attribute
      1 | a = 1 b = 2
        |      ^
        = help: put `b` on a line of its own
    ");
    assert_snapshot!(one("a = 1 2\nlast = 1\n"), @r"
    syntax/unexpected-token: `2` cannot stand here
      1 | a = 1 2
        |       ^
    ");
    assert_snapshot!(one("\"a\" = 1\nlast = 1\n"), @r#"
    syntax/invalid-name: the name of an attribute stands without quotes
      1 | "a" = 1
        | ^^^
        = help: write `a = …`
    "#);
    assert_snapshot!(one("\"a\": 1\nlast = 1\n"), @r#"
    syntax/invalid-name: the name of an attribute stands without quotes
      1 | "a": 1
        | ^^^
        = help: write `a = …`
    "#);
    assert_snapshot!(one("a.b = 1\nlast = 1\n"), @r"
    syntax/invalid-name: only a single name can be set, not a part of `a`
      1 | a.b = 1
        |  ^
        = help: write `a = { … }`
    ");
    assert_snapshot!(one("= 1\nlast = 1\n"), @r"
    syntax/expected-item: expected an attribute or a block, found `=`
      1 | = 1
        | ^
        = help: write `name = value` or `name { … }`
    ");
    assert_snapshot!(one("12\nlast = 1\n"), @r"
    syntax/expected-item: expected an attribute or a block, found `12`
      1 | 12
        | ^^
        = help: write `name = value` or `name { … }`
    ");
}

#[test]
fn blocks() {
    assert_snapshot!(one("b \"x\"\n{\n  a = 1\n}\nlast = 1\n"), @r#"
    syntax/brace-on-next-line: the `{` of block `b` stands on the same line
      1 | b "x"
        |      ^
        = help: move the `{` to the end of this line
    "#);
    assert_snapshot!(one("b \"x\" \"y\"\n  a = 1\n  c = 2\n}\nlast = 1\n"), @r#"
    syntax/expected-equals: expected `{` after the labels of block `b`
      1 | b "x" "y"
        |          ^
        = help: write `b … {` for a block, `b = …` for an attribute
    "#);
    assert_snapshot!(one("b \"x\" = {\n  a = 1\n}\nlast = 1\n"), @r#"
    syntax/invalid-name: only a single name can be set, but labels follow `b`
      1 | b "x" = {
        |       ^
        = help: remove the `=` before the `{` of a block, or the labels of an attribute
    "#);
    assert_snapshot!(one("source \"x\" \"y\nlast = 1\n"), @r#"
    syntax/unclosed-string: this string is not closed
      1 | source "x" "y
        |              ^ expected `"`
        = it begins here: `"`
        = help: write `"` at its end; text of several lines goes into a heredoc, `<<EOF`
    "#);
    assert_snapshot!(one("b \"${x}\" {\n}\nlast = 1\n"), @r#"
    syntax/label-template: the label of a block is fixed text
      1 | b "${x}" {
        |    ^^
        = help: write the text out, or double the first character to have it as it is
    "#);
    assert_snapshot!(one("b { a = 1, c = 2 }\nlast = 1\n"), @r"
    syntax/one-line-block: a block on one line holds one attribute and nothing else
      1 | b { a = 1, c = 2 }
        |          ^
        = help: put each item and the `}` on a line of its own
    ");
    assert_snapshot!(one("b { a = 1\n}\nlast = 1\n"), @r"
    syntax/one-line-block: a block on one line holds one attribute and nothing else
      1 | b { a = 1
        |          ^
        = help: put each item and the `}` on a line of its own
    ");
    assert_snapshot!(one("b { c { } }\nlast = 1\n"), @r"
    syntax/one-line-block: a block on one line holds one attribute and nothing else
      1 | b { c { } }
        |     ^
        = help: put each item and the `}` on a line of its own
    ");
    assert_snapshot!(one("b {\n  a = 1\n},\nlast = 1\n"), @r"
    syntax/stray-comma: no comma stands after a block
      3 | },
        |  ^
        = help: remove the comma; items end with their line
    ");
    assert_snapshot!(one("b {\n  a = 1\n} c {\n}\nlast = 1\n"), @r"
    syntax/missing-newline: expected a new line after a block
      3 | } c {
        |  ^
        = help: put `c` on a line of its own
    ");
    assert_snapshot!(one("b {\n  a = 1\n}\n}\nlast = 1\n"), @r"
    syntax/unexpected-closing: `}` closes nothing
      4 | }
        | ^
        = help: remove it, or look above for a block that was closed too early
    ");
    assert_snapshot!(one("b {\n  a = 1\n\nc \"x\" {\n  d = 2\n}\nlast = 1\n"), @r"
    syntax/unclosed-block: this block is not closed
      2 |   a = 1
        |        ^ expected `}`
        = it begins here: `b {`
    ");
    assert_snapshot!(one("b {\n  c {\n    a = 1\n}\nlast = 1\n"), @r"
    syntax/unclosed-block: this block is not closed
      3 |     a = 1
        |          ^ expected `}`
        = it begins here: `c {`
    ");
    assert_snapshot!(one("last = 1\nb {\n  a = 1\n"), @r"
    syntax/unclosed-block: this block is not closed
      3 |   a = 1
        |        ^ expected `}`
        = it begins here: `b {`
    ");
}

#[test]
fn strings() {
    assert_snapshot!(one("a = 'x'\nlast = 1\n"), @r#"
    syntax/wrong-quotes: strings stand in straight double quotes
      1 | a = 'x'
        |     ^^^
        = help: write `"x"`
    "#);
    assert_snapshot!(one("a = it's\nlast = 1\n"), @r#"
    syntax/wrong-quotes: strings stand in straight double quotes
      1 | a = it's
        |       ^
        = help: write `"` on both sides of a string
    "#);
    assert_snapshot!(one("a = \"x\nlast = 1\n"), @r#"
    syntax/unclosed-string: this string is not closed
      1 | a = "x
        |       ^ expected `"`
        = it begins here: `"`
        = help: write `"` at its end; text of several lines goes into a heredoc, `<<EOF`
    "#);
    assert_snapshot!(one("a = [\"x\", \"y]\nlast = 1\n"), @r#"
    syntax/unclosed-string: this string is not closed
      1 | a = ["x", "y]
        |              ^ expected `"`
        = it begins here: `"`
        = help: write `"` at its end; text of several lines goes into a heredoc, `<<EOF`
    "#);
    assert_snapshot!(one("a = \"x\\d\"\nlast = 1\n"), @r#"
    syntax/invalid-escape: `\d` is not an escape
      1 | a = "x\d"
        |       ^^
        = help: write `\\d` for a backslash; the escapes are \n \r \t \" \\ \uXXXX \UXXXXXXXX
    "#);
    assert_snapshot!(one("a = \"\\u12\"\nlast = 1\n"), @r#"
    syntax/invalid-escape: `\u12` is not an escape
      1 | a = "\u12"
        |      ^^^^
        = help: write `\u` and four hexadecimal digits, or `\U` and eight
    "#);
    assert_snapshot!(one("a = \"\\ud800\"\nlast = 1\n"), @r#"
    syntax/invalid-escape: `\ud800` is not an escape
      1 | a = "\ud800"
        |      ^^^^^^
        = help: write `\u` and four hexadecimal digits, or `\U` and eight
    "#);
    assert_snapshot!(one("a = \u{201c}x\u{201d}\nlast = 1\n"), @r#"
    syntax/wrong-quotes: strings stand in straight double quotes
      1 | a = “x”
        |     ^^^
        = help: write `"x"`
    "#);
}

#[test]
fn templates() {
    assert_snapshot!(one("a = \"${b\"\nlast = 1\n"), @r#"
    syntax/unclosed-interpolation: `${` is not closed
      1 | a = "${b"
        |         ^ expected `}`
        = it begins here: `${`
    "#);
    assert_snapshot!(one("a = \"${b\nlast = 1\n"), @r#"
    syntax/unclosed-interpolation: `${` is not closed
      1 | a = "${b
        |         ^ expected `}`
        = it begins here: `${`
    "#);
    assert_snapshot!(one("c {\n  a = \"${b.\n  d = 2\n}\nlast = 1\n"), @r#"
    syntax/expected-name: expected a name after `.`
      2 |   a = "${b.
        |            ^ the name of an attribute is missing here
    "#);
    assert_snapshot!(one("a = \"${}\"\nlast = 1\n"), @r#"
    syntax/expected-expression: expected an expression after `${`
      1 | a = "${}"
        |        ^ found `}`
    "#);
    assert_snapshot!(one("a = \"${HOME:-x}\"\nlast = 1\n"), @r#"
    syntax/unexpected-token: `:` cannot stand here
      1 | a = "${HOME:-x}"
        |            ^
        = help: write `$${` for a literal `${`, as shell scripts have it
    "#);
    assert_snapshot!(one("a = \"%{ if b }c\"\nlast = 1\n"), @r#"
    syntax/unclosed-directive: this `if` has no `endif`
      1 | a = "%{ if b }c"
        |      ^^^^^^^^^
        = help: write `%{ endif }` where it ends
    "#);
    assert_snapshot!(one("a = \"%{ for b in c }d\"\nlast = 1\n"), @r#"
    syntax/unclosed-directive: this `for` has no `endfor`
      1 | a = "%{ for b in c }d"
        |      ^^^^^^^^^^^^^^^
        = help: write `%{ endfor }` where it ends
    "#);
    assert_snapshot!(one("a = \"%{ for b }d%{ endfor }\"\nlast = 1\n"), @r#"
    syntax/for-expression: expected `in` and a collection after the names of the `for`
      1 | a = "%{ for b }d%{ endfor }"
        |              ^
        = help: write `for item in list` or `for key, value in map`
    "#);
    assert_snapshot!(one("a = \"%{ if b }c%{ else if d }e%{ endif }\"\nlast = 1\n"), @r#"
    syntax/else-if: there is no `else if` in templates
      1 | a = "%{ if b }c%{ else if d }e%{ endif }"
        |                ^^^^^^^
        = help: write `%{ else }%{ if … } … %{ endif }%{ endif }`
    "#);
    assert_snapshot!(one("a = \"%{ if b }c%{ elseif d }e%{ endif }\"\nlast = 1\n"), @r#"
    syntax/else-if: there is no `else if` in templates
      1 | a = "%{ if b }c%{ elseif d }e%{ endif }"
        |                ^^^^^^^^^
        = help: write `%{ else }%{ if … } … %{ endif }%{ endif }`
    "#);
    assert_snapshot!(one("a = \"%{ if b }c%{ else }d%{ else }e%{ endif }\"\nlast = 1\n"), @r#"
    syntax/unexpected-directive: this `if` already has an `else`
      1 | a = "%{ if b }c%{ else }d%{ else }e%{ endif }"
        |                          ^^^^^^^
        = the `if` begins here: `%{ if b }`
    "#);
    assert_snapshot!(one("a = \"c%{ endif }\"\nlast = 1\n"), @r#"
    syntax/unexpected-directive: there is no `%{ if … }` before this `endif`
      1 | a = "c%{ endif }"
        |       ^^^^^^^^
        = help: remove it, or look above for a directive that was closed too early
    "#);
    assert_snapshot!(one("a = \"%{ while b }\"\nlast = 1\n"), @r#"
    syntax/unexpected-directive: there is no directive `while`
      1 | a = "%{ while b }"
        |      ^^^^^^^^
        = help: the directives are `if`, `else`, `endif`, `for`, `endfor`; write `%%{` for a literal `%{`
    "#);
    assert_snapshot!(one("a = \"50%{\"\nlast = 1\n"), @r#"
    syntax/unexpected-directive: expected the name of a directive after `%{`
      1 | a = "50%{"
        |        ^^
        = help: the directives are `if`, `else`, `endif`, `for`, `endfor`; write `%%{` for a literal `%{`
    "#);
}

#[test]
fn heredocs() {
    assert_snapshot!(one("b {\n  a = <<EOF\n    text\n  EOT\n}\nlast = 1\n"), @r"
    syntax/unclosed-heredoc: the end marker `EOF` of this heredoc is missing
      2 |   a = <<EOF
        |       ^^^^^
        = help: write `EOF` on a line of its own after the text
    ");
    assert_snapshot!(one("a = << EOF\ntext\nEOF\nlast = 1\n"), @r"
    syntax/heredoc-marker: the marker of a heredoc stands directly after `<<` or `<<-`, without quotes or blanks
      1 | a = << EOF
        |     ^^^^^^
        = help: write `<<EOF`
    ");
    assert_snapshot!(one("a = <<\"EOF\"\ntext\nEOF\nlast = 1\n"), @r#"
    syntax/heredoc-marker: the marker of a heredoc stands directly after `<<` or `<<-`, without quotes or blanks
      1 | a = <<"EOF"
        |     ^^^^^^^
        = help: write `<<EOF`
    "#);
    assert_snapshot!(one("a = <<EOF text\nEOF\nlast = 1\n"), @r"
    syntax/heredoc-marker: nothing can follow the marker `EOF` on its line
      1 | a = <<EOF text
        |     ^^^^^^^^^^
        = help: begin the text on the next line
    ");
    assert_snapshot!(one("a = <<\nlast = 1\n"), @r"
    syntax/heredoc-marker: `<<` needs a marker, a name that also ends the text
      1 | a = <<
        |     ^^
        = help: write `<<EOF`, the lines of the text, then `EOF` on a line of its own
    ");
    assert_snapshot!(one("a = <<EOF\necho ${HOME\nEOF\nlast = 1\n"), @r"
    syntax/unclosed-interpolation: `${` is not closed
      2 | echo ${HOME
        |            ^ expected `}`
        = it begins here: `${`
    ");
}

#[test]
fn expressions() {
    assert_snapshot!(one("a = b and c\nlast = 1\n"), @r"
    syntax/unknown-operator: there is no operator `and`
      1 | a = b and c
        |       ^^^
        = help: write `&&`
    ");
    assert_snapshot!(one("a = b & c\nlast = 1\n"), @r"
    syntax/unknown-operator: there is no operator `&`
      1 | a = b & c
        |       ^
        = help: write `&&`
    ");
    assert_snapshot!(one("a = not b\nlast = 1\n"), @r"
    syntax/unknown-operator: there is no operator `not`
      1 | a = not b
        |     ^^^
        = help: write `!`
    ");
    assert_snapshot!(one("a = b === c\nlast = 1\n"), @r"
    syntax/unknown-operator: there is no operator `===`
      1 | a = b === c
        |       ^^^
        = help: write `==`
    ");
    assert_snapshot!(one("a = 1 +\nlast = 1\n"), @r"
    syntax/expected-expression: expected an expression after `+`
      1 | a = 1 +
        |        ^ a value is missing here
    ");
    assert_snapshot!(one("a = b ? c\nlast = 1\n"), @r"
    syntax/expected-colon: expected `:` and the value for the case that the condition is false
      1 | a = b ? c
        |          ^
        = the condition ends here: `?`
        = help: write `condition ? value : other`
    ");
    assert_snapshot!(one("a = b ? c\n  : d\nlast = 1\n"), @r"
    syntax/expected-colon: expected `:` and the value for the case that the condition is false
      1 | a = b ? c
        |          ^
        = the condition ends here: `?`
        = help: put the whole conditional in parentheses to write it over several lines
    ");
    assert_snapshot!(one("a = b\n  && c\nlast = 1\n"), @r"
    syntax/expected-item: expected an attribute or a block, found `&&`
      2 |   && c
        |   ^^
        = help: an expression ends with its line; put it in parentheses to write it over several lines
    ");
    assert_snapshot!(one("a = f(b..., c)\nlast = 1\n"), @r"
    syntax/unexpected-token: `,` cannot stand here
      1 | a = f(b..., c)
        |           ^
        = help: `...` stands after the last argument and nothing follows it
    ");
    assert_snapshot!(one("a = b ?\nlast = 1\n"), @r"
    syntax/expected-expression: expected an expression after `?`
      1 | a = b ?
        |        ^ a value is missing here
    ");
    assert_snapshot!(one("a = b.\nlast = 1\n"), @r"
    syntax/expected-name: expected a name after `.`
      1 | a = b.
        |       ^ the name of an attribute is missing here
    ");
    assert_snapshot!(one("a = b::\nlast = 1\n"), @r"
    syntax/expected-name: expected the name of a function after `::`
      1 | a = b::
        |        ^
    ");
    assert_snapshot!(one("a = 0x1F\nlast = 1\n"), @r"
    syntax/invalid-number: `0x1F` is not a number
      1 | a = 0x1F
        |     ^^^^
        = help: write the number in decimal
    ");
    assert_snapshot!(one("a = 1_000\nlast = 1\n"), @r"
    syntax/invalid-number: `1_000` is not a number
      1 | a = 1_000
        |     ^^^^^
        = help: write `1000`
    ");
    assert_snapshot!(one("a = 5m\nlast = 1\n"), @r#"
    syntax/invalid-number: `5m` is not a number
      1 | a = 5m
        |     ^^
        = help: write `"5m"` if a string is meant, such as a duration or a size
    "#);
    assert_snapshot!(one("a = .5\nlast = 1\n"), @r"
    syntax/invalid-number: `.5` is not a number
      1 | a = .5
        |     ^^
        = help: write `0.5`
    ");
    assert_snapshot!(one("a = @b\nlast = 1\n"), @r"
    syntax/invalid-character: `@` has no meaning here
      1 | a = @b
        |     ^
    ");
    assert_snapshot!(one("a = 1 /* b\n"), @r"
    syntax/unclosed-comment: this comment has no end
      1 | a = 1 /* b
        |       ^^
        = help: write `*/` where it ends
    ");
}

#[test]
fn brackets() {
    assert_snapshot!(one("a = [1, 2\nlast = 1\n"), @r"
    syntax/unclosed-bracket: this list is not closed
      1 | a = [1, 2
        |          ^ expected `]`
        = it begins here: `[`
    ");
    assert_snapshot!(one("a = [\n  1,\n  2\nlast = 1\n"), @r"
    syntax/unclosed-bracket: this list is not closed
      3 |   2
        |    ^ expected `]`
        = it begins here: `[`
    ");
    assert_snapshot!(one("a = (1 + 2\nlast = 1\n"), @r"
    syntax/unclosed-bracket: this parenthesis is not closed
      1 | a = (1 + 2
        |           ^ expected `)`
        = it begins here: `(`
    ");
    assert_snapshot!(one("a = f(1, 2\nlast = 1\n"), @r"
    syntax/unclosed-bracket: this call is not closed
      1 | a = f(1, 2
        |           ^ expected `)`
        = it begins here: `(`
    ");
    assert_snapshot!(one("a = b[0\nlast = 1\n"), @r"
    syntax/unclosed-bracket: this index is not closed
      1 | a = b[0
        |        ^ expected `]`
        = it begins here: `[`
    ");
    assert_snapshot!(one("a = [1, 2)\nlast = 1\n"), @r"
    syntax/mismatched-bracket: expected `]`, found `)`
      1 | a = [1, 2)
        |          ^
        = this is closed by `]`: `[`
    ");
    assert_snapshot!(one("a = f(1, 2]\nlast = 1\n"), @r"
    syntax/mismatched-bracket: expected `)`, found `]`
      1 | a = f(1, 2]
        |           ^
        = this is closed by `)`: `(`
    ");
    assert_snapshot!(one("a = 1)\nlast = 1\n"), @r"
    syntax/unexpected-closing: `)` closes nothing
      1 | a = 1)
        |      ^
        = help: remove it, or look above for a block that was closed too early
    ");
    assert_snapshot!(one("a = [1 2]\nlast = 1\n"), @r"
    syntax/missing-comma: expected `,` between two elements
      1 | a = [1 2]
        |       ^ a comma is missing here
    ");
    assert_snapshot!(one("a = [1,, 2]\nlast = 1\n"), @r"
    syntax/expected-expression: expected an expression after `,`
      1 | a = [1,, 2]
        |        ^ found `,`
    ");
    assert_snapshot!(one("b {\n  a = {\n    c = 1\n}\nlast = 1\n"), @r"
    syntax/unclosed-bracket: this object is not closed
      3 |     c = 1
        |          ^ expected `}`
        = it begins here: `{`
    ");
    assert_snapshot!(one("a = {\n  c = 1\n\nb \"x\" {\n  d = 2\n}\nlast = 1\n"), @r"
    syntax/unclosed-bracket: this object is not closed
      2 |   c = 1
        |        ^ expected `}`
        = it begins here: `{`
    ");
}

#[test]
fn objects_and_for() {
    assert_snapshot!(one("a = { b }\nlast = 1\n"), @r"
    syntax/expected-value: expected `=` and a value after `b`
      1 | a = { b }
        |        ^
    ");
    assert_snapshot!(one("a = { b = }\nlast = 1\n"), @r"
    syntax/expected-expression: expected an expression after `=`
      1 | a = { b = }
        |          ^ found `}`
    ");
    assert_snapshot!(one("a = { b = 1 c = 2 }\nlast = 1\n"), @r"
    syntax/missing-comma: expected `,` or a new line between two items of an object
      1 | a = { b = 1 c = 2 }
        |            ^ a comma is missing here
    ");
    assert_snapshot!(one("a = { b => 1 }\nlast = 1\n"), @r"
    syntax/expected-value: the value of `b` stands after `=` or `:`
      1 | a = { b => 1 }
        |         ^^
        = help: write `=`
    ");
    assert_snapshot!(one("a = {\n  b {\n    c = 1\n  }\n}\nlast = 1\n"), @r"
    syntax/expected-value: expected `=` after `b`
      2 |   b {
        |    ^
        = help: inside of an object every key has `=`; blocks cannot stand here
    ");
    assert_snapshot!(one("a = { b == 1 }\nlast = 1\n"), @r"
    syntax/expected-value: expected `=` and a value after `b == 1`
      1 | a = { b == 1 }
        |             ^
    ");
    assert_snapshot!(one("a = [for x in xs]\nlast = 1\n"), @r"
    syntax/for-expression: expected `:` after the collection of the `for`
      1 | a = [for x in xs]
        |                 ^
        = help: write `[for item in list : value]`
    ");
    assert_snapshot!(one("a = [for x : x]\nlast = 1\n"), @r"
    syntax/for-expression: expected `in` and a collection after the names of the `for`
      1 | a = [for x : x]
        |           ^
        = help: write `for item in list` or `for key, value in map`
    ");
    assert_snapshot!(one("a = [for in xs : x]\nlast = 1\n"), @r"
    syntax/for-expression: expected the name of a variable after `for`
      1 | a = [for in xs : x]
        |         ^
        = help: write `for item in list` or `for key, value in map`
    ");
    assert_snapshot!(one("a = {for x in xs : x}\nlast = 1\n"), @r"
    syntax/for-expression: expected `=>` and the value of the item
      1 | a = {for x in xs : x}
        |                     ^
        = help: write `{for key, value in map : key => value}`, or `[for …]` for a list
    ");
    assert_snapshot!(one("a = [for x in xs : x => 1]\nlast = 1\n"), @r"
    syntax/for-expression: `=>` stands only in a `for` between braces
      1 | a = [for x in xs : x => 1]
        |                      ^^
        = help: write `{for … : key => value}` for a map, or remove `=>` for a list
    ");
}

#[test]
fn depth_is_capped_with_one_message() {
    let deep = |open: &str, inner: &str, close: &str| {
        format!(
            "a = {}{inner}{}\nlast = 1\n",
            open.repeat(2000),
            close.repeat(2000)
        )
    };
    for text in [
        deep("(", "1", ")"),
        deep("[", "1", "]"),
        deep("{a=", "1", "}"),
        deep("-", "1", ""),
        deep("!(", "1", ")"),
        deep("f(", "1", ")"),
        deep("a[", "1", "]"),
        deep("\"${", "1", "}\""),
        deep("[for x in ", "1", ": x]"),
        deep("1 + ", "1", ""),
        deep("1 + (", "1", ")"),
        deep("a ? b : ", "1", ""),
        deep("a ? ", "1", " : b"),
        format!(
            "a = \"{}b{}\"\nlast = 1\n",
            "%{ if c }".repeat(2000),
            "%{ endif }".repeat(2000)
        ),
        deep("", "a", "[*]"),
    ] {
        let parse = parse(&text);
        let ids: Vec<_> = parse.errors().iter().map(|error| error.id).collect();
        assert_eq!(ids, ["syntax/too-deep"], "in {}", &text[..40]);
        assert!(names(&text).contains("last"), "in {}", &text[..40]);
    }
    let blocks = format!("{}{}last = 1\n", "a {\n".repeat(2000), "}\n".repeat(2000));
    let ids: Vec<_> = parse(&blocks)
        .errors()
        .iter()
        .map(|error| error.id)
        .collect();
    assert_eq!(ids, ["syntax/too-deep"]);
    assert!(names(&blocks).contains("last"));
}

#[test]
fn long_chains_without_depth_are_fine() {
    for text in [
        format!("a = b{}\n", ".c".repeat(5000)),
        format!("a = b{}\n", "[0]".repeat(5000)),
        format!("a = [{}]\n", "1,".repeat(5000)),
        format!("a = {}1\n", "1 + ".repeat(200)),
    ] {
        assert_eq!(parse(&text).errors(), [], "in {}", &text[..20]);
    }
}

#[test]
fn texts_without_quotes() {
    assert_snapshot!(one("a = [\n  NAME=${var.x},\n]\nlast = 1\n"), @r"
    syntax/invalid-character: `$` has no meaning here
      2 |   NAME=${var.x},
        |        ^
        = help: `${…}` stands inside of quotes: write the whole text in quotes, or the expression without `${` and `}`
    ");
    let two = parse("a = [\n  NAME=${var.x},\n  B=${x}-y\n]\nlast = 1\n");
    let ids: Vec<_> = two.errors().iter().map(|error| error.id).collect();
    assert_eq!(ids, ["syntax/invalid-character"; 2]);
}

#[test]
fn merge_conflicts() {
    let conflict = "a = [\n<<<<<<< HEAD\n  1,\n=======\n  2 {\n>>>>>>> other\n]\nlast = 1\n";
    assert_snapshot!(one(conflict), @r"
    syntax/merge-conflict: lines 2 to 6 are a merge conflict that is not resolved
      2 | <<<<<<< HEAD
        | ^^^^^^^^^^^^
        = it ends here: `>>>>>>> other`
        = help: keep one of the sides, or what should be of both, and remove the lines with the markers
    ");
    assert_snapshot!(one("a = 1\n>>>>>>> other\nlast = 1\n"), @r"
    syntax/merge-conflict: line 2 is left of a merge conflict
      2 | >>>>>>> other
        | ^^^^^^^^^^^^^
        = help: remove it, and look whether what stands around it is what it should be
    ");
}

/// Every id is declared once, in order, and has a case above or here that yields it.
#[test]
fn every_id_is_triggered() {
    assert!(ERROR_IDS.is_sorted_by(|(a, _), (b, _)| a < b));
    let source = include_str!("gallery.rs");
    for (id, summary) in ERROR_IDS {
        assert!(
            summary.chars().next().is_some_and(|c| !c.is_uppercase()) && !summary.ends_with('.'),
            "{id}: {summary}"
        );
        let here = id == &"syntax/too-deep" && source.contains("[\"syntax/too-deep\"]");
        // A file above the size limit is a unit test beside the parser, where the limit can be small.
        let beside = id == &"syntax/too-large"
            && include_str!("../src/hcl/parser.rs").contains("[\"syntax/too-large\"]");
        let in_gallery = source.lines().any(|line| {
            line.trim_start()
                .trim_start_matches("assert")
                .contains(&format!("{id}: "))
        });
        assert!(
            here || beside || in_gallery,
            "{id} has no case in the gallery"
        );
    }
}
