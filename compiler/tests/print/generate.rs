//! Bodies made by rules, every form of expression among them.

use imgc_compiler::hir::{
    Attribute, BinaryOp, Block, Body, Call, Expr, ExprKind, For, Name, Part, UnaryOp,
};
use imgc_compiler::types::Type;
use imgc_compiler::value::{Number, Value};
use imgc_compiler::{FileId, Span};
use proptest::prelude::*;

fn span() -> Span {
    Span::new(FileId(0), 0, 0)
}

fn make(kind: ExprKind) -> Expr {
    Expr { kind, span: span() }
}

fn named(text: String) -> Name {
    Name {
        text: text.into(),
        span: span(),
    }
}

/// An identifier that is no word of the language.
pub(crate) fn name() -> impl Strategy<Value = String> + Clone {
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

/// Text of any kind, with what needs escapes more often than chance has it.
fn text() -> impl Strategy<Value = String> + Clone {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 .,:;/_<>@#'(){}=+*-]{1,8}",
        1 => Just("\n".to_owned()),
        1 => Just("\n  ".to_owned()),
        1 => Just("\n \n".to_owned()),
        1 => Just("\"".to_owned()),
        1 => Just("\\".to_owned()),
        1 => Just("\t".to_owned()),
        1 => Just("\r".to_owned()),
        1 => Just("\u{7}\u{0}\u{85}\u{feff}\u{2028}".to_owned()),
        1 => Just("é日😀".to_owned()),
        2 => Just("${".to_owned()),
        2 => Just("%{".to_owned()),
        2 => Just("$".to_owned()),
        2 => Just("%".to_owned()),
        1 => Just("}".to_owned()),
        1 => Just("~}".to_owned()),
        1 => Just("EOT\n".to_owned()),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn number() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        "[0-9]{1,24}",
        "-?[0-9]{1,6}\\.[0-9]{1,9}",
        "-[1-9]",
        "[1-9]e[0-9]{1,2}",
        "[1-9]e-[0-9]{1,2}"
    ]
    .prop_map(|text| Value::number(Number::parse(&text).expect("a number")))
}

fn leaf() -> impl Strategy<Value = Expr> + Clone {
    prop_oneof![
        2 => number().prop_map(ExprKind::Literal),
        1 => any::<bool>().prop_map(|flag| ExprKind::Literal(Value::bool(flag))),
        1 => Just(ExprKind::Literal(Value::null(Type::Any))),
        3 => text().prop_map(|text| ExprKind::Literal(Value::string(text))),
        3 => name().prop_map(|name| ExprKind::Variable(name.into())),
    ]
    .prop_map(make)
}

fn binary() -> impl Strategy<Value = BinaryOp> {
    use BinaryOp::*;
    prop::sample::select(vec![
        Or,
        And,
        Equal,
        NotEqual,
        Greater,
        GreaterEqual,
        Less,
        LessEqual,
        Add,
        Subtract,
        Multiply,
        Divide,
        Remainder,
    ])
}

