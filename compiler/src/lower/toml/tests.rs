#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::parse;
use crate::diagnostic::Diagnostic;
use crate::lower::testing;
use crate::lower::tree::{Node, NodeKind};

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
        insta::assert_snapshot!("toml-mistakes", all.join("\n"));
    });
}

#[test]
fn tables_of_several_kinds_become_one_tree() {
    let text = r#"
top = 1
[build]
name = "b"
[[build.provisioner]]
type = "shell"
env.A.B = 1
env.A.C = 2
[[build.provisioner]]
[build.provisioner.file]
source = { a.b = 1, "c d" = [ { e = 1 } ] }
[source.null.base]
"quoted.key" = true
"#;
    let (node, problems) = read(text);
    assert!(problems.is_empty(), "{problems:?}");
    let mut shown = String::new();
    testing::show(&node, &mut shown);
    assert_eq!(
        shown,
        r#"{"top":1,"build":{"name":"b","provisioner":[{"type":"shell","env":{"A":{"B":1,"C":2}}},{"file":{"source":{"a":{"b":1},"c d":[{"e":1}]}}}]},"source":{"null":{"base":{"quoted.key":true}}}}"#
    );
}

#[test]
fn characters_of_every_kind_of_text_point_into_the_file() {
    let texts = [
        r#"a = "x\n\u00e9\t${q}""#,
        r"a = 'x\n${q}'",
        "a = \"\"\"\nx\\n\\\n   \\\n  y\\t\r\n ${q}\"\"\"",
        "a = '''\n  x\n${q}'''",
    ];
    for text in texts {
        let (node, problems) = read(text);
        assert!(problems.is_empty(), "{problems:?}");
        let Some(NodeKind::Text(inner)) = node.get("a").map(|node| &node.kind) else {
            panic!("not a text");
        };
        let decoded = inner.text.find('q').unwrap() as u32;
        let place = inner.map.span(decoded, decoded + 1);
        assert_eq!(
            &text[place.start as usize..place.end as usize],
            "q",
            "{text}"
        );
    }
}

#[test]
fn deep_nesting_is_a_mistake_and_not_a_crash() {
    let deep = [
        format!("a = {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("a = {}1{}", "{a=".repeat(50_000), "}".repeat(50_000)),
        format!("{}a = 1", "a.".repeat(50_000)),
        format!("[{}a]\nb = 1", "a.".repeat(50_000)),
        format!(
            "a = {}1{}",
            format!("{{{}a=", "a.".repeat(90)).repeat(90),
            "}".repeat(90)
        ),
    ];
    for text in deep {
        let (_, problems) = read(&text);
        assert!(problems.iter().any(|problem| problem.id == "toml/too-deep"));
    }
}

#[test]
fn mistakes_without_end_are_read_in_linear_time() {
    for piece in [
        "\"", "a = \"\n", "[1 2", "[[a]]\n", "a = {", "'", "\"\"\"\n", "a = 1\n", "[a]\n", "=",
        "a.", ",",
    ] {
        let (_, problems) = read(&piece.repeat(100_000));
        assert!(problems.len() <= 200);
    }
}

fn same(node: &Node, value: &toml::Value) -> bool {
    match (&node.kind, value) {
        (NodeKind::Bool(a), toml::Value::Boolean(b)) => a == b,
        (NodeKind::Number(a), toml::Value::Integer(b)) => a.to_i64() == Some(*b),
        (NodeKind::Number(a), toml::Value::Float(b)) => a.to_f64() == *b,
        (NodeKind::Text(a), toml::Value::String(b)) => a.text == *b,
        (NodeKind::Array(a), toml::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (NodeKind::Object(a), toml::Value::Table(b)) => {
            a.len() == b.len()
                && a.iter().all(|member| {
                    b.get(member.key.text.as_str())
                        .is_some_and(|value| same(&member.value, value))
                })
        }
        _ => false,
    }
}

fn line() -> impl Strategy<Value = String> {
    let key = "[ab]|a\\.b|b\\.a\\.a|\"a\"|'b c'";
    let value = prop_oneof![
        "1|-2|1\\.5|true|\\[\\]|\\{\\}",
        "\"(x|\\\\n|\\\\u00e9|y\t){0,3}\"",
        "'[xy\\\\ ]{0,3}'",
        "\"\"\"\n?(x|\\\\\n  |\"|\\\\t){0,3}y\"\"\"",
        "'''[\nx]{0,3}'''",
        "\\[(1, ?){0,2}\n?\\]",
        "\\{ ?(a = 1|b\\.a = 2|a\\.b = 3), b\\.b = 4 ?\\}",
        "[a1\"\\[=]{0,4}",
    ];
    prop_oneof![
        4 => (key, value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        1 => key.prop_map(|key| format!("[{key}]\n")),
        1 => key.prop_map(|key| format!("[[{key}]]\n")),
        1 => "[ab=\\[\\]\"' #.,{}]{0,6}\n",
    ]
}

proptest! {
    #[test]
    fn toml_is_read_and_refused_as_by_others(lines in prop::collection::vec(line(), 0..8)) {
        let text = lines.concat();
        let (node, problems) = read(&text);
        match text.parse::<toml::Table>() {
            Ok(table) => {
                // The specification forbids keys with dots into a list of tables; the `toml` crate lets them pass.
                prop_assume!(problems.first().is_none_or(|first| first.id != "toml/not-a-table"));
                prop_assert!(problems.is_empty(), "{text}{problems:?}");
                prop_assert!(same(&node, &toml::Value::Table(table)), "{text}{node:?}");
            }
            Err(error) => prop_assert!(!problems.is_empty(), "{text}{error}"),
        }
    }
}
