//! Lines above builds and declarations.

use std::path::Path;

use imgc_compiler::Span;
use imgc_compiler::plan::Plan;

use crate::analysis::{Analysis, Cancellable};
use crate::index::{Occurrence, Role};
use crate::template::Template;
use crate::text::{Location, TextRange};

/// A line that is shown above a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeLens {
    /// The declaration.
    pub range: TextRange,
    /// What is shown.
    pub title: String,
    /// What it does when it is chosen.
    pub command: LensCommand,
}

/// What a lens does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LensCommand {
    /// Shows the plan of these builds (names for `-only`; all where there are none).
    Plan(Vec<String>),
    /// Shows these references to what is at an offset.
    References {
        /// Where the name stands.
        offset: u32,
        /// The references.
        locations: Vec<Location>,
    },
    /// Nothing.
    None,
}

pub(crate) fn of(analysis: &Analysis, path: &Path) -> Cancellable<Vec<CodeLens>> {
    let Some((template, file)) = analysis.template_at(path)? else {
        return Ok(Vec::new());
    };
    let mut lenses = Vec::new();
    if let Some(plan) = &template.compilation.plan {
        for build in &template.compilation.module.builds {
            if build.span.file == file && template.unit_of(path) == 0 {
                builds(plan, build.span, &mut lenses);
            }
        }
    }
    for found in template.index().in_file(file) {
        if found.role == Role::Declaration && found.key.unit == 0 {
            lenses.extend(references(&template, found));
        }
    }
    analysis.check()?;
    lenses.sort_by_key(|lens| lens.range.start);
    Ok(lenses)
}

/// What a build block makes: a plan, and so many steps.
fn builds(plan: &Plan, block: Span, lenses: &mut Vec<CodeLens>) {
    let ids: Vec<usize> = plan
        .builds
        .iter()
        .enumerate()
        .filter(|(_, build)| build.block_span == block)
        .map(|(at, _)| at)
        .collect();
    if ids.is_empty() {
        return;
    }
    let of_block = |step: &&imgc_compiler::plan::Step| ids.contains(&(step.build.0 as usize));
    let steps = plan.steps.iter().filter(of_block).count();
    let names: Vec<String> = ids.iter().map(|at| plan.builds[*at].name.clone()).collect();
    let builds = match names.len() {
        1 => "1 build".to_owned(),
        count => format!("{count} builds"),
    };
    // All builds of a template are planned without a filter.
    let only = match names.len() == plan.builds.len() {
        true => Vec::new(),
        false => names,
    };
    let noun = if steps == 1 { "step" } else { "steps" };
    lenses.push(CodeLens {
        range: block.into(),
        title: "plan".to_owned(),
        command: LensCommand::Plan(only),
    });
    lenses.push(CodeLens {
        range: block.into(),
        title: format!("{builds}, {steps} {noun}"),
        command: LensCommand::None,
    });
}

fn references(template: &Template, declared: &Occurrence) -> Option<CodeLens> {
    let name = declared.key.entity.name();
    // What other languages only mean has no place of its own.
    if template.text(declared.span) != name.as_str() {
        return None;
    }
    let uses = template.index().uses(&declared.key);
    let locations: Vec<Location> = uses
        .filter(|found| found.role == Role::Reference)
        .map(|found| template.location(found.span))
        .collect();
    let noun = match locations.len() {
        1 => "reference",
        _ => "references",
    };
    Some(CodeLens {
        range: declared.span.into(),
        title: format!("{} {noun}", locations.len()),
        command: LensCommand::References {
            offset: declared.span.start,
            locations,
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::fixture::{Seen, fixture};

    #[test]
    fn lenses() {
        let mut seen = Seen::default();
        let cases = [
            "variable \"x\" { default = \"h\" }\nsource \"null\" \"a\" { communicator = \"none\" }\nsource \"null\" \"b\" { communicator = \"none\" }\nbuild {\n  sources = [\"null.a\", \"null.b\"]\n  provisioner \"shell-local\" { inline = [var.x] }\n}\nbuild {\n  name = \"w\"\n  sources = [\"null.a\"]\n}\n",
        ];
        for case in cases {
            let f = fixture(case);
            let text = f.analysis.text(&f.path).unwrap();
            let lenses = f.analysis.code_lenses(&f.path).unwrap();
            let shown = lenses.iter().map(|lens| {
                let command = match &lens.command {
                    crate::LensCommand::Plan(only) => format!("plan {only:?}"),
                    crate::LensCommand::References { locations, .. } => {
                        format!("show {}", locations.len())
                    }
                    crate::LensCommand::None => String::new(),
                };
                format!("{}: {} [{command}]", lens.range.of(&text), lens.title)
            });
            seen.add(case, &shown.collect::<Vec<_>>().join("\n   "));
        }
        seen.check("lenses");
    }
}