fn part(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Part> + Clone {
    let plain = prop_oneof![
        text().prop_map(|text| Part::Literal(text.into())),
        inner.clone().prop_map(Part::Interpolation),
    ];
    plain.prop_recursive(2, 8, 3, move |nested| {
        let parts = prop::collection::vec(nested.clone(), 0..3);
        prop_oneof![
            nested,
            (inner.clone(), parts.clone(), parts.clone()).prop_map(
                |(condition, then, otherwise)| Part::If {
                    condition,
                    then,
                    otherwise,
                    span: span(),
                }
            ),
            (prop::option::of(name()), name(), inner.clone(), parts).prop_map(
                |(key, value, collection, body)| {
                    Part::For {
                        key: key.map(named),
                        value: named(value),
                        collection,
                        body,
                        span: span(),
                    }
                }
            ),
        ]
    })
}

/// A template that is not a text alone.
fn template(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> {
    let expr = inner.clone();
    (
        prop::collection::vec(part(inner.clone()), 0..3),
        expr,
        prop::collection::vec(part(inner), 0..3),
    )
        .prop_map(|(mut before, expr, after)| {
            before.push(Part::Interpolation(expr));
            before.extend(after);
            ExprKind::Template(before)
        })
}

/// The steps behind a splat.
fn each(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = Expr> {
    let step = prop_oneof![name().prop_map(Ok), inner.prop_map(Err),];
    prop::collection::vec(step, 0..3).prop_map(|steps| {
        steps
            .into_iter()
            .fold(make(ExprKind::SplatItem), |operand, step| {
                make(match step {
                    Ok(name) => ExprKind::Attribute(Box::new(operand), named(name)),
                    Err(key) => ExprKind::Index(Box::new(operand), Box::new(key)),
                })
            })
    })
}

fn for_expr(inner: BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> {
    let names = (prop::option::of(name()), name());
    let result = (
        prop::option::of(inner.clone()),
        inner.clone(),
        any::<bool>(),
    );
    (names, inner.clone(), result, prop::option::of(inner)).prop_map(
        |((key, value), collection, (result_key, result, group), condition)| {
            ExprKind::For(Box::new(For {
                key: key.map(named),
                value: named(value),
                collection,
                group: group && result_key.is_some(),
                result_key,
                result,
                condition,
            }))
        },
    )
}

/// An expression.
pub(crate) fn expression() -> BoxedStrategy<Expr> {
    leaf()
        .prop_recursive(4, 40, 4, |inner| {
            let inner = inner.boxed();
            let one = || inner.clone().prop_map(Box::new);
            let list = prop::collection::vec(inner.clone(), 0..4);
            let key = prop_oneof![
                3 => text().prop_map(|text| make(ExprKind::Literal(Value::string(text)))),
                1 => name().prop_map(|name| make(ExprKind::Literal(Value::string(name)))),
                1 => inner.clone(),
            ];
            prop_oneof![
                3 => template(inner.clone()),
                2 => (any::<bool>(), one()).prop_map(|(not, operand)| {
                    ExprKind::Unary(if not { UnaryOp::Not } else { UnaryOp::Negate }, operand)
                }),
                4 => (one(), binary(), one()).prop_map(|(left, op, right)| ExprKind::Binary(left, op, right)),
                2 => (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| ExprKind::Conditional(Box::new([a, b, c]))),
                2 => for_expr(inner.clone()),
                2 => (one(), each(inner.clone()).prop_map(Box::new))
                    .prop_map(|(operand, each)| ExprKind::Splat { operand, each }),
                2 => (one(), one()).prop_map(|(operand, key)| ExprKind::Index(operand, key)),
                3 => (one(), name()).prop_map(|(operand, name)| ExprKind::Attribute(operand, named(name))),
                2 => (name(), list.clone(), any::<bool>()).prop_map(|(name, arguments, expand)| {
                    ExprKind::Call(Box::new(Call {
                        name: named(name),
                        expand_last: expand && !arguments.is_empty(),
                        arguments,
                    }))
                }),
                2 => list.prop_map(ExprKind::Tuple),
                2 => prop::collection::vec((key, inner.clone()), 0..4).prop_map(ExprKind::Object),
                1 => one().prop_map(ExprKind::Paren),
            ]
            .prop_map(make)
        })
        .boxed()
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> + Clone {
    prop::collection::vec((name(), expression()), 0..4).prop_map(|attributes| {
        let numbered = attributes.into_iter().enumerate();
        numbered
            .map(|(at, (name, value))| Attribute {
                // Names of attributes are unique in a body.
                name: named(format!("{name}{at}")),
                value,
                span: span(),
            })
            .collect()
    })
}

/// A file.
pub(crate) fn body() -> impl Strategy<Value = Body> {
    let flat = attributes().prop_map(|attributes| Body {
        attributes,
        ..Body::default()
    });
    flat.prop_recursive(3, 20, 4, |inner| {
        let labels = prop::collection::vec(prop_oneof![name(), text()], 0..3);
        let block = (name(), labels, inner).prop_map(|(kind, labels, body)| Block {
            kind: named(kind),
            labels: labels.into_iter().map(named).collect(),
            body,
            header: span(),
            span: span(),
        });
        (attributes(), prop::collection::vec(block, 0..3)).prop_map(|(attributes, blocks)| Body {
            attributes,
            blocks,
            ..Body::default()
        })
    })
}
