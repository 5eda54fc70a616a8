//! Texts made by rules: valid ones, which must have no errors and the structure that hcl-edit sees, and arbitrary ones,
//! which must only survive. The rules start from a fixed seed, so a run is like the one before.
#![allow(clippy::unwrap_used)]

mod support;

use imgc_syntax::hcl::{MAX_DEPTH, parse, parse_expression, parse_template};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use support::theirs;

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn name() -> impl Strategy<Value = String> + Clone {
    prop_oneof![4 => "[a-z][a-z_]{0,6}", 1 => "[a-zé_][a-z0-9-]{0,5}[a-z0-9]"].prop_filter(
        "words with a meaning",
        |name| {
            !matches!(
                name.as_str(),
                "for"
                    | "in"
                    | "if"
                    | "true"
                    | "false"
                    | "null"
                    | "else"
                    | "endif"
                    | "endfor"
                    | "not"
                    | "and"
                    | "or"
            )
        },
    )
}

/// Text of a quoted template without sequences.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-zA-Z0-9 .,:;/_<>@#'(){}=+*-]{1,8}",
        1 => Just("\\n".to_owned()),
        1 => Just("\\\"".to_owned()),
        1 => Just("\\\\".to_owned()),
        1 => Just("\\t".to_owned()),
        1 => Just("\\u00e9".to_owned()),
        1 => Just("é日😀".to_owned()),
        1 => Just("$${".to_owned()),
        1 => Just("%%{".to_owned()),
        1 => Just("$ ".to_owned()),
        1 => Just("50% ".to_owned()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        "[1-9][0-9]{0,6}",
        "[0-9]\\.[0-9]{1,3}",
        "[1-9]e[0-9]",
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
        name(),
        text().prop_map(|text| format!("\"{text}\"")),
    ]
}

/// An expression that stays whole as an operand.
fn operand(
    inner: impl Strategy<Value = String> + Clone + 'static,
) -> impl Strategy<Value = String> {
    let list = prop::collection::vec(inner.clone(), 0..4);
    prop_oneof![
        inner.clone().prop_map(|expr| format!("({expr})")),
        inner.clone().prop_map(|expr| format!("(\n  {expr}\n)")),
        (list.clone(), any::<bool>()).prop_map(|(list, comma)| {
            format!(
                "[{}{}]",
                list.join(", "),
                if comma && !list.is_empty() { "," } else { "" }
            )
        }),
        list.clone().prop_map(|list| format!(
            "[\n{}]",
            list.iter()
                .map(|item| format!("  {item}, # c\n"))
                .collect::<String>()
        )),
        prop::collection::vec((name(), inner.clone(), any::<bool>()), 0..4).prop_map(|items| {
            let items: Vec<_> = items
                .iter()
                .map(|(key, value, colon)| {
                    format!("{key} {} {value}", if *colon { ":" } else { "=" })
                })
                .collect();
            format!("{{ {} }}", items.join(", "))
        }),
        prop::collection::vec((text(), inner.clone()), 1..4).prop_map(|items| {
            format!(
                "{{\n{}}}",
                items
                    .iter()
                    .map(|(key, value)| format!("  \"{key}\" = {value}\n"))
                    .collect::<String>()
            )
        }),
        (name(), list, any::<bool>()).prop_map(|(name, list, expand)| {
            format!(
                "{name}({}{})",
                list.join(", "),
                if expand && !list.is_empty() {
                    "..."
                } else {
                    ""
                }
            )
        }),
        (name(), inner.clone(), inner.clone())
            .prop_map(|(x, collection, value)| format!("[for {x} in {collection} : {value}]")),
        (name(), name(), inner.clone(), inner.clone(), inner.clone()).prop_map(
            |(k, v, collection, value, condition)| {
                format!("{{for {k}, {v} in ({collection}) : ({value}) => {k}... if {condition}}}")
            }
        ),
        (text(), inner.clone(), text())
            .prop_map(|(before, expr, after)| format!("\"{before}${{{expr}}}{after}\"")),
        (name(), steps(inner)).prop_map(|(root, steps)| format!("{root}{steps}")),
    ]
}

fn steps(inner: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = String> {
    let step = prop_oneof![
        4 => name().prop_map(|name| format!(".{name}")),
        1 => (0..30u32).prop_map(|index| format!("[{index}]")),
        1 => (0..9u32).prop_map(|index| format!(".{index}")),
        1 => inner.prop_map(|expr| format!("[{expr}]")),
        1 => Just("[*]".to_owned()),
        1 => Just(".*".to_owned()),
    ];
    prop::collection::vec(step, 1..5).prop_map(|steps| steps.concat())
}

fn expression() -> impl Strategy<Value = String> + Clone {
    leaf().prop_recursive(4, 40, 4, |inner| {
        let inner = inner.boxed();
        prop_oneof![
            3 => operand(inner.clone()),
            2 => (inner.clone(), operator(), inner.clone()).prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
            1 => (operand(inner.clone()), inner.clone(), inner.clone()).prop_map(|(c, a, b)| format!("{c} ? {a} : {b}")),
            1 => operand(inner.clone()).prop_map(|expr| format!("!{expr}")),
            1 => operand(inner).prop_map(|expr| format!("-{expr}")),
        ]
    })
}

fn operator() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||",
    ])
}

