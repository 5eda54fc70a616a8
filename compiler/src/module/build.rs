//! `build` blocks: sources, provisioners, post-processors, and `dynamic` blocks that make them.

use std::sync::Arc;

use imgc_syntax::Span;

use super::group::{self, Provisioning};
use super::repeat::{Repeat, take_out};
use super::take::{Take, labels, unique};
use super::{Build, Chain, Component, Label, Meta, NestedSource, stray_block};
use crate::diagnostic::{Diagnostic, nearest};
use crate::hir::{Block, Body, Expr, ExprKind, Name};

const IN_BUILD: &[&str] = &[
    "source",
    "provisioner",
    "provisioners",
    "error-cleanup-provisioner",
    "post-processor",
    "post-processors",
    "dynamic",
    "hcp_packer_registry",
];

/// What a `dynamic` block in `build` can make.
const DYNAMIC: &[&str] = &[
    "source",
    "provisioner",
    "error-cleanup-provisioner",
    "post-processor",
    "post-processors",
];

/// A `build` block; the values of a registry block in it are added to `registry`.
pub(super) fn build(block: Block, registry: &mut Vec<Expr>, out: &mut Vec<Diagnostic>) -> Build {
    let mut body = block.body;
    let repeat = Repeat::take(&mut body, out);
    let mut take = Take::new(body.attributes, "in a `build` block", out);
    let mut build = Build {
        repeat,
        name: take.value("name"),
        description: take.value("description"),
        timeout: take.attribute("timeout"),
        sources: take.value("sources"),
        nested: Vec::new(),
        provisioners: Vec::new(),
        cleanup: Vec::new(),
        post_processors: Vec::new(),
        span: block.header,
    };
    for known in ["for_each", "count", "enabled"] {
        take.attribute(known);
    }
    take.finish(out);
    for inner in body.blocks {
        match inner.kind.text.as_str() {
            "hcp_packer_registry" => registry.extend(super::collect::registry(inner, out)),
            "dynamic" if is_registry(&inner) => dynamic_registry(inner, registry, out),
            _ => inside(inner, &mut build, out),
        }
    }
    build
}

fn is_registry(block: &Block) -> bool {
    matches!(&block.labels[..], [label] if label.text == "hcp_packer_registry")
}

/// A registry block that is there or not by a condition: its values are checked, but for those of its elements.
fn dynamic_registry(mut block: Block, values: &mut Vec<Expr>, out: &mut Vec<Diagnostic>) {
    let content = block.body.blocks_of("content").next().cloned();
    block
        .body
        .blocks
        .retain(|inner| inner.kind.text != "content");
    let Some(mut content) = content else {
        dynamic(block, &["hcp_packer_registry"], out);
        return;
    };
    let Some(kind) = block.labels.pop() else {
        return;
    };
    let iterator = match block.body.attribute("iterator").map(|a| &a.value.kind) {
        Some(ExprKind::Variable(word)) => word.clone(),
        _ => kind.text.clone(),
    };
    let for_each = block.body.attribute("for_each").map(|a| a.value.clone());
    values.extend(for_each);
    content.kind = kind;
    let own = super::collect::registry(content, out);
    values.extend(own.into_iter().filter(|value| {
        let references = crate::eval::references(value);
        references
            .iter()
            .all(|reference| reference.root != iterator)
    }));
}

fn inside(block: Block, build: &mut Build, out: &mut Vec<Diagnostic>) {
    match block.kind.text.as_str() {
        "source" => {
            if let Some([reference]) = labels(&block, &["type.name"], out) {
                let label = Label::Written(reference);
                let source = nested(label, block.body, block.header, out);
                build.nested.push(source);
            }
        }
        "provisioner" => {
            let provisioner = component(block, out).map(Provisioning::one);
            build.provisioners.extend(provisioner);
        }
        "provisioners" => {
            let group = group::used(block, out).map(Provisioning::group);
            build.provisioners.extend(group);
        }
        "error-cleanup-provisioner" => {
            if let Some(first) = build.cleanup.first() {
                out.push(second_cleanup(&block, first.span));
            }
            build.cleanup.extend(component(block, out).map(Arc::new));
        }
        "post-processor" => build
            .post_processors
            .extend(component(block, out).map(alone)),
        "post-processors" => build.post_processors.extend(chain(block, out)),
        "dynamic" => {
            if let Some(dynamic) = dynamic(block, DYNAMIC, out) {
                made(dynamic, build, out);
            }
        }
        _ => stray_block(&block, "inside `build`", IN_BUILD, out),
    }
}

