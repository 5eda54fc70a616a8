#![allow(clippy::unwrap_used)]

use imgc_syntax::FileId;

use super::{Form, template, variables};
use crate::hir::{Body, ExprKind};
use crate::lower::{json, toml};

fn from_json(text: &str) -> Body {
    let mut out = Vec::new();
    let root = json::parse(FileId(0), text, &mut out);
    let body = template(&root, text, Form::Json, &mut out);
    assert!(out.is_empty(), "{out:?}");
    body
}

fn from_toml(text: &str) -> Body {
    let mut out = Vec::new();
    let root = toml::parse(FileId(0), text, &mut out);
    let body = template(&root, text, Form::Toml, &mut out);
    assert!(out.is_empty(), "{out:?}");
    body
}

#[test]
fn names_stand_between_the_quotes() {
    let text = r#"{"source": {"null": {"b\u0061se": {"ssh_host": "x"}}}}"#;
    let body = from_json(text);
    let block = &body.blocks[0];
    let place = |span: imgc_syntax::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(place(block.kind.span), "source");
    assert_eq!(block.labels[1].text, "base");
    assert_eq!(place(block.labels[1].span), r"b\u0061se");
    assert_eq!(place(block.body.attributes[0].name.span), "ssh_host");
    assert_eq!(place(block.header), r#""b\u0061se""#);
    assert_eq!(place(block.span), r#""b\u0061se": {"ssh_host": "x"}"#);
}

#[test]
fn blocks_of_toml_stand_in_the_order_of_the_file() {
    let text = r#"
[[build]]
[[build.provisioner]]
type = "a"
[[build.provisioners]]
name = "b"
[[build.provisioner]]
[build.provisioner.c]
[build.dynamic.provisioner]
[[build.provisioner]]
type = "d"
"#;
    let body = from_toml(text);
    let labels: Vec<&str> = body.blocks[0]
        .body
        .blocks
        .iter()
        .map(|block| block.labels[0].text.as_str())
        .collect();
    assert_eq!(labels, ["a", "b", "c", "provisioner", "d"]);
    let header = body.blocks[0].body.blocks[0].header;
    assert_eq!(
        &text[header.start as usize..header.end as usize],
        "[[build.provisioner]]"
    );
}

#[test]
fn a_label_may_be_called_as_the_key_that_gives_labels() {
    let body = from_toml(
        "[variable.name]\ntype = \"string\"\n[[local]]\nname = \"type\"\nexpression = 1\n",
    );
    let labels: Vec<&str> = body
        .blocks
        .iter()
        .map(|block| block.labels[0].text.as_str())
        .collect();
    assert_eq!(labels, ["name", "type"]);
    assert_eq!(body.blocks[1].body.attributes.len(), 1);
}

#[test]
fn a_text_is_a_template_an_expression_or_itself_by_its_place() {
    let text = r#"{"variable": {"a": {"type": "list(string)", "default": "list(string)"}}}"#;
    let body = from_json(text);
    let [ty, default] = body.blocks[0].body.attributes.as_slice() else {
        panic!("not two attributes");
    };
    assert!(matches!(ty.value.kind, ExprKind::Call(_)));
    assert!(matches!(default.value.kind, ExprKind::Literal(_)));

    let text = r#"{"a": "${x}", "//": 1}"#;
    let mut out = Vec::new();
    let root = json::parse(FileId(0), text, &mut out);
    let given = variables(&root, text, Form::Json, &mut out);
    let [a] = given.attributes.as_slice() else {
        panic!("not one attribute");
    };
    assert!(matches!(&a.value.kind, ExprKind::Literal(value) if value.as_str() == Some("${x}")));
}

#[test]
fn blocks_of_components_are_those_of_the_catalogue() {
    let body = from_json(
        r#"{"source": {"amazon-ebs": {"a": {"tags": {"a": "b"}, "source_ami_filter": {"owners": []}}},
            "unknown-builder": {"a": {"tags": {"a": "b"}, "source_ami_filter": {"owners": []}}}}}"#,
    );
    let shape = |at: usize| {
        let body = &body.blocks[at].body;
        (body.attributes.len(), body.blocks.len())
    };
    assert_eq!(shape(0), (1, 1));
    assert_eq!(shape(1), (2, 0));
}
