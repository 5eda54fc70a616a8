//! Literals, operators, conditionals, collections, `for`, splats, indices, calls.

use crate::check_expressions;

#[test]
fn literals() {
    check_expressions(&[
        ("7", "7"),
        ("2.5", "2.5"),
        ("1e3", "1000"),
        ("1.5E-2", "0.015"),
        (
            "2.71828182845904523536028747135266249775724709369995957496696763",
            "2.71828182845904523536028747135266249775724709369995957496696763",
        ),
        ("true", "true"),
        ("false", "false"),
        ("null", "null"),
        ("\"plain\"", "\"plain\""),
        ("\"ЖЖ 👩‍👩‍👧‍👦\"", "\"ЖЖ 👩‍👩‍👧‍👦\""),
        // A letter and its accent, written apart, are one character: normalization form C.
        ("\"man\u{303}ana\" == \"ma\u{f1}ana\"", "true"),
        (
            "length(\"n\u{303}\") == 1 && substr(\"n\u{303}x\", 0, 1) == \"\u{f1}\"",
            "true",
        ),
        ("0x1F", "1:5 syntax/invalid-number"),
    ]);
}

#[test]
fn equality_looks_at_types_too() {
    check_expressions(&[
        ("\"a\" == \"a\"", "true"),
        ("\"a\" != \"b\"", "true"),
        ("\"1\" == 1", "false"),
        ("\"true\" != true", "true"),
        ("[1, 2] == [1, 2]", "true"),
        ("{ a = 1 } == { a = 2 }", "false"),
        ("null == null", "true"),
        ("no_text == nothing", "true"),
        ("no_text == \"\"", "false"),
        ("later == 1", "(known at run time): bool"),
    ]);
}

#[test]
fn operators() {
    check_expressions(&[
        ("1 < 2", "true"),
        ("2 <= 2", "true"),
        ("1 > 2", "false"),
        ("2 >= 3", "false"),
        ("2 + 3.5", "5.5"),
        (
            "1.00000000000000000000000000000000000000000000000001 + 1",
            "2.00000000000000000000000000000000000000000000000001",
        ),
        ("3.5 - 5", "-1.5"),
        ("2 * 4.5", "9"),
        ("1 / 10", "0.1"),
        ("11 % 5", "1"),
        ("-11 % 5", "-1"),
        ("-(2 + 1)", "-3"),
        ("!true", "false"),
        ("true && false || true", "true"),
        ("1 + 2 * 3 == 7 && !false", "true"),
        ("2 + 3 > 4 ? \"yes\" : \"no\"", "\"yes\""),
        ("\"2\" * 3", "6"),
        ("\"a\" + 1", "1:5 eval/operand"),
        ("\"a\" < \"b\"", "1:5 eval/operand"),
        ("!5", "1:6 eval/operand"),
        ("null + 1", "1:5 eval/null"),
        ("later + 1", "(known at run time): number"),
    ]);
}

#[test]
fn conditionals_choose_and_agree_on_a_type() {
    check_expressions(&[
        ("true ? \"a\" : \"b\"", "\"a\""),
        ("\"false\" ? \"a\" : \"b\"", "\"b\""),
        ("true ? 1 : \"b\"", "\"1\""),
        ("true ? word : null", "\"word\""),
        ("false ? 1 : true ? 2 : 3", "2"),
        ("true ? { a = 1 } : {}", "{ a = 1 }"),
        ("true ? 1 : [1]", "1:5 eval/sides-differ"),
        ("null ? 1 : 2", "1:5 eval/null"),
        ("5 ? 1 : 2", "1:5 eval/condition"),
        ("later ? 1 : 2", "(known at run time): number"),
    ]);
}

#[test]
fn collections() {
    check_expressions(&[
        ("[]", "[]"),
        ("[1, \"a\", [true]]", "[1, \"a\", [true]]"),
        ("[\n  1,\n  2, # behind\n]", "[1, 2]"),
        ("{}", "{}"),
        ("{ a = 1, \"b c\" = 2 }", "{ a = 1, \"b c\" = 2 }"),
        ("{\n  a = 1\n  b : 2\n}", "{ a = 1, b = 2 }"),
        (
            "{ (word) = 1, \"${word}s\" = 2 }",
            "{ word = 1, words = 2 }",
        ),
        ("{ word = 1 }", "{ word = 1 }"),
        ("{ true = 1, 5 = 2 }", "{ \"5\" = 2, true = 1 }"),
        ("{ a.b = 1 }", "1:7 lower/ambiguous-key"),
        ("{ (null) = 1 }", "1:7 eval/null"),
        ("{ ([]) = 1 }", "1:7 eval/bad-key"),
    ]);
}

