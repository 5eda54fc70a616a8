//! Legacy JSON templates (`builders`, `provisioners`, `post-processors`, `variables`) as the bodies that say the same in HCL.
//!
//! In: the text of a file. Out: a body of `variable`, `source` and `build` blocks, marked [`Body::weak`] with all bodies in
//! it, and the problems. Each builder is a source, and all of them are sources of one build without a name; its builds are
//! called by the builders' names alone, as Packer calls them. Go templates become expressions where HCL can say the same,
//! see `text`.

use std::collections::BTreeMap;

use imgc_syntax::{FileId, Span};
use indexmap::IndexMap;
use smol_str::SmolStr;

use self::body::{attribute, last};
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Certainty, Diagnostic, Edit, nearest, slip};
use crate::go_template::functions::Where;
use crate::hir::{Attribute, Block, Body, Expr, Name};
use crate::lower::json;
use crate::lower::tree::{Member, Node, NodeKind};

mod body;
mod builders;
mod components;
mod encode;
mod express;
mod filters;
mod text;
mod variables;

/// Problems of legacy templates.
pub const IDS: &[Entry] = &[
    Entry::error(
        "legacy/unknown-section",
        "a key at the top of a legacy template that Packer does not know",
    ),
    Entry::error(
        "legacy/repeated-section",
        "a section of a legacy template that is there twice",
    ),
    Entry::warning(
        "legacy/unused-section",
        "a section of a legacy template that has no effect any more",
    ),
    Entry::error(
        "legacy/wrong-shape",
        "a part of a legacy template that has another form than it must have",
    ),
    Entry::error(
        "legacy/missing-type",
        "a builder, provisioner or post-processor without `type`",
    ),
    Entry::error("legacy/no-builder", "a legacy template without builders"),
    Entry::error(
        "legacy/duplicate-builder",
        "two builders of a legacy template with the same name",
    ),
    Entry::warning(
        "legacy/undeclared-variable",
        "a variable that is used and not declared under `variables`",
    ),
    Entry::error(
        "legacy/template-syntax",
        "a Go template that cannot be parsed",
    ),
    Entry::error(
        "legacy/unknown-function",
        "a template function that does not exist",
    ),
    Entry::error(
        "legacy/removed-function",
        "a template function that does not exist any more",
    ),
    Entry::warning(
        "legacy/renamed-function",
        "a template function that has another name now",
    ),
    Entry::error(
        "legacy/function-arguments",
        "a template function with too few, too many or wrong arguments",
    ),
    Entry::error(
        "legacy/function-out-of-place",
        "a template function that has no meaning at this place",
    ),
    Entry::error(
        "legacy/rendered-name",
        "`only`, `except` or `override` names a builder otherwise than its name is written",
    ),
    Entry::error(
        "legacy/late-template",
        "a template that is rendered later than its value is needed",
    ),
];

/// The sections of a template, and whether each belongs into every template.
const SECTIONS: &[&str] = &[
    "builders",
    "comments",
    "description",
    "error-cleanup-provisioner",
    "min_packer_version",
    "post-processors",
    "provisioners",
    "push",
    "sensitive-variables",
    "variables",
];

/// What all parts of one file share.
struct Lower<'o> {
    out: &'o mut Vec<Diagnostic>,
    /// The names of all builders as they are written; `None` where one of them could not be read.
    builders: Option<Vec<SmolStr>>,
    /// The variables under `variables`.
    declared: BTreeMap<SmolStr, Span>,
    /// Those that are used all the same, in the order of their first use.
    undeclared: IndexMap<SmolStr, Undeclared>,
}

/// A variable that is used and not declared.
struct Undeclared {
    /// Its first use.
    span: Span,
    /// The value of another variable depends on it.
    required: bool,
}

