//! What all functions have in common, tried with every argument of every function: null, unknown, sensitive and wrong
//! values. Nothing here names a function: a new one is tried as soon as it is in the table.

use imgc_compiler::functions::{Function, Param, Purity, Run, Shape, TABLE};
use imgc_compiler::hir::ExprKind;
use imgc_compiler::lower::hcl;
use imgc_compiler::types::Type;
use imgc_compiler::value::Value;
use imgc_syntax::FileId;

use crate::rows;
use crate::world::{Outcome, answer, evaluate_text};

/// Calls of a function that have a value, by their arguments as written.
fn calls(function: &Function) -> Vec<Vec<String>> {
    let rows = rows::rows();
    rows.iter()
        .filter(|row| row.function == function.name && !row.answer.contains(" at `"))
        .filter_map(|row| arguments(function.name, &row.expression))
        .collect()
}

/// The arguments of a row that is a plain call.
fn arguments(name: &str, text: &str) -> Option<Vec<String>> {
    let expr = hcl::expression(FileId(0), 0, text, &mut Vec::new());
    let ExprKind::Call(call) = &expr.kind else {
        return None;
    };
    (call.name.text == name && !call.expand_last).then(|| {
        let texts = call.arguments.iter().map(|argument| {
            text[argument.span.start as usize..argument.span.end as usize].to_owned()
        });
        texts.collect()
    })
}

/// The first row of each function that is a plain call with a value, with each of its arguments in turn.
fn each_argument(mut check: impl FnMut(&Function, &Param, usize, &[String])) {
    let mut tried = 0;
    for function in TABLE.iter() {
        if !matches!(function.run, Run::Values(_)) {
            continue;
        }
        let Some(arguments) = calls(function)
            .into_iter()
            .max_by_key(|arguments| arguments.len().min(3))
        else {
            assert_eq!(function.max_arguments(), Some(0), "{}", function.name);
            continue;
        };
        for at in 0..arguments.len() {
            let param = function.param(at).unwrap();
            check(function, param, at, &arguments);
            tried += 1;
        }
    }
    assert!(tried > 150, "only {tried} arguments were tried");
}

/// The call with one argument replaced.
fn with(function: &Function, arguments: &[String], at: usize, replacement: &str) -> String {
    let mut arguments = arguments.to_vec();
    arguments[at] = replacement.to_owned();
    format!("{}({})", function.name, arguments.join(", "))
}

/// The value of an argument as written.
fn value(text: &str) -> Value {
    match evaluate_text(text, &[]) {
        Outcome::Value(value) => value,
        Outcome::Problems(problems) => panic!("{text}: {}", problems[0].0.message),
    }
}

#[test]
fn null_is_taken_or_refused_by_name() {
    each_argument(|function, param, at, arguments| {
        let call = with(function, arguments, at, "null");
        let found = answer(&call, &[]);
        let refused = format!(
            "eval/argument at `null`: `{}` of `{}` is null",
            param.name, function.name
        );
        assert_eq!(found == refused, !param.nullable, "{call}\n  {found}");
    });
}

#[test]
fn what_is_unknown_makes_the_result_unknown() {
    each_argument(|function, _, at, arguments| {
        let call = with(function, arguments, at, "later");
        let later = Value::unknown(value(&arguments[at]).ty());
        match evaluate_text(&call, &[("later", later)]) {
            Outcome::Value(found) => {
                let decided = found.is_wholly_known();
                // The first argument that counts may decide without the others.
                assert!(!decided || function.name == "coalesce", "{call}");
                let known = value(&with(function, arguments, at, &arguments[at]));
                let (known, found) = (known.ty(), found.ty());
                assert!(fits(&known, &found), "{call}\n  {found} for {known}");
            }
            Outcome::Problems(problems) => panic!("{call}: {}", problems[0].0.message),
        }
    });
}

#[test]
fn what_is_not_known_at_all_is_accepted() {
    each_argument(|function, _, at, arguments| {
        let call = with(function, arguments, at, "unknown");
        let Outcome::Value(found) = evaluate_text(&call, &[]) else {
            panic!("{call}: {}", answer(&call, &[]));
        };
        assert!(
            !found.is_wholly_known() || function.name == "coalesce",
            "{call}"
        );
    });
}

/// Whether a value of the type `known` may turn out of one of the type `found`.
fn fits(known: &Type, found: &Type) -> bool {
    match (known, found) {
        (_, Type::Any) => true,
        (Type::List(known), Type::List(found)) | (Type::Set(known), Type::Set(found)) => {
            fits(known, found)
        }
        (Type::Map(known), Type::Map(found)) => fits(known, found),
        (Type::Tuple(known), Type::Tuple(found)) => {
            known.len() == found.len() && known.iter().zip(found.iter()).all(|(a, b)| fits(a, b))
        }
        (Type::Tuple(known), Type::List(found)) => known.iter().all(|part| fits(part, found)),
        _ => known == found,
    }
}

#[test]
fn what_is_sensitive_makes_the_result_sensitive() {
    each_argument(|function, _, at, arguments| {
        let call = with(function, arguments, at, "hidden");
        let hidden = value(&arguments[at]).mark(true);
        let Outcome::Value(found) = evaluate_text(&call, &[("hidden", hidden)]) else {
            panic!("{call}: {}", answer(&call, &[]));
        };
        // An argument that is not looked at leaves no trace.
        let unused = matches!(
            (function.name, at),
            ("coalesce" | "coalescelist", 1..) | ("lookup", 2)
        );
        assert!(found.contains_sensitive() || unused, "{call}");
    });
}

#[test]
fn what_is_sensitive_is_in_no_message() {
    const SECRET: &str = "hunter2";
    each_argument(|function, _, at, arguments| {
        if function.purity == Purity::Network {
            return;
        }
        for hidden in [
            Value::from(SECRET).mark(true),
            Value::strings([SECRET]).mark(true),
            Value::object([(SECRET, Value::from(SECRET))]).mark(true),
            Value::tuple([Value::from(SECRET).mark(true)]),
        ] {
            let call = with(function, arguments, at, "hidden");
            let extra = [("hidden", hidden)];
            let found = answer(&call, &extra);
            assert!(!found.contains(SECRET), "{call}\n  {found}");
        }
    });
}

#[test]
fn what_is_of_the_wrong_type_is_refused_by_name() {
    each_argument(|function, param, at, arguments| {
        let wrong = match param.shape {
            Shape::Any | Shape::Type => return,
            Shape::Number => "\"not a number\"",
            Shape::Mapping | Shape::Map(_) => "[1]",
            _ => "{ no = \"such\" }",
        };
        let call = with(function, arguments, at, wrong);
        let found = answer(&call, &[]);
        let place = format!("eval/argument at `{wrong}`: expected ");
        let name = format!(" for `{}` of `{}`, found ", param.name, function.name);
        assert!(
            found.starts_with(&place) && found.contains(&name),
            "{call}\n  {found}"
        );
    });
}

#[test]
fn too_few_and_too_many_arguments_are_counted() {
    for function in TABLE.iter() {
        let call = |count: usize| {
            let arguments = vec!["\"x\""; count].join(", ");
            answer(&format!("{}({arguments})", function.name), &[])
        };
        let wrong = format!("eval/argument-count at `{0}`: `{0}` takes ", function.name);
        if let Some(few) = function.min_arguments().checked_sub(1) {
            assert!(call(few).starts_with(&wrong), "{}", call(few));
        }
        if let Some(max) = function.max_arguments() {
            assert!(call(max + 1).starts_with(&wrong), "{}", call(max + 1));
        }
    }
}
