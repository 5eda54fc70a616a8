//! Every component that can run stands in `docs/support.md`, with its test or with the reason why there is none.
//!
//! The names are read from where the registries are filled: a string followed by `Arc::new(`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;

use crate::workspace::Workspace;

const PAGE: &str = "docs/support.md";

pub(super) fn check(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    for file in files {
        let is_source = file.extension().is_some_and(|end| end == "rs")
            && (file.starts_with("runtime") || file.starts_with("cli"));
        let is_testing = file.ends_with("testing.rs")
            || file
                .components()
                .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "testing");
        if is_source
            && !is_testing
            && let Some(text) = workspace.text(file)?
        {
            // What the tests below a module register is not part of the product.
            names.extend(registered(
                text.split("#[cfg(test)]").next().unwrap_or_default(),
            ));
        }
    }
    let page = std::fs::read_to_string(workspace.path(PAGE)).unwrap_or_default();
    let missing = names
        .iter()
        .filter(|name| !page.contains(&format!("\n| `{name}` |")));
    Ok(missing
        .map(|name| format!("{PAGE}: has no line about `{name}`, which can run"))
        .collect())
}

fn registered(source: &str) -> impl Iterator<Item = String> {
    source.match_indices("Arc::new(").filter_map(|(at, _)| {
        let before = source[..at]
            .trim_end_matches("std::sync::")
            .trim_end()
            .strip_suffix(',')?
            .strip_suffix('"')?;
        let name = &before[before.rfind('"')? + 1..];
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-');
        is_name.then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_read_where_registries_are_filled() {
        let source = "let a = Arc::new(1);\nbuilders.insert(\"null\", std::sync::Arc::new(Null));\n[(\n\"shell-local\",\n  Arc::new(Shell))]; f(\"Two words\", Arc::new(2))";
        assert_eq!(
            registered(source).collect::<Vec<_>>(),
            ["null", "shell-local"]
        );
    }

    #[test]
    fn the_real_registry_is_found() {
        let workspace = Workspace::find().unwrap();
        let text = workspace
            .text("runtime/src/registry.rs".as_ref())
            .unwrap()
            .unwrap();
        assert!(registered(&text).any(|name| name == "shell-local"));
    }
}