/// What is said of a second block; how one that is written once is repeated is its own affair.
fn second_cleanup(block: &Block, first: Span) -> Diagnostic {
    Diagnostic::error(
        "check/repeated-block",
        block.header,
        "a block `error-cleanup-provisioner` may stand only once in a build",
    )
    .label(first, "the first one is here")
    .help("let one of them do everything")
}

/// What a `dynamic` block makes in a build.
fn made(dynamic: Dynamic, build: &mut Build, out: &mut Vec<Diagnostic>) {
    match dynamic.kind.text.as_str() {
        "source" => {
            let Some(label) = dynamic.label(out) else {
                return;
            };
            let mut source = nested(label, dynamic.content, dynamic.span, out);
            source.repeat = merged(dynamic.repeat, source.repeat, out);
            build.nested.push(source);
        }
        "provisioner" => {
            let provisioner = dynamic.component(out).map(Provisioning::one);
            build.provisioners.extend(provisioner);
        }
        "error-cleanup-provisioner" => build.cleanup.extend(dynamic.component(out).map(Arc::new)),
        "post-processor" => {
            let chain = dynamic.component(out).map(alone);
            build.post_processors.extend(chain);
        }
        _ => {
            if let Some(labels) = &dynamic.labels {
                out.push(invalid_dynamic(
                    labels.span,
                    "a `post-processors` block has no labels",
                    "remove `labels`",
                ));
            }
            let mut chain = chain_of(dynamic.content, dynamic.span, out);
            chain.repeat = merged(dynamic.repeat, chain.repeat, out);
            build.post_processors.push(chain);
        }
    }
}

fn nested(label: Label, mut body: Body, span: Span, out: &mut Vec<Diagnostic>) -> NestedSource {
    let repeat = Repeat::take(&mut body, out);
    let name = take_out(&mut body, "name", out).map(|attribute| attribute.value);
    NestedSource {
        reference: label,
        repeat,
        name,
        body: Arc::new(body),
        span,
    }
}

/// A post-processor outside of `post-processors` is a sequence of its own; repeated, there is a sequence for each.
fn alone(component: Component) -> Chain {
    let Component { repeat, .. } = component;
    Chain {
        repeat,
        span: component.span,
        components: vec![Arc::new(Component {
            repeat: Repeat::default(),
            ..component
        })],
    }
}

fn chain(block: Block, out: &mut Vec<Diagnostic>) -> Option<Chain> {
    labels(&block, &[], out)?;
    Some(chain_of(block.body, block.header, out))
}

fn chain_of(mut body: Body, span: Span, out: &mut Vec<Diagnostic>) -> Chain {
    let repeat = Repeat::take(&mut body, out);
    let mut take = Take::new(body.attributes, "in a `post-processors` block", out);
    for known in ["for_each", "count", "enabled"] {
        take.attribute(known);
    }
    take.finish(out);
    let mut components = Vec::new();
    for inner in body.blocks {
        match inner.kind.text.as_str() {
            "post-processor" => components.extend(component(inner, out).map(Arc::new)),
            "dynamic" => {
                if let Some(dynamic) = dynamic(inner, &["post-processor"], out) {
                    components.extend(dynamic.component(out).map(Arc::new));
                }
            }
            _ => {
                let allowed = &["post-processor", "dynamic"];
                stray_block(&inner, "inside `post-processors`", allowed, out);
            }
        }
    }
    Chain {
        repeat,
        components,
        span,
    }
}

