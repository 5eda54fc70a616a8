//! Whether a post-processor can work with what stands before it: the builder, and the post-processors of its chain.
//!
//! What a component says of its own options has been asked by then; this is what follows from two of them together.

use super::component::ConfiguredSource;
use super::instance::Instance;
use super::make::Maker;
use super::pieces::Part;
use crate::components::{Behind, ComponentKind};
use crate::configure::Asked;

impl Maker<'_, '_> {
    /// Reports what the post-processors of a chain cannot do with what they are given. One mistake that several builds have
    /// in the same words is reported once.
    pub(super) fn check_chain(
        &mut self,
        source: &ConfiguredSource,
        instance: &Instance<'_>,
        chain: &[Part],
    ) {
        let names: Vec<&str> = chain.iter().map(|part| part.ty.as_str()).collect();
        for (at, part) in chain.iter().enumerate() {
            let asked = Asked {
                kind: ComponentKind::PostProcessor,
                name: &part.ty,
                options: part.made.options.value(),
                bodies: &[&part.body],
                span: part.span,
            };
            let behind = Behind {
                builder: &instance.source.ty.text,
                options: source.options.value(),
                before: &names[..at],
            };
            let reported = &self.cx.diagnostics;
            let problems = asked.problems_behind(self.components, behind, reported);
            for problem in problems {
                let said = self.cx.diagnostics.iter().any(|said| {
                    (said.id, said.span, &said.message)
                        == (problem.id, problem.span, &problem.message)
                });
                if !said {
                    self.cx
                        .report(problem.label(instance.source.span, "the source"));
                }
            }
        }
    }
}
