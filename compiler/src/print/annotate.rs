//! Comments that say what the parts of a template are for, for those who read its language for the first time.

use std::collections::BTreeSet;

use super::Comments;
use super::comments::BLANK;
use crate::hir::Body;

/// What is said before the first block of a kind.
const TEXTS: &[(&str, &[&str])] = &[
    (
        "packer",
        &[
            "Which version of the language the template is written for, and which plugins Packer installs for it.",
        ],
    ),
    (
        "variable",
        &[
            "What can be set from outside: with -var NAME=VALUE, with -var-file FILE, by the environment variable",
            "PKR_VAR_NAME. It is used as var.NAME.",
        ],
    ),
    (
        "locals",
        &["Values with a name, computed once. They are used as local.NAME."],
    ),
    (
        "data",
        &["What is looked up before anything is built. It is used as data.TYPE.NAME."],
    ),
    (
        "source",
        &[
            "What an image is made from, and how the machine is reached. A build refers to it as source.TYPE.NAME.",
        ],
    ),
    (
        "build",
        &[
            "What is done with the sources: provisioners in their order, then each chain of post-processors.",
        ],
    ),
];

/// Adds the comments before the first block of each kind.
pub fn annotate(body: &Body, comments: &mut Comments) {
    let mut seen = BTreeSet::new();
    for block in &body.blocks {
        let known = TEXTS.iter().find(|(kind, _)| *kind == block.kind.text);
        if let Some((kind, lines)) = known
            && seen.insert(*kind)
        {
            let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            let given = comments.before(block.span);
            if !given.is_empty() {
                lines.push(BLANK.to_owned());
            }
            lines.extend(given);
            comments.put_before(block.span, lines);
        }
    }
}
