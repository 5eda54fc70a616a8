//! A template's declarations, whatever files and language they came from.
//!
//! In: the bodies of all files of a directory. Out: one [`Module`]: variables, locals, data, sources, builds, each with
//! the expressions still unevaluated, and the problems of shape (unknown blocks, wrong labels, repeated names).

use std::sync::Arc;

use imgc_syntax::Span;
use indexmap::IndexMap;
use smol_str::SmolStr;

use crate::diagnostic::Diagnostic;
use crate::hir::{Attribute, Block, Body, Expr, Name};

mod build;
mod collect;
mod group;
mod outside;
mod repeat;
mod sentence;
mod take;

pub use collect::{IDS, collect};
pub use group::{Group, GroupUse, Provisioning};
pub use repeat::Repeat;
pub(crate) use take::duplicate;

/// All declarations of a template.
#[derive(Debug, Default)]
pub struct Module {
    /// From a legacy template: what sets variables follows its rules.
    pub weak: bool,
    /// `packer { … }` blocks.
    pub settings: Vec<Settings>,
    /// By name.
    pub variables: IndexMap<SmolStr, Variable>,
    /// From `locals` and `local` blocks, by name.
    pub locals: IndexMap<SmolStr, Local>,
    /// By type and name.
    pub data: IndexMap<(SmolStr, SmolStr), Source>,
    /// By builder type and name.
    pub sources: IndexMap<(SmolStr, SmolStr), Source>,
    /// Provisioners that several builds share, by name.
    pub groups: IndexMap<SmolStr, Group>,
    /// In the order of the files.
    pub builds: Vec<Build>,
    /// By name.
    pub outputs: IndexMap<SmolStr, Output>,
    /// Other templates that are used, by the name of the block.
    pub modules: IndexMap<SmolStr, ModuleCall>,
    /// The values given in `hcp_packer_registry` blocks: checked, and of no effect.
    pub registry: Vec<Expr>,
}

/// A `packer` block.
#[derive(Debug)]
pub struct Settings {
    /// The version constraint on Packer itself.
    pub required_version: Option<Expr>,
    /// Plugins asked for: name and its attribute.
    pub required_plugins: Vec<Attribute>,
    /// The whole block's header.
    pub span: Span,
}

/// A `variable` block, or an entry of the old `variables` block.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: Name,
    /// The declared type, as written.
    pub ty: Option<Expr>,
    /// The value when nothing else is given.
    pub default: Option<Expr>,
    /// What it is for.
    pub description: Option<Expr>,
    /// Its value is a secret.
    pub sensitive: Option<Expr>,
    /// Whether null may be given; yes unless it says no.
    pub nullable: Option<Expr>,
    /// Rules for its value.
    pub validations: Vec<Validation>,
    /// The header.
    pub span: Span,
}

/// A rule for a variable's value.
#[derive(Debug)]
pub struct Validation {
    /// Must be true.
    pub condition: Option<Expr>,
    /// What is said when it is not.
    pub error_message: Option<Expr>,
    /// The header.
    pub span: Span,
}

/// A named value.
#[derive(Debug)]
pub struct Local {
    /// Its name.
    pub name: Name,
    /// Its value.
    pub value: Expr,
    /// Its value is a secret.
    pub sensitive: Option<Expr>,
}

/// An `output` block.
#[derive(Debug)]
pub struct Output {
    /// Its name.
    pub name: Name,
    /// Its value; an error where it was missing.
    pub value: Expr,
    /// What it is for.
    pub description: Option<Expr>,
    /// Its value is a secret.
    pub sensitive: Option<Expr>,
    /// The header.
    pub span: Span,
}

/// A `module` block: another template, used.
#[derive(Debug)]
pub struct ModuleCall {
    /// The name it goes by.
    pub name: Name,
    /// Where the other template is.
    pub source: Option<Expr>,
    /// How often.
    pub repeat: Repeat,
    /// Values for its variables.
    pub inputs: Vec<Attribute>,
    /// The header.
    pub span: Span,
}

/// A top-level `source` or `data` block.
#[derive(Debug)]
pub struct Source {
    /// The component's type.
    pub ty: Name,
    /// Its name.
    pub name: Name,
    /// How often; once for a `data` block.
    pub repeat: Repeat,
    /// The source it is a variation of.
    pub extends: Option<Box<Attribute>>,
    /// Its options.
    pub body: Arc<Body>,
    /// The header.
    pub span: Span,
}

/// A `build` block.
#[derive(Debug)]
pub struct Build {
    /// How often.
    pub repeat: Repeat,
    /// Its name.
    pub name: Option<Expr>,
    /// What it is for.
    pub description: Option<Expr>,
    /// How long each of its builds may take.
    pub timeout: Option<Attribute>,
    /// `sources = […]`.
    pub sources: Option<Expr>,
    /// Nested `source` blocks.
    pub nested: Vec<NestedSource>,
    /// In order.
    pub provisioners: Vec<Provisioning>,
    /// `error-cleanup-provisioner` blocks.
    pub cleanup: Vec<Arc<Component>>,
    /// Each a sequence.
    pub post_processors: Vec<Chain>,
    /// The header.
    pub span: Span,
}

