//! Every row gives what it says, and every function has rows.
//!
//! `IMGC_UPDATE_FUNCTIONS=1` writes what is given now into the files; whoever does that reads the difference.

use std::collections::BTreeMap;

use imgc_compiler::functions::{Function, Shape, TABLE};

use crate::rows::{self, Line};
use crate::world::answer;

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "a test reads and writes its cases"
)]
fn every_row_gives_what_it_says() {
    let update = std::env::var_os("IMGC_UPDATE_FUNCTIONS").is_some();
    let mut wrong = Vec::new();
    for mut file in rows::files() {
        for line in &mut file.lines {
            let Line::Row(expression, wanted) = line else {
                continue;
            };
            let found = answer(expression, &[]);
            if found != *wanted && !update {
                wrong.push(format!("{expression}\n  wanted {wanted}\n  found  {found}"));
            }
            *wanted = found;
        }
        if update {
            std::fs::write(&file.path, rows::text(&file.lines)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_function_has_rows() {
    let mut of: BTreeMap<&str, Vec<&rows::Row>> = BTreeMap::new();
    let rows = rows::rows();
    for row in &rows {
        of.entry(&row.function).or_default().push(row);
    }
    let mut wrong = Vec::new();
    for function in TABLE.iter() {
        let found = of.remove(function.name).unwrap_or_default();
        wrong.extend(missing(function, &found));
    }
    wrong.extend(of.keys().map(|name| format!("`{name}` is no function")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What the rows of a function lack.
fn missing(function: &Function, rows: &[&rows::Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    let failing = rows.iter().filter(|row| row.answer.contains(" at `"));
    let (failing, all) = (failing.count(), rows.len());
    let call = format!("{}(", function.name);
    if !rows.iter().all(|row| row.expression.contains(&call)) {
        wrong.push(format!("a row of `{}` does not call it", function.name));
    }
    let arguments = function.max_arguments() != Some(0);
    if all - failing < if arguments { 3 } else { 1 } {
        wrong.push(format!("`{}` has too few rows with a value", function.name));
    }
    let everything_goes = |at: usize| {
        function
            .param(at)
            .is_none_or(|param| param.shape == Shape::Any)
    };
    if failing == 0 && !(0..3).all(everything_goes) {
        wrong.push(format!("`{}` has no row that fails", function.name));
    }
    wrong
}
