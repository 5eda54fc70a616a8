//! A legacy template as one would have written it in HCL.
//!
//! In: the body of a legacy template, with Packer's weak typing. Out: a body that says the same without it: values have
//! the types the catalogue gives for their options, builds are called by type and name where `only` and `except` name
//! them, variables that use others are locals. What a reader should know of is noted.

mod fit;
mod names;
mod variables;

use imgc_syntax::Span;

use self::fit::Fit;
use crate::components::ComponentKind;
use crate::hir::{Attribute, Block, Body, Expr, ExprKind, Name};
use crate::schema::{self, BodySchema};
use crate::types::Type;
use crate::value::Value;

/// Something a reader of the new template should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The place in the legacy template.
    pub span: Span,
    /// The name of the variable that is no variable any more, if it is about one.
    pub variable: Option<String>,
    /// What; lower case, no full stop.
    pub text: String,
}

/// Changes a body with weak typing into one without.
pub(super) fn upgrade(body: &mut Body) -> Vec<Note> {
    super::tidy::body(body);
    let names = names::of(body);
    let fit = Fit::new(body);
    for block in &mut body.blocks {
        match block.kind.text.as_str() {
            "variable" => fit.variable(&mut block.body),
            "source" => {
                let schema = component(ComponentKind::Builder, block);
                fit.options(&mut block.body, schema);
            }
            "build" => {
                list_sources(&mut block.body);
                build(&mut block.body, &fit, &names);
            }
            _ => {}
        }
    }
    let notes = variables::settle(body);
    strong(body);
    notes
}

fn component(kind: ComponentKind, block: &Block) -> Option<&'static BodySchema> {
    let label = block.labels.first()?;
    schema::component(kind, &label.text).map(|component| &component.body)
}

/// Lists the sources whose blocks in a build give them no other name.
fn list_sources(body: &mut Body) {
    if body.attribute("sources").is_some() {
        return;
    }
    let is_plain = |block: &Block| {
        let own = block
            .labels
            .first()
            .and_then(|label| label.text.rsplit('.').next());
        let name = block.body.attribute("name").map(|name| &name.value.kind);
        let name = match name {
            Some(ExprKind::Literal(name)) => name.as_str(),
            _ => None,
        };
        block.kind.text == "source" && block.body.attributes.len() == 1 && name == own
    };
    let (listed, blocks): (Vec<Block>, Vec<Block>) = std::mem::take(&mut body.blocks)
        .into_iter()
        .partition(is_plain);
    body.blocks = blocks;
    let Some(span) = listed.first().map(|block| block.span) else {
        return;
    };
    let elements = listed.into_iter().filter_map(|block| {
        let label = block.labels.into_iter().next()?;
        Some(Expr {
            kind: ExprKind::Literal(Value::string(label.text)),
            span: block.span,
        })
    });
    body.attributes.push(Attribute {
        name: Name {
            text: "sources".into(),
            span: span.at_start(),
        },
        value: Expr {
            kind: ExprKind::Tuple(elements.collect()),
            span: span.at_start(),
        },
        span: span.at_start(),
    });
}

/// The blocks of a build or of a sequence of post-processors.
fn build(body: &mut Body, fit: &Fit, names: &names::Names) {
    for block in &mut body.blocks {
        let kind = match block.kind.text.as_str() {
            "provisioner" | "error-cleanup-provisioner" => ComponentKind::Provisioner,
            "post-processor" => ComponentKind::PostProcessor,
            "post-processors" => {
                build(&mut block.body, fit, names);
                continue;
            }
            _ => continue,
        };
        let schema = component(kind, block);
        fit.options(&mut block.body, schema);
        for attribute in &mut block.body.attributes {
            match attribute.name.text.as_str() {
                "only" | "except" => names.qualify(&mut attribute.value),
                "pause_before" | "timeout" => fit::limit(&mut attribute.value),
                "max_retries" => fit.value(&mut attribute.value, &Type::Number),
                "checkpoint" | "keep_input_artifact" => {
                    fit.value(&mut attribute.value, &Type::Bool)
                }
                "override" => {
                    if let ExprKind::Object(entries) = &mut attribute.value.kind {
                        for (_, options) in entries {
                            fit.object(options, schema);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn strong(body: &mut Body) {
    body.weak = false;
    for block in &mut body.blocks {
        strong(&mut block.body);
    }
}
