#![allow(clippy::unwrap_used)]

use imgc_syntax::FileId;
use proptest::prelude::*;

use super::{Language, depth, format};

fn laid_out(language: Language, text: &str) -> Option<String> {
    let mut problems = Vec::new();
    let formatted = format(language, FileId(0), text, &mut problems);
    assert_eq!(formatted.is_none(), !problems.is_empty());
    formatted
}

/// Texts with what the layout makes of them.
fn pairs(language: Language, texts: &str) -> String {
    let mut shown = String::new();
    for text in texts.split("----\n") {
        let formatted = laid_out(language, text).unwrap();
        let again = laid_out(language, &formatted).unwrap();
        assert_eq!(again, formatted, "twice is not once");
        shown.push_str(&format!("{text}====\n{formatted}----\n"));
    }
    shown
}

#[test]
fn json_is_laid_out() {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("layout-json", pairs(Language::Json, include_str!("texts.json.txt")));
    });
}

#[test]
fn toml_is_laid_out() {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("layout-toml", pairs(Language::Toml, include_str!("texts.toml.txt")));
    });
}

#[test]
fn a_text_with_errors_is_left_alone() {
    let texts = [
        (Language::Json, "{\"a\": }"),
        (Language::Json, "{\"a\": 1"),
        (Language::Json, ""),
        (Language::Json, "{\"a\": \"${upper(\"q\")}\"}"),
        (Language::Toml, "a ="),
        (Language::Toml, "a = [1"),
        (Language::Toml, "[a\n"),
        (Language::Toml, "a = 1\na = 2\n"),
    ];
    for (language, text) in texts {
        assert_eq!(laid_out(language, text), None, "{text}");
    }
}

#[test]
fn line_ends_and_byte_order_marks_stay() {
    let json = laid_out(Language::Json, "\u{feff}{\r\n\"a\":[\r\n1]}").unwrap();
    assert_eq!(json, "\u{feff}{\r\n  \"a\": [\r\n    1\r\n  ]\r\n}\r\n");
    let toml = laid_out(Language::Toml, "\u{feff}  a=1  \r\n b=[\r\n1]").unwrap();
    assert_eq!(toml, "\u{feff}a = 1\r\nb = [\r\n  1]\r\n");
    assert_eq!(laid_out(Language::Toml, " \n").unwrap(), "\n");
    assert_eq!(laid_out(Language::Toml, "").unwrap(), "");
}

#[test]
fn lists_are_short_by_their_width() {
    let list = |count| format!("{{\n  \"a\": [{}]\n}}\n", vec!["1234567"; count].join(", "));
    assert_eq!(laid_out(Language::Json, &list(10)).unwrap(), list(10));
    let long = laid_out(Language::Json, &list(11)).unwrap();
    assert_eq!(long.lines().count(), 15);
    let one = format!("{{\n  \"a\": [\"{}\"]\n}}\n", "x".repeat(200));
    assert_eq!(laid_out(Language::Json, &one).unwrap(), one);
}

#[test]
fn brackets_are_counted_in_half_written_texts() {
    let at = |language, text: &str| {
        let offset = text.find('|').unwrap();
        depth(language, &text.replace('|', ""), offset)
    };
    assert_eq!(at(Language::Json, "{\"a\": [\n|"), Some(2));
    assert_eq!(at(Language::Json, "{\"a\": [1, \"]\\\"\"],\n| }"), Some(1));
    assert_eq!(at(Language::Json, "{\"a\": \"x|y\"}"), None);
    assert_eq!(at(Language::Json, "{ /* \n| */ }"), None);
    assert_eq!(at(Language::Json, "{ // x\n|}"), Some(1));
    assert_eq!(at(Language::Toml, "[a]\nb = [\n|"), Some(1));
    assert_eq!(at(Language::Toml, "[[a]]\n|"), Some(0));
    assert_eq!(at(Language::Toml, "a = \"\"\"\n|\n\"\"\"\n"), None);
}

fn json_value() -> impl Strategy<Value = String> {
    let blank = "( |\n|\t|\n\n\n| // c\n|/\\* c \\*/|/\\*\n\\*/){0,2}";
    let leaf = prop_oneof![
        "-?[1-9]{1,3}(\\.5)?",
        "true|null|\\[\\]|\\{\\}|\\{\n\\}",
        "\"(x|\\\\n|\\\\\"|é|//|[{,]){0,40}\"",
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let element =
            (blank, inner, blank).prop_map(|(before, value, after)| before + &value + &after);
        let elements = prop::collection::vec(element, 1..5);
        let comma = prop::bool::weighted(0.1);
        prop_oneof![
            (elements.clone(), comma).prop_map(|(elements, comma)| {
                format!("[{}{}]", elements.join(","), if comma { "," } else { "" })
            }),
            (elements, blank).prop_map(|(elements, blank)| {
                let member = |(at, value)| format!("{blank}\"k{at}\"{blank}:{value}");
                let members: Vec<String> = elements.into_iter().enumerate().map(member).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn toml_line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "1|-2|1\\.5|true|\\[ *\\]|\\{ *\\}|1979-05-27 07:32:00|2020-01-01",
        "\"(x|\\\\n|\\\\\"|é|#|[\\[,]){0,10}\"",
        "\"\"\"\n?(x|\n|  #|\\\\n){0,4}\"\"\"",
        "'''[\nx ]{0,4}'''",
        "\\[( ?1 ?,\n? ?){0,3} ?(# c\n)?\\]",
        "\\[( ?\\{ ?a ?= ?1 ?\\},\n? ?){0,3}\\]",
        "\\{ ?a *\\. *b ?= ?(1|\\[\n?2\\]) ?\\}",
    ];
    let comment = "( *# .{0,3})? *";
    prop_oneof![
        6 => (" {0,3}", value, comment).prop_map(|(blank, value, comment)| format!("{blank}KEY{blank}={blank}{value}{comment}\n")),
        1 => " ?\\[ ?KEY ?(\\. ?\"b\")? ?\\] ?(# c)?\n",
        1 => " ?\\[\\[ ?KEY ?\\]\\]\n",
        1 => " *(#.{0,3})?\n",
    ]
}

/// The text without what a layout may change.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

proptest! {
    #[test]
    fn json_laid_out_twice_is_laid_out_once(text in json_value()) {
        let formatted = laid_out(Language::Json, &text);
        prop_assume!(formatted.is_some());
        let formatted = formatted.unwrap();
        prop_assert_eq!(bare(&formatted), bare(&text));
        prop_assert_eq!(laid_out(Language::Json, &formatted), Some(formatted));
    }

    #[test]
    fn toml_laid_out_twice_is_laid_out_once(lines in prop::collection::vec(toml_line(), 0..8)) {
        let keyed = lines.iter().enumerate().map(|(at, line)| line.replace("KEY", &format!("k{at}")));
        let text: String = keyed.collect();
        let formatted = laid_out(Language::Toml, &text);
        prop_assume!(formatted.is_some());
        let formatted = formatted.unwrap();
        prop_assert_eq!(bare(&formatted), bare(&text));
        prop_assert_eq!(formatted.lines().count(), text.lines().count());
        prop_assert_eq!(laid_out(Language::Toml, &formatted), Some(formatted));
    }
}