/// A `source "source.TYPE.NAME" { … }` block inside `build`.
#[derive(Debug)]
pub struct NestedSource {
    /// The source it is based on.
    pub reference: Label,
    /// How often.
    pub repeat: Repeat,
    /// The name it goes by.
    pub name: Option<Expr>,
    /// Options that come on top.
    pub body: Arc<Body>,
    /// The header.
    pub span: Span,
}

/// A sequence of post-processors, each working on what the one before it has made.
#[derive(Debug)]
pub struct Chain {
    /// How often.
    pub repeat: Repeat,
    /// In order.
    pub components: Vec<Arc<Component>>,
    /// The header.
    pub span: Span,
}

/// What names the type of a component, or the source a nested one is based on.
#[derive(Debug)]
pub enum Label {
    /// As it stands in the template.
    Written(Name),
    /// Of a `dynamic` block: known when its element is.
    Computed(Expr),
}

/// A `provisioner` or `post-processor` block.
#[derive(Debug)]
pub struct Component {
    /// Its type.
    pub label: Label,
    /// How often.
    pub repeat: Repeat,
    /// The attributes every such block may have, whatever its type.
    pub meta: Meta,
    /// The component's own options.
    pub body: Arc<Body>,
    /// The header.
    pub span: Span,
}

/// Attributes that belong to the block, not to the component.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "named as in Packer's documentation of blocks")]
pub struct Meta {
    pub name: Option<Box<Attribute>>,
    pub only: Option<Box<Attribute>>,
    pub except: Option<Box<Attribute>>,
    pub overrides: Option<Box<Attribute>>,
    pub pause_before: Option<Box<Attribute>>,
    pub max_retries: Option<Box<Attribute>>,
    pub timeout: Option<Box<Attribute>>,
    pub continue_on_error: Option<Box<Attribute>>,
    pub on: Option<Box<Attribute>>,
    pub checkpoint: Option<Box<Attribute>>,
    pub keep_input_artifact: Option<Box<Attribute>>,
    pub cache: Option<Box<Attribute>>,
}

/// The names of [`Meta`]'s attributes, as written.
pub(crate) fn meta_names(post_processor: bool) -> &'static [&'static str] {
    if post_processor {
        &[
            "name",
            "only",
            "except",
            "keep_input_artifact",
            "cache",
            "for_each",
            "count",
            "enabled",
        ]
    } else {
        &[
            "name",
            "only",
            "except",
            "override",
            "pause_before",
            "max_retries",
            "timeout",
            "continue_on_error",
            "on",
            "checkpoint",
            "cache",
            "for_each",
            "count",
            "enabled",
        ]
    }
}

/// Complains about blocks and attributes that have no place in `body`.
pub(crate) fn stray_block(
    block: &Block,
    context: &str,
    allowed: &[&str],
    out: &mut Vec<Diagnostic>,
) {
    let kind = &block.kind.text;
    let mut diagnostic = Diagnostic::error(
        "check/unknown-block",
        block.kind.span,
        format!("there is no block `{kind}` {context}"),
    );
    let near = crate::diagnostic::nearest(kind, allowed.iter().copied());
    diagnostic = match (meant_elsewhere(kind), near) {
        (Some(help), _) => diagnostic.help(help),
        (None, Some(near)) => diagnostic.help(format!("write `{near}`")).correct(
            crate::diagnostic::slip(kind, near, allowed.iter().copied()),
            format!("change `{kind}` to `{near}`"),
            crate::diagnostic::Edit::replace(block.kind.span, near),
        ),
        (None, None) if allowed.is_empty() => diagnostic.help("no blocks are allowed here"),
        (None, None) => diagnostic.help(format!(
            "blocks allowed here: {}",
            quoted_list(allowed.iter().copied())
        )),
    };
    out.push(diagnostic);
}

/// The way out where a block is written as an attribute.
pub(crate) const NO_EQUALS: &str = "it is a block: no `=` stands before its `{`";

/// What to do with a block that has its place elsewhere, or in another language.
fn meant_elsewhere(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "provisioner" | "error-cleanup-provisioner" | "post-processor" | "post-processors" => {
            "move it into a `build` block"
        }
        "variable" | "locals" | "local" | "data" | "packer" | "output" | "module" => {
            "move it to the top of the template"
        }
        "communicator" => {
            "a source says how its machine is reached: write `communicator = \"ssh\"` and options such as `ssh_timeout` there"
        }
        "builder" | "builders" => "write `source \"TYPE\" \"NAME\" { … }`",
        "resource" | "provider" | "terraform" => {
            "this is a block of Terraform; a template has `source` and `build` blocks"
        }
        _ => return None,
    })
}

/// `` `a`, `b` `` for messages.
pub(crate) fn quoted_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
