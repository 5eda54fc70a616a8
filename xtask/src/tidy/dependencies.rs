//! Which crate may know which: the directions of `docs/ARCHITECTURE.md`, and what must never be compiled into the
//! compiler or into an editor's build.
//!
//! In: `cargo metadata`. Only what is built into the product counts; a test may use anything.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

/// A crate of the workspace and the crates of the workspace that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("imgc-syntax", &[]),
    ("imgc-compiler", &["imgc-syntax"]),
    ("imgc-ide", &["imgc-compiler", "imgc-syntax"]),
    ("imgc-lsp", &["imgc-compiler", "imgc-ide", "imgc-syntax"]),
    ("imgc-runtime", &["imgc-compiler"]),
    ("imgc-aws", &["imgc-compiler", "imgc-runtime"]),
    ("imgc-http", &["imgc-compiler", "imgc-runtime"]),
    ("imgc-rootfs", &["imgc-compiler", "imgc-runtime"]),
    ("imgc-ssh", &["imgc-compiler", "imgc-runtime"]),
    ("imgc-state", &["imgc-compiler", "imgc-runtime"]),
    ("imgc-testbed", &[]),
    (
        "imgc",
        &[
            "imgc-aws",
            "imgc-compiler",
            "imgc-http",
            "imgc-ide",
            "imgc-lsp",
            "imgc-rootfs",
            "imgc-runtime",
            "imgc-ssh",
            "imgc-state",
            "imgc-syntax",
        ],
    ),
    ("xtask", &["imgc-syntax", "imgc-testbed"]),
];

/// A crate of the workspace and the crates that must not be anywhere below it; a trailing `*` stands for any ending.
const NEVER_BELOW: &[(&str, &[&str])] = &[
    ("imgc-syntax", OUTSIDE_WORLD),
    ("imgc-compiler", OUTSIDE_WORLD),
    ("imgc-ide", OUTSIDE_WORLD),
    (
        "imgc-lsp",
        &[
            "imgc-runtime",
            "imgc-aws",
            "imgc-http",
            "imgc-rootfs",
            "imgc-ssh",
            "imgc-state",
            "openssh*",
            "russh*",
            "aws-*",
        ],
    ),
];

/// Whoever needs one of these does input and output.
const OUTSIDE_WORLD: &[&str] = &[
    "async-std",
    "aws-*",
    "azure_*",
    "google-cloud*",
    "hyper",
    "mio",
    "nix",
    "openssh*",
    "reqwest",
    "russh*",
    "rustix",
    "smol",
    "socket2",
    "tempfile",
    "tokio*",
    "ureq",
];

pub(super) fn check(metadata: &Value) -> Result<Vec<String>> {
    let graph = Graph::read(metadata)?;
    let mut findings = Vec::new();
    for name in &graph.members {
        let Some((_, allowed)) = MAY_USE.iter().find(|(member, _)| member == name) else {
            findings.push(format!(
                "{name}: say in xtask/src/tidy/dependencies.rs which crates it may use"
            ));
            continue;
        };
        for used in graph.direct(name) {
            if graph.members.contains(used) && !allowed.contains(&used) {
                findings.push(format!("{name}: must not depend on {used}; docs/ARCHITECTURE.md says in which direction knowledge goes"));
            }
        }
    }
    for (name, banned) in NEVER_BELOW {
        if !graph.members.contains(*name) {
            continue;
        }
        for (below, path) in graph.all_below(name) {
            if banned.iter().any(|pattern| matches(pattern, below)) {
                findings.push(format!(
                    "{name}: must be buildable without {below}, which comes in by {}",
                    path.join(" -> ")
                ));
            }
        }
    }
    Ok(findings)
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |start| name.starts_with(start))
}