/// A provisioner or post-processor: its own options stay in the body, those of every block are taken out.
pub(super) fn component(block: Block, out: &mut Vec<Diagnostic>) -> Option<Component> {
    let ty = match labels(&block, &["type"], out) {
        Some([ty]) => ty,
        // What else is wrong with it is said as well.
        None => match block.labels.first() {
            Some(first) => first.clone(),
            None => Name::missing(block.kind.span.at_end()),
        },
    };
    let kind = block.kind.text;
    let label = Label::Written(ty);
    Some(component_of(&kind, label, block.body, block.header, out))
}

fn component_of(
    kind: &str,
    label: Label,
    mut body: Body,
    span: Span,
    out: &mut Vec<Diagnostic>,
) -> Component {
    let repeat = Repeat::take(&mut body, out);
    let mut meta = Meta::default();
    let post_processor = kind == "post-processor";
    let provisioner = kind == "provisioner";
    body.attributes = unique(body.attributes, out);
    let mut rest = Vec::with_capacity(body.attributes.len());
    for attribute in body.attributes {
        let slot = match attribute.name.text.as_str() {
            "name" => &mut meta.name,
            "only" => &mut meta.only,
            "except" => &mut meta.except,
            "keep_input_artifact" if post_processor => &mut meta.keep_input_artifact,
            "cache" => &mut meta.cache,
            "override" if !post_processor => &mut meta.overrides,
            "pause_before" if !post_processor => &mut meta.pause_before,
            "max_retries" if !post_processor => &mut meta.max_retries,
            "timeout" if !post_processor => &mut meta.timeout,
            "continue_on_error" if !post_processor => &mut meta.continue_on_error,
            "on" if provisioner => &mut meta.on,
            "checkpoint" if provisioner => &mut meta.checkpoint,
            _ => {
                rest.push(attribute);
                continue;
            }
        };
        *slot = Some(Box::new(attribute));
    }
    body.attributes = rest;
    Component {
        label,
        repeat,
        meta,
        body: Arc::new(body),
        span,
    }
}

/// A `dynamic "KIND" { … }` block that makes blocks of a template's own language.
pub(super) struct Dynamic {
    kind: Name,
    labels: Option<Expr>,
    repeat: Repeat,
    content: Body,
    span: Span,
}

