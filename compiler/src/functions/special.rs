//! Functions of expressions; how they work is in [`crate::eval`].

use super::{Function, Param, Purity, Returns, Run, Shape, Special, Variadic};
use crate::types::Type;

const ANY: Returns = Returns::Follows(Shape::Any, |_| Type::Any);

pub(super) static FUNCTIONS: &[Function] = &[
    Function {
        name: "can",
        params: &[Param::new("expression", Shape::Any)],
        variadic: None,
        returns: Returns::Is(Shape::Bool),
        purity: Purity::Pure,
        doc: "Whether an expression has a value.",
        example: ("can({ a = 1 }.b)", "false"),
        run: Run::Special(Special::Can),
    },
    Function {
        name: "convert",
        params: &[
            Param::new("value", Shape::Any),
            Param::new("type", Shape::Type),
        ],
        variadic: None,
        returns: ANY,
        purity: Purity::Pure,
        doc: "The value as one of another type.",
        example: ("convert([\"1\", 2], list(number))", "[1, 2]"),
        run: Run::Special(Special::Convert),
    },
    Function {
        name: "templatefile",
        params: &[
            Param::new("path", Shape::String),
            Param::new("vars", Shape::Mapping),
        ],
        variadic: None,
        returns: ANY,
        purity: Purity::File,
        doc: "The text of a file, a template in which the given variables stand.",
        example: (
            "templatefile(\"motd.tpl\", { name = \"web\" })",
            "\"Welcome to web\"",
        ),
        run: Run::Special(Special::TemplateFile),
    },
    Function {
        name: "try",
        params: &[],
        variadic: Some(Variadic {
            param: Param::new("expressions", Shape::Any),
            min: 1,
            max: None,
        }),
        returns: ANY,
        purity: Purity::Pure,
        doc: "The first expression that has a value.",
        example: ("try({ a = 1 }.b, 2)", "2"),
        run: Run::Special(Special::Try),
    },
];
