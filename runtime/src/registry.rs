//! The components that can run here, by the name written in a template.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use imgc_compiler::components::{Behind, ComponentKind, Components, Problem, Publish};
use imgc_compiler::value::Value;
use tokio::sync::Semaphore;

use crate::builder::Builder;
use crate::communicator::Communicator;
use crate::data_source::DataSource;
use crate::event::Redact as _;
use crate::options::secrets;
use crate::post_processor::PostProcessor;
use crate::preview::Origin;
use crate::provisioner::Provisioner;
use crate::redact::Redactor;
use crate::template::{late, open_options};

/// Builders, communicators, provisioners, post-processors, data sources. Adding one is one line where the registry is filled.
#[derive(Clone, Default)]
pub struct Registry {
    /// By type, such as `null`.
    pub builders: BTreeMap<&'static str, Arc<dyn Builder>>,
    /// By type, such as `ssh`.
    pub communicators: BTreeMap<&'static str, Arc<dyn Communicator>>,
    /// By type, such as `shell`.
    pub provisioners: BTreeMap<&'static str, Arc<dyn Provisioner>>,
    /// By type, such as `manifest`.
    pub post_processors: BTreeMap<&'static str, Arc<dyn PostProcessor>>,
    /// By type, such as `http`.
    pub data_sources: BTreeMap<&'static str, Arc<dyn DataSource>>,
    /// What this program was built without: cargo's feature by component.
    pub left_out: BTreeMap<(ComponentKind, &'static str), &'static str>,
}

/// Local commands at the same time, whatever the number of builds: enough that one waiting for another is no matter,
/// and few enough that hundreds of builds need little memory.
pub const LOCAL_COMMANDS: usize = 64;

/// The components of this crate.
pub fn builtin() -> Registry {
    let commands = Arc::new(Semaphore::new(LOCAL_COMMANDS));
    // How many cores there are takes a while to find out, and most commands never ask.
    let heavy: Arc<LazyLock<Semaphore>> = Arc::new(LazyLock::new(|| {
        Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from))
    }));
    let mut registry = Registry::default();
    registry
        .builders
        .insert("null", Arc::new(crate::builders::Null));
    registry
        .builders
        .insert("file", Arc::new(crate::builders::File));
    let provisioners: [(&'static str, Arc<dyn Provisioner>); 6] = [
        (
            "breakpoint",
            Arc::new(crate::provisioners::Breakpoint::default()),
        ),
        ("file", Arc::new(crate::provisioners::File)),
        ("puppet-server", Arc::new(crate::provisioners::PuppetServer)),
        ("shell", Arc::new(crate::provisioners::Shell)),
        (
            "shell-local",
            Arc::new(crate::provisioners::ShellLocal::new(commands.clone())),
        ),
        ("sleep", Arc::new(crate::provisioners::Sleep)),
    ];
    registry.provisioners.extend(provisioners);
    let post_processors: [(&'static str, Arc<dyn PostProcessor>); 5] = [
        ("artifice", Arc::new(crate::post_processors::Artifice)),
        (
            "checksum",
            Arc::new(crate::post_processors::Checksum::new(heavy.clone())),
        ),
        (
            "compress",
            Arc::new(crate::post_processors::Compress::new(heavy)),
        ),
        ("manifest", Arc::new(crate::post_processors::Manifest)),
        (
            "shell-local",
            Arc::new(crate::post_processors::ShellLocal::new(commands)),
        ),
    ];
    registry.post_processors.extend(post_processors);
    registry
        .data_sources
        .insert("null", Arc::new(crate::data_sources::Null));
    registry
}

impl Registry {
    /// Lets components that ask somebody (`breakpoint`) do so.
    #[must_use]
    pub fn with_ask(mut self, ask: Arc<dyn crate::settings::Ask>) -> Self {
        self.provisioners.insert(
            "breakpoint",
            Arc::new(crate::provisioners::Breakpoint::new(ask)),
        );
        self
    }
}

/// A problem without the secrets of the options, in whatever form the answer of a service has them.
fn hide(problem: Problem, options: &Value) -> Problem {
    let redactor = Redactor::new();
    for secret in secrets(options) {
        redactor.add(&secret);
    }
    Problem {
        message: redactor.redact(&problem.message),
        help: problem.help.map(|help| redactor.redact(&help)),
        ..problem
    }
}

impl Components for Registry {
    fn has(&self, kind: ComponentKind, name: &str) -> bool {
        match kind {
            ComponentKind::Builder => self.builders.contains_key(name),
            ComponentKind::Provisioner => self.provisioners.contains_key(name),
            ComponentKind::PostProcessor => self.post_processors.contains_key(name),
            // Not to reach a machine needs no implementation.
            ComponentKind::Communicator => name == "none" || self.communicators.contains_key(name),
            ComponentKind::DataSource => self.data_sources.contains_key(name),
        }
    }

    fn left_out(&self, kind: ComponentKind, name: &str) -> Option<&'static str> {
        let mut left_out = self.left_out.iter();
        left_out.find_map(|(key, feature)| (*key == (kind, name)).then_some(*feature))
    }

    fn check(&self, kind: ComponentKind, name: &str, options: &Value) -> Vec<Problem> {
        let recorded = match kind {
            ComponentKind::Builder => self.builders.get(name).map(|one| one.recorded_options()),
            ComponentKind::PostProcessor => self
                .post_processors
                .get(name)
                .map(|one| one.recorded_options()),
            _ => None,
        };
        let recorded = crate::options::recorded(recorded.unwrap_or_default(), options, |_| false);
        let mut problems = match kind {
            ComponentKind::Builder => self
                .builders
                .get(name)
                // What only the run knows is not checked before it.
                .map(|builder| builder.check(&open_options(options, late(kind, name)))),
            ComponentKind::Provisioner => self
                .provisioners
                .get(name)
                .map(|provisioner| provisioner.check(options)),
            ComponentKind::PostProcessor => self
                .post_processors
                .get(name)
                .map(|post_processor| post_processor.check(options)),
            // The options are those of the builder, whose templates have been looked at.
            ComponentKind::Communicator => {
                let communicator = self.communicators.get(name);
                return communicator.map_or_else(Vec::new, |found| found.check(options));
            }
            ComponentKind::DataSource => self
                .data_sources
                .get(name)
                .map(|source| source.check(options)),
        }
        .unwrap_or_default();
        problems.extend(recorded);
        if self.has(kind, name) {
            problems.extend(crate::template::check_fields(kind, name, options));
        }
        problems.extend(crate::template::check_options(options).into_iter().map(
            |(option, message)| {
                Problem::new(format!("this Go template cannot be parsed: {message}"))
                    .of(option)
                    .help("for two braces as they are write {{ `{{` }}")
            },
        ));
        problems
    }

    fn check_behind(
        &self,
        post_processor: &str,
        options: &Value,
        behind: Behind<'_>,
    ) -> Vec<Problem> {
        let find = |name: &str| self.post_processors.get(name);
        let mut before = behind.before.iter();
        let is_first = before.all(|name| find(name).is_some_and(|one| one.passes_on()));
        let Some(found) = find(post_processor).filter(|_| is_first) else {
            return Vec::new();
        };
        let source = late(ComponentKind::Builder, behind.builder);
        let source = open_options(behind.options, source);
        let origin = Origin {
            builder: behind.builder,
            options: &source,
            before: &[],
            offline: true,
        };
        found.check_behind(options, origin)
    }

    fn publishes(&self, builder: &str, options: &Value) -> Vec<Publish> {
        let builder = self.builders.get(builder);
        builder.map_or_else(Vec::new, |builder| builder.publishes(options))
    }

    fn boots(&self, builder: &str) -> bool {
        let builder = self.builders.get(builder);
        builder.is_none_or(|builder| builder.boots())
    }

    fn keeps_checkpoints(&self, builder: &str) -> bool {
        let builder = self.builders.get(builder);
        builder.is_none_or(|builder| builder.keeps_checkpoints())
    }

    fn read(&self, name: &str, options: &Value) -> Result<Value, Problem> {
        match self.data_sources.get(name) {
            Some(source) => source
                .read(options)
                .map_err(|problem| hide(problem, options)),
            None => Err(Problem::new(format!(
                "this version of imgc cannot read the data source `{name}`"
            ))
            .help("give the value by a variable instead")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::object;

    /// Fails with all forms a service may send a secret back in.
    struct Leaky;

    impl DataSource for Leaky {
        fn read(&self, options: &Value) -> Result<Value, Problem> {
            let token = options.get("token").and_then(Value::as_str).unwrap();
            assert_eq!(token, "pa ss/w\"ord");
            Err(
                Problem::new("refused: pa ss/w\"ord, cGEgc3MvdyJvcmQ=, pa%20ss%2Fw%22ord")
                    .help("{\"token\":\"pa ss/w\\\"ord\"}"),
            )
        }
    }

    #[test]
    fn what_a_data_source_says_holds_no_secret_in_any_form() {
        let mut registry = Registry::default();
        registry.data_sources.insert("leaky", Arc::new(Leaky));
        let options = object([("token", Value::string("pa ss/w\"ord").mark(true))]);
        let problem = registry.read("leaky", &options).unwrap_err();
        let said = format!("{} {}", problem.message, problem.help.unwrap());
        assert!(
            said.starts_with("refused: <sensitive>, <sensitive>"),
            "{said}"
        );
        for part in ["pa ss", "cGEg", "pa%20", "ord"] {
            assert!(!said.contains(part), "{said}");
        }
    }
}
