#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::{parse, repeated_keys};
use crate::diagnostic::Diagnostic;
use crate::lower::testing;
use crate::lower::tree::{Node, NodeKind};
use crate::value::Number;

fn read(text: &str) -> (Node, Vec<Diagnostic>) {
    testing::read(parse, text)
}

#[test]
fn mistakes() {
    let texts = include_str!("mistakes.txt");
    let all: Vec<String> = texts
        .split("\n----\n")
        .map(|text| testing::report(parse, text))
        .collect();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("json-mistakes", all.join("\n"));
    });
}

#[test]
fn comments_stay_with_what_they_are_about() {
    let text = "// head\n{\n  // one\n  /* two\n   * three */\n  \"a\": 1, // behind\n  \"b\": [ // list\n    2 // two\n    // last\n  ]\n}\n// end";
    let (node, problems) = read(text);
    let mut shown = String::new();
    testing::show(&node, &mut shown);
    assert_eq!(
        shown,
        r#"/*head*/{"a":/*one*//*two*//*three*//*behind*/1,"b":[/*list*//*two*//*last*/2]}"#
    );
    assert_eq!(problems.len(), 1);
    let fixed = testing::apply(text, &problems[0].fixes[0].edits);
    assert_eq!(fixed, "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n");
}

#[test]
fn a_key_that_stands_twice_is_warned_about_where_the_last_counts() {
    let (node, problems) = read(r#"{"a": {"b": 1, "c": 2, "b": 3}}"#);
    assert!(problems.is_empty());
    let mut out = Vec::new();
    repeated_keys(&node, &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].span.start, out[0].labels[0].span.start), (7, 23));
}

#[test]
fn deep_nesting_is_one_mistake() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"]\":", "}]")] {
        let text = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let (_, problems) = read(&text);
        let ids: Vec<_> = problems.iter().map(|problem| problem.id).collect();
        assert_eq!(ids, ["json/too-deep"]);
        read(&open.repeat(100_000));
    }
}

#[test]
fn mistakes_without_end_are_read_in_linear_time() {
    for piece in [
        "\"\\\"\n",
        "[1 2",
        "{\"a\" ",
        "'",
        "\"",
        "/*",
        ",",
        "]",
        ";",
        "=",
        "\"a\": \n",
        "\u{a0}",
    ] {
        for before in ["", "{", "[1"] {
            let (_, problems) = read(&format!("{before}{}", piece.repeat(200_000)));
            assert!(problems.len() <= 400);
        }
    }
}

#[test]
fn characters_behind_escapes_point_into_the_file() {
    let text = r#""a\n\u00e9\ud83d\ude00${x}""#;
    let (node, problems) = read(text);
    assert!(problems.is_empty());
    let NodeKind::Text(inner) = node.kind else {
        panic!("not a text")
    };
    assert_eq!(inner.text, "a\né😀${x}");
    let decoded = inner.text.find('x').unwrap() as u32;
    let place = inner.map.span(decoded, decoded + 1);
    assert_eq!(&text[place.start as usize..place.end as usize], "x");
}

fn same(node: &Node, value: &serde_json::Value) -> bool {
    match (&node.kind, value) {
        (NodeKind::Null, serde_json::Value::Null) => true,
        (NodeKind::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (NodeKind::Number(a), serde_json::Value::Number(b)) => {
            *a == Number::parse(&b.to_string()).unwrap()
        }
        (NodeKind::Text(a), serde_json::Value::String(b)) => a.text == *b,
        (NodeKind::Array(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (NodeKind::Object(a), serde_json::Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, (key, b))| a.key.text == *key && same(&a.value, b))
        }
        _ => false,
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn valid_json_is_read_as_others_read_it(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty {
            serde_json::to_string_pretty(&value).unwrap()
        } else {
            value.to_string()
        };
        let (node, problems) = read(&text);
        prop_assert!(problems.is_empty(), "{problems:?}");
        prop_assert!(same(&node, &value));
    }

    #[test]
    fn more_mistakes_than_are_told_end_the_reading(
        piece in "[\\[\\]{}:,;\"a1 \n\\\\'/*#“\u{a0}-]{1,12}",
        before in "[\\[{\"a: ]{0,4}",
    ) {
        let (_, problems) = read(&format!("{before}{}", piece.repeat(300)));
        prop_assert!(problems.len() <= 400);
    }

    #[test]
    fn whatever_others_refuse_is_complained_about(text in "[\\[\\]{}:,\"a1 \n\\\\-]{0,24}") {
        let (_, problems) = read(&text);
        let valid = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        let ids: Vec<_> = problems.iter().map(|problem| problem.id).collect();
        prop_assert_eq!(valid, problems.is_empty(), "{:?}", ids);
    }
}
