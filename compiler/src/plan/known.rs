//! Which components a plan can use: known by the catalogue, and able to run here.
//!
//! Each thing is said once, however often a template names a component.

use std::collections::{BTreeSet, HashMap};

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::fit::Said;
use super::make::Maker;
use crate::components::ComponentKind;
use crate::configure::known_component;
use crate::diagnostic::{Diagnostic, Severity};
use crate::hir::Name;
use crate::module::Module;
use crate::schema::{self, Component};

/// What has been said about components so far, and what is still to be said.
#[derive(Default)]
pub(super) struct Remarks {
    /// Of these the remark has been made; whether the catalogue knows them.
    made: HashMap<(ComponentKind, SmolStr), bool>,
    /// These cannot run here, in the order in which they were met.
    idle: Vec<(ComponentKind, SmolStr, Span)>,
    pub(super) unfit: Said,
}

/// How to get a program that has these features.
fn with_features(features: &[&str]) -> String {
    format!(
        "build imgc with `--features {}`, or with all that it has: `cargo install --locked --path cli`",
        features.join(",")
    )
}

impl Maker<'_, '_> {
    /// The schema of a component, or `None` with its mistake reported.
    pub(super) fn find(
        &mut self,
        module: &Module,
        kind: ComponentKind,
        name: &Name,
    ) -> Option<&'static Component> {
        match known_component(kind, name, module) {
            Ok(known) => {
                let key = (kind, name.text.clone());
                if let Some(remark) = known.remark
                    && !self.remarks.made.contains_key(&key)
                {
                    let foreign = known.component.is_foreign();
                    self.remarks.made.insert(key, !foreign);
                    // Where it is to be run, that it cannot is what matters.
                    if !foreign || self.looks_only() || self.components.has(kind, &name.text) {
                        self.cx.report(remark);
                    }
                }
                Some(known.component)
            }
            Err(diagnostic) => {
                self.cx.report(*diagnostic);
                None
            }
        }
    }

    /// Says so where a component is in order and cannot run here.
    pub(super) fn runnable(&mut self, kind: ComponentKind, ty: &Name) {
        if !ty.is_missing() && !self.components.has(kind, &ty.text) {
            self.not_implemented(kind, &ty.text, ty.span);
        }
    }

    pub(super) fn not_implemented(&mut self, kind: ComponentKind, name: &str, span: Span) {
        let idle = &mut self.remarks.idle;
        if idle
            .iter()
            .any(|(k, n, _)| (*k, n.as_str()) == (kind, name))
        {
            return;
        }
        idle.push((kind, name.into(), span));
        if self.looks_only() {
            return;
        }
        let feature = self.components.left_out(kind, name);
        let (who, way) = match feature {
            Some(feature) => (
                format!("this imgc was built without the feature `{feature}` and"),
                format!("{}. ", with_features(&[feature])),
            ),
            None => ("this version of imgc".to_owned(), String::new()),
        };
        let message = format!("{who} cannot run the {} `{name}`", kind.word());
        self.cx.report(
            Diagnostic::error("plan/not-implemented", span, message).help(format!(
                "{way}`imgc validate` and `imgc plan` take such a template; to run part of it, use `-only` or `-except`",
            )),
        );
    }

    /// Whether nothing is to be run.
    fn looks_only(&self) -> bool {
        self.request.check_only || self.request.show_only
    }

    /// Where nothing is to be run, one warning names everything that could not.
    pub(super) fn checked_only(&mut self) {
        let looks_only = self.looks_only();
        let made = &self.remarks.made;
        let mut idle = self.remarks.idle.iter().filter(|(kind, name, _)| {
            // Where it has been said that a component is not known, that says it.
            made.get(&(*kind, name.clone())) != Some(&false)
        });
        let Some((kind, name, span)) = idle.next().filter(|_| looks_only) else {
            return;
        };
        let first = (*kind, name.as_str());
        let all: Vec<_> = std::iter::once(first)
            .chain(idle.map(|(kind, name, _)| (*kind, name.as_str())))
            .collect();
        let lists = schema::KINDS.into_iter().filter_map(|kind| {
            let names: Vec<_> = all.iter().filter(|(k, _)| *k == kind).collect();
            let plural = if names.len() > 1 { "s" } else { "" };
            let names = names.iter().map(|(_, name)| format!("`{name}`"));
            let names = names.collect::<Vec<_>>().join(", ");
            (!names.is_empty()).then(|| format!("the {}{plural} {names}", kind.word()))
        });
        let names = lists.collect::<Vec<_>>().join("; ");
        let message = format!("this version of imgc checks, but cannot run, {names}");
        let mut warning = Diagnostic::warning("plan/not-implemented", *span, message);
        let features = all
            .iter()
            .filter_map(|(kind, name)| self.components.left_out(*kind, name));
        let features: BTreeSet<&str> = features.collect();
        if !features.is_empty() {
            let features: Vec<&str> = features.into_iter().collect();
            warning = warning.help(with_features(&features));
        }
        self.cx.report(warning);
    }

    /// What applies to nothing never runs, and Packer does not read it: what is wrong with it (all of it in `texts`) is
    /// only worth a warning, and what else would be said about its values is left out.
    pub(super) fn excuse_unused(&mut self, before: usize, texts: &[Span]) {
        let mut at = before;
        while let Some(diagnostic) = self.cx.diagnostics.get_mut(at) {
            match diagnostic.id {
                "check/expected-option" | "check/idle-option" => {
                    self.cx.diagnostics.remove(at);
                }
                _ => {
                    let place = diagnostic.span;
                    let is_inside = |text: &Span| {
                        text.file == place.file
                            && text.start <= place.start
                            && place.end <= text.end
                    };
                    if texts.iter().any(is_inside) {
                        diagnostic.severity = diagnostic.severity.max(Severity::Warning);
                    }
                    at += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::compile::{Request, compile};
    use crate::components::{ComponentKind, Components, Problem};
    use crate::diagnostic::plain;
    use crate::source::{FixedWorld, Memory, World};
    use crate::value::Value;

    const TEMPLATE: &str = r#"
source "amazon-ebs" "a" {
  region        = "us-east-1"
  source_ami    = "ami-1"
  instance_type = "t3.micro"
  ssh_username  = "root"
  ami_name      = "a"
}
build {
  sources = ["amazon-ebs.a"]
}
"#;

    /// A program that was built without Amazon.
    struct Small;

    impl Components for Small {
        fn has(&self, _: ComponentKind, name: &str) -> bool {
            !name.starts_with("amazon-")
        }

        fn left_out(&self, _: ComponentKind, name: &str) -> Option<&'static str> {
            name.starts_with("amazon-").then_some("aws")
        }

        fn check(&self, _: ComponentKind, _: &str, _: &Value) -> Vec<Problem> {
            Vec::new()
        }

        fn read(&self, name: &str, _: &Value) -> Result<Value, Problem> {
            Err(Problem::new(format!("{name} is not read here")))
        }
    }

    #[test]
    fn what_a_program_was_built_without_is_named_with_the_way_to_it() {
        for check_only in [false, true] {
            let request = Request {
                path: "main.pkr.hcl".into(),
                check_only,
                ..Request::default()
            };
            let world: Arc<dyn World> = Arc::new(FixedWorld::default());
            let files = Memory::new([("main.pkr.hcl", TEMPLATE)]);
            let compilation = compile(&request, &files, &world, &Small);
            let text = plain::render(&compilation.sources, &compilation.diagnostics);
            assert!(text.contains("cannot run"), "{text}");
            assert!(text.contains("--features aws"), "{text}");
            assert_eq!(text.contains("error["), !check_only, "{text}");
        }
    }
}