/// Takes a `dynamic` block apart that may make blocks of these kinds.
pub(super) fn dynamic(
    block: Block,
    allowed: &[&'static str],
    out: &mut Vec<Diagnostic>,
) -> Option<Dynamic> {
    let [kind] = labels(&block, &["block"], out)?;
    if !allowed.contains(&kind.text.as_str()) {
        let diagnostic = invalid_dynamic(
            kind.span,
            format!("a `dynamic` block cannot make a `{}` here", kind.text),
            "",
        );
        out.push(match nearest(&kind.text, allowed.iter().copied()) {
            Some(near) => diagnostic.help(format!("write `{near}`")).correct(
                crate::diagnostic::slip(&kind.text, near, allowed.iter().copied()),
                format!("change `{}` to `{near}`", kind.text),
                crate::diagnostic::Edit::replace(kind.span, near),
            ),
            None => diagnostic.help(format!(
                "it can make {}",
                super::quoted_list(allowed.iter().copied())
            )),
        });
        return None;
    }
    let mut contents = Vec::new();
    for inner in block.body.blocks {
        if inner.kind.text == "content" {
            contents.push(inner);
        } else {
            stray_block(&inner, "inside `dynamic`", &["content"], out);
        }
    }
    let mut take = Take::new(block.body.attributes, "in a `dynamic` block", out);
    let for_each = take.attribute("for_each");
    let iterator = take.value("iterator");
    let labels = take.value("labels");
    take.finish(out);
    if let Some(second) = contents.get(1) {
        out.push(invalid_dynamic(
            second.header,
            "a `dynamic` block has one `content`",
            "remove one of them",
        ));
    }
    let content = contents.into_iter().next();
    let (Some(for_each), Some(content)) = (for_each, content) else {
        out.push(invalid_dynamic(
            block.header,
            "a `dynamic` block needs `for_each` and `content`",
            format!(
                "write `dynamic \"{}\" {{ for_each = …; content {{ … }} }}`, each on its own line",
                kind.text
            ),
        ));
        return None;
    };
    let iterator = iterator.map_or_else(|| kind.clone(), |expr| iterator_name(expr, &kind, out));
    Some(Dynamic {
        kind,
        labels,
        repeat: Repeat {
            for_each: Some(Box::new(for_each)),
            iterator: Some(iterator),
            ..Repeat::default()
        },
        content: content.body,
        span: block.header,
    })
}

fn iterator_name(expr: Expr, kind: &Name, out: &mut Vec<Diagnostic>) -> Name {
    let span = expr.span;
    let text = match expr.kind {
        ExprKind::Variable(word) => return Name { text: word, span },
        ExprKind::Literal(value) => value.as_str().map(Into::into),
        _ => None,
    };
    out.push(invalid_dynamic(
        span,
        "`iterator` is a bare name",
        "write `iterator = item`, without quotes",
    ));
    // The name inside the quotes is what was meant.
    let text = text.unwrap_or_else(|| kind.text.clone());
    Name { text, span }
}

impl Dynamic {
    /// What stands in place of the label of the blocks it makes.
    fn label(&self, out: &mut Vec<Diagnostic>) -> Option<Label> {
        let Some(labels) = &self.labels else {
            out.push(invalid_dynamic(
                self.span,
                format!(
                    "a `{}` has a label, and this `dynamic` block gives none",
                    self.kind.text
                ),
                "add `labels = [\"…\"]`",
            ));
            return None;
        };
        let one = match &labels.kind {
            ExprKind::Tuple(parts) => match &parts[..] {
                [one] => one,
                _ => {
                    out.push(invalid_dynamic(
                        labels.span,
                        format!(
                            "a `{}` has one label, found {}",
                            self.kind.text,
                            parts.len()
                        ),
                        "write `labels = [\"…\"]`",
                    ));
                    return None;
                }
            },
            // A list that is computed: its only element.
            _ => {
                let span = labels.span;
                let zero = ExprKind::Literal(crate::value::Value::number(0));
                let index = ExprKind::Index(
                    Box::new(labels.clone()),
                    Box::new(Expr { kind: zero, span }),
                );
                return Some(Label::Computed(Expr { kind: index, span }));
            }
        };
        Some(match &one.kind {
            ExprKind::Literal(value) if value.as_str().is_some() => Label::Written(Name {
                text: value.as_str().unwrap_or_default().into(),
                span: one.span,
            }),
            _ => Label::Computed(one.clone()),
        })
    }

    /// The provisioner or post-processor it makes.
    pub(super) fn component(self, out: &mut Vec<Diagnostic>) -> Option<Component> {
        let label = self.label(out)?;
        let mut component = component_of(&self.kind.text, label, self.content, self.span, out);
        component.repeat = merged(self.repeat, component.repeat, out);
        Some(component)
    }
}

/// The repetition of a `dynamic` block, with `enabled` of its content.
fn merged(outer: Repeat, inner: Repeat, out: &mut Vec<Diagnostic>) -> Repeat {
    for attribute in [&inner.for_each, &inner.count].into_iter().flatten() {
        out.push(invalid_dynamic(
            attribute.name.span,
            format!("`{}` stands inside a `dynamic` block, which repeats already", attribute.name.text),
            "compute all elements in `for_each` of the `dynamic` block, as with `setproduct` or a nested `for`",
        ));
    }
    Repeat {
        enabled: inner.enabled,
        ..outer
    }
}

fn invalid_dynamic(span: Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
    Diagnostic::error("check/invalid-dynamic", span, message).help(help)
}
