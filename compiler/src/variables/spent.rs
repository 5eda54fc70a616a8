//! Variables whose values become secrets by the options they are given to, such as `ssh_password = var.password`.
//!
//! In: the values of variables, and what options that are secrets by their nature were given. Out: the values with the
//! texts marked that such an option got. A text that is distinctive is found in any variable, however it went from there;
//! others only in variables that the option's expression names, itself or through locals.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::Given;
use crate::eval::{Reference, references};
use crate::module::Module;
use crate::redact::is_distinctive;
use crate::value::Value;

/// Marks what has become a secret.
pub(crate) fn hide_used_as_secrets(
    variables: &mut [(SmolStr, Given)],
    module: &Module,
    uses: &[(Vec<Reference>, Value)],
) {
    let mut seen = BTreeSet::new();
    for (used, value) in uses {
        let named = variables_of(used, module);
        // Instances of one block are given the same.
        if !seen.insert((named.clone(), value.as_str())) {
            continue;
        }
        for (name, given) in variables.iter_mut() {
            let named = named.contains(name);
            let is = |text: &str| match value.as_str() {
                Some(whole) if named => whole.contains(text),
                Some(whole) => whole == text && is_distinctive(text),
                // Made of several values, or known only in the run.
                None => named,
            };
            if !given.value.is_sensitive() {
                given.value = given.value.mark_texts(&is);
            }
        }
    }
}

/// The variables that these names lead to.
fn variables_of(used: &[Reference], module: &Module) -> BTreeSet<SmolStr> {
    let mut variables = BTreeSet::new();
    let mut locals = BTreeSet::new();
    let mut open = used.to_vec();
    while let Some(one) = open.pop() {
        let Some(first) = one.path.first() else {
            continue;
        };
        match one.root.as_str() {
            "var" => {
                variables.insert(first.text.clone());
            }
            "local" if locals.insert(first.text.clone()) => {
                let local = module.locals.get(&first.text);
                open.extend(local.into_iter().flat_map(|local| references(&local.value)));
            }
            _ => {}
        }
    }
    variables
}