/// Lowers the text of a file.
pub fn file(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Body {
    let root = json::parse(file, text, out);
    let span = Span::new(file, 0, text.len() as u32);
    template(&root, span, out)
}

/// Lowers a template that is parsed already; `span` is the whole file.
pub fn template(root: &Node, span: Span, out: &mut Vec<Diagnostic>) -> Body {
    let mut body = Body {
        span: Some(span),
        weak: true,
        ..Body::default()
    };
    let Some(members) = root.members() else {
        if !matches!(root.kind, NodeKind::Error) {
            out.push(wrong_shape(
                root,
                "a template",
                "an object",
                "{ \"builders\": […] }",
            ));
        }
        return body;
    };
    let mut lower = Lower {
        out,
        builders: None,
        declared: BTreeMap::new(),
        undeclared: IndexMap::new(),
    };
    let sections = lower.sections(members);
    let section = |name: &str| sections.get(name).copied();

    let sensitive = lower.sensitive_names(section("sensitive-variables"));
    let variables = lower.variables(section("variables"), &sensitive);
    let settings = lower.min_packer_version(section("min_packer_version"));
    let sources = lower.builders(section("builders"), root.span);
    let build = lower.build(&sources, &sections, root.span);
    body.blocks.extend(settings);
    body.blocks.extend(variables);
    body.blocks.extend(lower.undeclared_variables());
    body.blocks.extend(sources.declared);
    body.blocks.push(build);
    body
}

/// Lowers the text of a variables file in JSON, whose texts may use the template functions of variables.
pub fn variables_file(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Body {
    let root = json::parse(file, text, out);
    json::repeated_keys(&root, out);
    let mut body = Body {
        span: Some(Span::new(file, 0, text.len() as u32)),
        weak: true,
        ..Body::default()
    };
    let mut lower = Lower {
        out,
        builders: None,
        declared: BTreeMap::new(),
        undeclared: IndexMap::new(),
    };
    match &root.kind {
        NodeKind::Object(members) => {
            for member in last(members) {
                let value = lower.expr(&member.value, Where::Variable);
                body.attributes.push(attribute(member.key.clone(), value));
            }
        }
        NodeKind::Error => {}
        _ => lower.wrong_shape(
            &root,
            "a variables file",
            "an object",
            "{ \"name\": \"value\" }",
        ),
    }
    body
}

/// Lowers one value of a variable, as a flag gives it.
pub fn variable_value(file: FileId, start: u32, text: &str, out: &mut Vec<Diagnostic>) -> Expr {
    let map = crate::lower::tree::TextMap::plain(file, start, text.len() as u32);
    let span = map.span(0, text.len() as u32);
    let mut lower = Lower {
        out,
        builders: None,
        declared: BTreeMap::new(),
        undeclared: IndexMap::new(),
    };
    let text = crate::lower::tree::Text {
        text: text.into(),
        map,
    };
    lower.text(&text, span, Where::Variable)
}

impl<'o> Lower<'o> {
    /// The sections by name; what is none, or there twice, is reported.
    fn sections<'n>(&mut self, members: &'n [Member]) -> BTreeMap<&'static str, &'n Node> {
        let mut sections = BTreeMap::new();
        let mut places: BTreeMap<&'static str, Span> = BTreeMap::new();
        for member in members {
            let key = &member.key;
            let known = SECTIONS
                .iter()
                .find(|known| known.eq_ignore_ascii_case(&key.text));
            let Some(&name) = known else {
                if key.text.starts_with('_') {
                    self.comment(member);
                } else {
                    self.unknown_section(key, members);
                }
                continue;
            };
            json::repeated_keys(&member.value, self.out);
            if let Some(first) = places.insert(name, key.span) {
                self.out.push(
                    Diagnostic::error(
                        "legacy/repeated-section",
                        key.span,
                        format!("this template has two sections `{name}`"),
                    )
                    .label(first, "the first one is here")
                    .help("put everything into one of them"),
                );
                continue;
            }
            match name {
                "push" => self.out.push(
                    Diagnostic::warning(
                        "legacy/unused-section",
                        key.span,
                        "`push` has no effect: it was for a service that does not exist any more",
                    )
                    .help("remove it"),
                ),
                "comments" => {}
                _ if matches!(member.value.kind, NodeKind::Null | NodeKind::Error) => {}
                _ => {
                    sections.insert(name, &member.value);
                }
            }
        }
        sections
    }

    /// `"_comment": "…"`
    fn comment(&mut self, member: &Member) {
        if !matches!(member.value.kind, NodeKind::Text(_) | NodeKind::Error) {
            let what = format!("the comment `{}`", member.key.text);
            let form = format!("\"{}\": \"…\"", member.key.text);
            self.wrong_shape(&member.value, &what, "a text", &form);
        }
    }

    fn unknown_section(&mut self, key: &Name, members: &[Member]) {
        let name = &key.text;
        let diagnostic = Diagnostic::error(
            "legacy/unknown-section",
            key.span,
            format!("a legacy template has no section `{name}`"),
        );
        let known = match name.as_str() {
            "post_processors" | "postprocessors" => Some("post-processors"),
            "sensitive_variables" => Some("sensitive-variables"),
            "error_cleanup_provisioner" => Some("error-cleanup-provisioner"),
            _ => None,
        };
        let near = known.or_else(|| nearest(name, SECTIONS.iter().copied()));
        let certainty = match near {
            // A second one of the same name would hide the first.
            Some(near) if members.iter().any(|member| member.key.text == near) => Certainty::Guess,
            Some(near) if known.is_none() => slip(name, near, SECTIONS.iter().copied()),
            _ => Certainty::Certain,
        };
        self.out.push(match (near, name.as_str()) {
            (_, "source" | "build" | "locals" | "packer" | "data") => diagnostic
                .help("this is a block of HCL's JSON form: let the file's name end in `.pkr.json`"),
            (Some(near), _) => diagnostic
                .help(format!("there is one with a similar name: `{near}`"))
                .correct(
                    certainty,
                    format!("change `{name}` to `{near}`"),
                    Edit::replace(key.span, format!("\"{near}\"")),
                ),
            (None, _) => diagnostic.help(format!(
                "for a comment write `\"_{name}\": \"…\"`; otherwise remove it"
            )),
        });
    }

    fn wrong_shape(&mut self, node: &Node, what: &str, wanted: &str, form: &str) {
        self.out.push(wrong_shape(node, what, wanted, form));
    }

    /// The elements of a section that is a list.
    fn list<'n>(&mut self, node: Option<&'n Node>, what: &str, form: &str) -> &'n [Node] {
        match node.map(|node| (&node.kind, node)) {
            Some((NodeKind::Array(elements), _)) => elements,
            Some((_, node)) => {
                self.wrong_shape(node, what, "a list", form);
                &[]
            }
            None => &[],
        }
    }

    /// `packer { required_version = … }`
    fn min_packer_version(&mut self, node: Option<&Node>) -> Option<Block> {
        let node = node?;
        let Some(version) = node.text() else {
            let form = "\"min_packer_version\": \"1.6.0\"";
            self.wrong_shape(node, "`min_packer_version`", "a text", form);
            return None;
        };
        if !crate::version::is_version(version) {
            self.out.push(
                Diagnostic::error(
                    "check/invalid-version",
                    node.span,
                    format!("`{version}` is not a version"),
                )
                .help("write the numbers alone: `1.6.0`"),
            );
            return None;
        }
        let constraint = express::literal(&format!(">= {version}"), node.span);
        let inner = vec![attribute(word("required_version", node.span), constraint)];
        Some(block(
            "packer",
            &[],
            node.span,
            node.span,
            inner,
            Vec::new(),
        ))
    }
}

fn wrong_shape(node: &Node, what: &str, wanted: &str, form: &str) -> Diagnostic {
    Diagnostic::error(
        "legacy/wrong-shape",
        node.span,
        format!("{what} is {wanted}, found {}", node.what()),
    )
    .help(format!("write `{form}`"))
}

/// A word the template does not have, at the place it stands for.
fn word(text: &str, span: Span) -> Name {
    Name {
        text: text.into(),
        span,
    }
}

/// A block the template does not have as such.
fn block(
    kind: &str,
    labels: &[Name],
    header: Span,
    span: Span,
    attributes: Vec<Attribute>,
    blocks: Vec<Block>,
) -> Block {
    Block {
        kind: word(kind, header),
        labels: labels.to_vec(),
        body: Body {
            attributes,
            blocks,
            span: Some(span),
            weak: true,
        },
        header,
        span,
    }
}
