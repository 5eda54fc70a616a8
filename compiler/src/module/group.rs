//! Provisioner groups: provisioners that several builds share.

use std::sync::Arc;

use imgc_syntax::Span;

use super::build::{component, dynamic};
use super::repeat::Repeat;
use super::take::{Take, labels};
use super::{Component, stray_block};
use crate::diagnostic::Diagnostic;
use crate::hir::{Attribute, Block, Name};

/// A `provisioners "NAME" { … }` block at the top of a template.
#[derive(Debug)]
pub struct Group {
    /// Its name.
    pub name: Name,
    /// What it consists of.
    pub provisioners: Vec<Provisioning>,
    /// The header.
    pub span: Span,
}

/// What stands among the provisioners of a build or a group.
#[derive(Debug)]
pub enum Provisioning {
    /// A provisioner.
    One(Arc<Component>),
    /// All of a group.
    Group(Box<GroupUse>),
}

impl Provisioning {
    pub(super) fn one(component: Component) -> Self {
        Self::One(Arc::new(component))
    }

    pub(super) fn group(used: GroupUse) -> Self {
        Self::Group(Box::new(used))
    }
}

/// A `provisioners "NAME" { … }` block in a build or in another group.
#[derive(Debug)]
pub struct GroupUse {
    /// The group.
    pub name: Name,
    /// How often.
    pub repeat: Repeat,
    /// Only for these sources.
    pub only: Option<Box<Attribute>>,
    /// Not for these.
    pub except: Option<Box<Attribute>>,
    /// The header.
    pub span: Span,
}

const IN_GROUP: &[&str] = &["provisioner", "dynamic", "provisioners"];

/// A group as it is declared.
pub(super) fn declared(name: Name, block: Block, out: &mut Vec<Diagnostic>) -> Group {
    Take::new(
        block.body.attributes,
        "where a provisioner group is declared",
        out,
    )
    .finish(out);
    let mut provisioners = Vec::new();
    for inner in block.body.blocks {
        match inner.kind.text.as_str() {
            "provisioner" => {
                provisioners.extend(component(inner, out).map(Provisioning::one));
            }
            "provisioners" => provisioners.extend(used(inner, out).map(Provisioning::group)),
            "dynamic" => {
                if let Some(dynamic) = dynamic(inner, &["provisioner"], out) {
                    provisioners.extend(dynamic.component(out).map(Provisioning::one));
                }
            }
            _ => stray_block(&inner, "in a provisioner group", IN_GROUP, out),
        }
    }
    Group {
        name,
        provisioners,
        span: block.header,
    }
}

/// A group as it is used.
pub(super) fn used(block: Block, out: &mut Vec<Diagnostic>) -> Option<GroupUse> {
    let [name] = labels(&block, &["group"], out)?;
    let mut body = block.body;
    let repeat = Repeat::take(&mut body, out);
    for inner in &body.blocks {
        let mut diagnostic = Vec::new();
        stray_block(
            inner,
            "where a provisioner group is used",
            &[],
            &mut diagnostic,
        );
        let help = "declare the group at the top of the template, `provisioners \"NAME\" { … }`, and use it here by its name";
        out.extend(diagnostic.into_iter().map(|found| found.help(help)));
    }
    let mut take = Take::new(body.attributes, "where a provisioner group is used", out);
    let only = take.attribute("only").map(Box::new);
    let except = take.attribute("except").map(Box::new);
    for known in ["for_each", "count", "enabled"] {
        take.attribute(known);
    }
    take.finish(out);
    Some(GroupUse {
        name,
        repeat,
        only,
        except,
        span: block.header,
    })
}