/// Who uses whom, by name, without what only tests use.
struct Graph<'a> {
    members: BTreeSet<&'a str>,
    uses: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Graph<'a> {
    fn read(metadata: &'a Value) -> Result<Self> {
        let mut names = BTreeMap::new();
        for package in metadata["packages"]
            .as_array()
            .context("cargo metadata lists no packages")?
        {
            if let (Some(id), Some(name)) = (package["id"].as_str(), package["name"].as_str()) {
                names.insert(id, name);
            }
        }
        let members = metadata["workspace_members"]
            .as_array()
            .context("cargo metadata lists no members")?
            .iter()
            .filter_map(|id| names.get(id.as_str()?).copied())
            .collect();
        let mut uses = BTreeMap::<&str, BTreeSet<&str>>::new();
        for node in metadata["resolve"]["nodes"]
            .as_array()
            .context("cargo metadata has no resolved graph")?
        {
            let Some(name) = node["id"].as_str().and_then(|id| names.get(id)) else {
                continue;
            };
            let built = node["deps"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|dep| is_built(dep));
            let below = built.filter_map(|dep| names.get(dep["pkg"].as_str()?).copied());
            uses.entry(name).or_default().extend(below);
        }
        Ok(Self { members, uses })
    }

    fn direct(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.uses.get(name).into_iter().flatten().copied()
    }

    /// Everything below a crate, with one way to get there.
    fn all_below(&self, name: &'a str) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut found = BTreeMap::new();
        let mut todo = vec![vec![name]];
        while let Some(path) = todo.pop() {
            for below in self.direct(path[path.len() - 1]) {
                if below != name && !found.contains_key(below) {
                    let longer = [path.as_slice(), &[below]].concat();
                    found.insert(below, longer.clone());
                    todo.push(longer);
                }
            }
        }
        found
    }
}

/// Whether a dependency is built for the product, not only for tests.
fn is_built(dep: &Value) -> bool {
    dep["dep_kinds"].as_array().is_some_and(|kinds| {
        kinds
            .iter()
            .any(|kind| kind["kind"].as_str() != Some("dev"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `edges`: who, whom, kind of dependency (empty: normal).
    fn workspace(members: &[&str], edges: &[(&str, &str, &str)]) -> Value {
        let mut names = BTreeSet::from_iter(members.iter().copied());
        names.extend(edges.iter().flat_map(|(who, whom, _)| [*who, *whom]));
        let nodes: Vec<Value> = names
            .iter()
            .map(|name| {
                let deps: Vec<Value> = edges
                    .iter()
                    .filter(|(who, ..)| who == name)
                    .map(|(_, whom, kind)| {
                        let kind = if kind.is_empty() {
                            Value::Null
                        } else {
                            Value::from(*kind)
                        };
                        serde_json::json!({ "pkg": whom, "dep_kinds": [{ "kind": kind }] })
                    })
                    .collect();
                serde_json::json!({ "id": name, "deps": deps })
            })
            .collect();
        let packages: Vec<Value> = names
            .iter()
            .map(|name| serde_json::json!({ "id": name, "name": name }))
            .collect();
        serde_json::json!({ "packages": packages, "workspace_members": members, "resolve": { "nodes": nodes } })
    }

    #[test]
    fn the_real_graph_is_read() {
        let metadata = crate::workspace::Workspace::find()
            .unwrap()
            .metadata()
            .unwrap();
        let graph = Graph::read(&metadata).unwrap();
        assert!(graph.direct("imgc").any(|used| used == "imgc-compiler"));
        assert!(graph.all_below("imgc-compiler").contains_key("rowan"));
        assert!(!graph.all_below("imgc-syntax").contains_key("proptest"));
    }

    #[test]
    fn the_right_direction_passes() {
        let metadata = workspace(
            &["imgc-compiler", "imgc-syntax", "imgc-runtime"],
            &[
                ("imgc-compiler", "imgc-syntax", ""),
                ("imgc-runtime", "imgc-compiler", ""),
                ("imgc-runtime", "tokio", ""),
            ],
        );
        assert_eq!(check(&metadata).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_wrong_direction_is_found() {
        let metadata = workspace(
            &["imgc-compiler", "imgc-syntax"],
            &[("imgc-syntax", "imgc-compiler", "")],
        );
        let findings = check(&metadata).unwrap();
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0].starts_with("imgc-syntax: must not depend on imgc-compiler"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_ban_reaches_through_other_crates() {
        let metadata = workspace(
            &["imgc-compiler"],
            &[
                ("imgc-compiler", "harmless", ""),
                ("harmless", "tokio-util", ""),
            ],
        );
        assert_eq!(
            check(&metadata).unwrap(),
            [
                "imgc-compiler: must be buildable without tokio-util, which comes in by imgc-compiler -> harmless -> tokio-util"
            ]
        );
    }

    #[test]
    fn what_only_tests_use_does_not_count() {
        let metadata = workspace(&["imgc-compiler"], &[("imgc-compiler", "tempfile", "dev")]);
        assert_eq!(check(&metadata).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_new_crate_must_be_given_its_place() {
        let findings = check(&workspace(&["imgc-new"], &[])).unwrap();
        assert!(findings[0].contains("imgc-new: say in"), "{findings:?}");
    }
}