#[test]
fn for_expressions() {
    check_expressions(&[
        ("[for w in words : upper(w)]", "[\"ONE\", \"TWO\"]"),
        ("[for i, w in words : \"${i}${w}\"]", "[\"0one\", \"1two\"]"),
        ("[for size in sizes : size]", "[9, 1]"),
        ("[for name, size in sizes : name if size > 5]", "[\"big\"]"),
        ("[for l in letters : l]", "[\"a\", \"b\"]"),
        (
            "{ for w in words : w => length(w) }",
            "{ one = 3, two = 3 }",
        ),
        (
            "{ for w in words : length(w) => w... }",
            "{ \"3\" = [\"one\", \"two\"] }",
        ),
        (
            "{ for name, size in sizes : size => name }",
            "{ \"1\" = \"small\", \"9\" = \"big\" }",
        ),
        (
            "[for a in [1, 2] : [for b in [a, a * 10] : b]]",
            "[[1, 10], [2, 20]]",
        ),
        (
            "{ for w in words : length(w) => w }",
            "1:24 eval/repeated-key",
        ),
        ("[for x in word : x]", "1:15 eval/not-a-collection"),
        ("[for x in nothing : x]", "1:15 eval/null"),
        ("[for w in words : w if \"x\"]", "1:28 eval/condition"),
        ("[for w in words : w if null]", "1:28 eval/null"),
        ("[for w in words : missing]", "1:23 eval/unknown-name"),
        ("[for w in words : w => w]", "1:25 syntax/for-expression"),
    ]);
}

#[test]
fn splats_take_what_is_inside_each_element() {
    check_expressions(&[
        ("people[*].name", "[\"Ada\", \"Kurt\"]"),
        ("people.*.name", "[\"Ada\", \"Kurt\"]"),
        ("words[*]", "[\"one\", \"two\"]"),
        // A single value is a list of one, null one of none.
        ("person[*].name", "[\"Ada\"]"),
        ("person.*.name", "[\"Ada\"]"),
        ("nothing[*]", "[]"),
        ("nothing[*].name", "[]"),
        ("[[1, 2], [3]][*][0]", "[1, 3]"),
        // After an attribute splat an index is of the whole result.
        ("people.*.name[1]", "\"Kurt\""),
        ("[[1, 2], [3]].*.0", "[1, 3]"),
        ("no_list[*]", "1:5 eval/null"),
        ("people[*].age", "1:15 eval/unknown-attribute"),
        ("later[*].name", "(known at run time): any"),
    ]);
}

#[test]
fn attributes_and_indices() {
    check_expressions(&[
        ("person.name", "\"Ada\""),
        ("person[\"name\"]", "\"Ada\""),
        ("people[1].name", "\"Kurt\""),
        ("people.1.name", "\"Kurt\""),
        ("words[\"0\"]", "\"one\""),
        ("sizes.big", "9"),
        ("{ true = 1 }[true]", "1"),
        ("{ \"5\" = 1 }[5]", "1"),
        ("words[2]", "1:11 eval/bad-index"),
        ("words[-1]", "1:11 eval/bad-index"),
        ("words[0.5]", "1:11 eval/bad-index"),
        ("words[null]", "1:11 eval/null"),
        ("person.age", "1:12 eval/unknown-attribute"),
        ("word.name", "1:10 eval/no-attributes"),
        ("letters[0]", "1:13 eval/no-attributes"),
        ("missing", "1:5 eval/unknown-name"),
        ("later.anything[0]", "(known at run time): any"),
    ]);
}

#[test]
fn calls() {
    check_expressions(&[
        ("upper(\"a\")", "\"A\""),
        ("upper(\n  \"a\",\n)", "\"A\""),
        ("max(1, [3, 2]...)", "3"),
        ("upper([\"a\"]...)", "\"A\""),
        ("upper(\"a\", []...)", "\"A\""),
        ("upper()", "1:5 eval/argument-count"),
        ("upper([\"a\", \"b\"]...)", "1:5 eval/argument-count"),
        ("upper([])", "1:11 eval/argument"),
        ("max(word...)", "1:9 eval/not-a-collection"),
        ("nobody()", "1:5 eval/unknown-function"),
        ("upper(later)", "(known at run time): string"),
    ]);
}