/// Lines of a heredoc.
fn heredoc() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => "[a-zA-Z0-9 .,/\"'\\\\<>=#;(){}-]{0,12}x",
        1 => name().prop_map(|name| format!("  x ${{{name}}} y")),
        1 => name().prop_map(|name| format!("${{{name}}}")),
        1 => Just("    $${x} %%{y} $z 5%".to_owned()),
    ];
    // Not empty and without blank lines: see the known differences.
    (prop::collection::vec(line, 1..5), any::<bool>()).prop_map(|(lines, dash)| {
        let body: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        format!("<<{}END_OF\n{body}  END_OF", if dash { "-" } else { "" })
    })
}

fn body() -> impl Strategy<Value = String> {
    let attribute = (
        name(),
        prop_oneof![5 => expression().boxed(), 1 => heredoc().boxed()],
    )
        .prop_map(|(name, value)| format!("{name} = {value}\n"));
    // Names of attributes are unique in a body, as hcl-edit requires.
    let unique = |items: Vec<String>| {
        let numbered = items.into_iter().enumerate().map(|(number, item)| {
            if item.contains(" = ") && !item.starts_with("blk") {
                format!("a{number}_{item}")
            } else {
                item
            }
        });
        numbered.collect::<String>()
    };
    let items = prop::collection::vec(attribute.boxed(), 0..4).prop_map(unique);
    items.prop_recursive(3, 20, 4, move |inner| {
        let label = prop_oneof![
            name(),
            "[a-z .-]{0,6}".prop_map(|text| format!("\"{text}\""))
        ];
        let block = (
            prop::collection::vec(label, 0..3),
            inner.clone(),
            any::<bool>(),
        )
            .prop_map(|(labels, body, comment)| {
                format!(
                    "blk {} {{{}\n{body}}}\n",
                    labels.join(" "),
                    if comment { " # c" } else { "" }
                )
            });
        let empty = name().prop_map(|name| format!("blk_{name} {{}}\n"));
        (
            inner,
            prop::collection::vec(prop_oneof![block.boxed(), empty.boxed()], 0..3),
        )
            .prop_map(|(items, blocks)| format!("{items}{}", blocks.concat()))
    })
}

#[test]
fn valid_files_have_no_errors_and_the_structure_hcl_edit_sees() {
    let compared = std::cell::Cell::new(0);
    run(400, &body(), |text| {
        let parse = parse(&text);
        let shown = support::errors(&parse, &text);
        assert!(parse.errors().is_empty(), "{shown}\n--- {text}");
        assert_eq!(parse.syntax().text().to_string(), text);
        if let Some(theirs) = theirs(&text) {
            compared.set(compared.get() + 1);
            assert_eq!(theirs, support::ours(&text), "in\n{text}");
        }
    });
    assert!(
        compared.get() > 200,
        "hcl-edit accepted only {}",
        compared.get()
    );
}

#[test]
fn valid_expressions_have_no_errors() {
    run(600, &expression(), |text| {
        let parse = parse_expression(&text);
        assert!(
            parse.errors().is_empty(),
            "{}\n--- {text}",
            support::errors(&parse, &text)
        );
        assert_eq!(parse.syntax().text().to_string(), text);
    });
}

/// What holds for every text.
fn survives(text: &str) {
    for parse in [parse(text), parse_expression(text), parse_template(text)] {
        let root = parse.syntax();
        assert_eq!(root.text().to_string(), text);
        assert!(support::visit(&root) <= MAX_DEPTH + 8);
        for error in parse.errors() {
            assert!(
                text.get(error.start as usize..error.end as usize).is_some(),
                "{error:?}"
            );
        }
    }
}

#[test]
fn arbitrary_text_survives() {
    run(800, &any::<String>(), |text| survives(&text));
    run(800, &prop::collection::vec(any::<u8>(), 0..80), |bytes| {
        survives(&String::from_utf8_lossy(&bytes))
    });
}

/// Pieces of the language in any order find more than arbitrary characters do.
#[test]
fn arbitrary_tokens_survive() {
    let piece = prop::sample::select(vec![
        "{", "}", "(", ")", "[", "]", "\"", "${", "%{", "~}", "${~", "=", "==", "=>", ":", "::",
        ",", ".", "...", "*", "?", "!", "-", "&&", "|", "\n", "\n", "  ", " ", "a", "for", "in",
        "if", "else", "endif", "endfor", "b", "1", "0.5", "<<E\n", "<<-E\n", "E\n", "\\n", "\\",
        "#c", "/*", "*/", "$${", "'", "é", "\r\n", "\0", "not", "true",
    ]);
    run(3000, &prop::collection::vec(piece, 0..40), |pieces| {
        survives(&pieces.concat())
    });
}
