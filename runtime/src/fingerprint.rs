//! Fingerprints: what a step would do, as a number, and what that number is made from.
//!
//! In: a build of a plan, what its builder pins, the artifacts it uses. Out: for each step that has one a
//! [`Fingerprint`]. Each is made from the step's own inputs and the fingerprint of what comes before it, so that equal
//! numbers mean: the same was done to the same. `prepare`, `connect` and `release` have none. See
//! `docs/design/durable.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::plan::inputs::{Content, Known, Read, StepInput, canonical, inputs};
use imgc_compiler::plan::{Build, BuildId, Options, Plan, Step, StepId, StepKind};
use imgc_compiler::schema;
use imgc_compiler::source::World;
use imgc_compiler::value::{Data, Value};
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use crate::builder::Pin;
use crate::event::Redact;
use crate::identity::hex;
use crate::state::FingerprintInput;
use crate::template::{self, Asked, Surroundings};

/// What a step would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256, lower-case hexadecimal.
    pub digest: String,
    /// What it is made from, sorted by name.
    pub inputs: Vec<FingerprintInput>,
    /// The inputs that are others in every run, each with why.
    pub moving: Vec<(String, String)>,
    /// Whether what this step has done before counts: not where `cache = false` stands here or before.
    pub reusable: bool,
}

/// The fingerprints of a build's steps, in plan order.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    steps: BTreeMap<StepId, Fingerprint>,
}

impl Chain {
    /// That of a step; `None` where it has none.
    pub fn get(&self, step: StepId) -> Option<&Fingerprint> {
        self.steps.get(&step)
    }

    /// All, in plan order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (StepId, &Fingerprint)> {
        self.steps
            .iter()
            .map(|(step, fingerprint)| (*step, fingerprint))
    }

    /// Whether an artifact that is not there yet is a part of one.
    pub fn waits(&self) -> bool {
        let mut all = self.steps.values().flat_map(|one| &one.moving);
        all.any(|(_, why)| why == NOT_MADE)
    }
}

/// Why an artifact of another build is no known input.
const NOT_MADE: &str = "that artifact is not made yet";

/// What fingerprints of a build are made from besides its plan.
pub struct Basis<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Which build.
    pub build: BuildId,
    /// Files, clock, environment.
    pub world: &'a Arc<dyn World>,
    /// The state's own salt, for what is secret.
    pub salt: [u8; 32],
    /// This run.
    pub run: &'a str,
    /// The run that began what this one goes on with; this one where it goes on with nothing. What is new in every run
    /// is made from it.
    pub origin: &'a str,
    /// What the builder pins.
    pub pins: &'a [Pin],
    /// The builder's options that matter only when the artifact is made.
    pub capture_options: &'a [&'static str],
    /// The artifacts there are, by address of the build.
    pub artifacts: &'a BTreeMap<String, Value>,
    /// What these artifacts are, as digests.
    pub identities: &'a BTreeMap<String, String>,
    /// The template's variables.
    pub variables: &'a Arc<BTreeMap<SmolStr, Value>>,
    /// Masks what people are shown.
    pub redact: &'a dyn Redact,
}

/// Options of sources that say how long and how often to try: what is made does not follow from them.
const PATIENCE: &[&str] = &[
    "pause_before_connecting",
    "ssh_handshake_attempts",
    "ssh_keep_alive_interval",
    "ssh_read_write_timeout",
    "ssh_timeout",
    "ssh_wait_timeout",
    "winrm_timeout",
];
/// Values of `build` that follow from the template; others are new with every machine.
const LASTING: &[&str] = &["ConnType", "Password", "User", "WinRMPassword", "name"];
/// Builders that make no machine of their own: all values of `build` but the run's id follow from the template.
const MACHINELESS: &[&str] = &["file", "null"];
/// More characters of a value than this are not kept for people.
const SHOWN: usize = 2000;

/// The fingerprints of all steps of a build. Reads files, and blocks.
pub fn chain(basis: &Basis<'_>, read: &mut Read) -> Chain {
    let build = basis.plan.build(basis.build);
    let component = schema::component(ComponentKind::Builder, &build.builder);
    let source = basis.inputs(component, &build.source, read);
    let is_late = |input: &StepInput| basis.capture_options.contains(&input.option.as_str());
    let mut chain = Chain::default();
    // The last fingerprint of the machine phase.
    let mut before: Option<Link> = None;
    let mut capture: Option<Link> = None;
    let mut posts: BTreeMap<u32, Vec<Link>> = BTreeMap::new();
    let steps = basis.plan.step_ids().map(|id| (id, basis.plan.step(id)));
    for (id, step) in steps.filter(|(_, step)| step.build == basis.build) {
        let mut making = Making::new(basis, build, step);
        match &step.kind {
            StepKind::Prepare | StepKind::Connect | StepKind::Release => continue,
            StepKind::Launch => {
                making.source(
                    source.iter().filter(|input| {
                        !is_late(input) && !PATIENCE.contains(&input.option.as_str())
                    }),
                );
                for pin in basis.pins {
                    let name = format!("base {}", pin.name);
                    making.plain(
                        name,
                        pin.value.as_bytes(),
                        format!("{} {}", pin.value, pin.about),
                    );
                }
                let prepare = basis.plan.steps.iter();
                let mut prepare = prepare
                    .filter(|other| other.build == basis.build && other.kind == StepKind::Prepare);
                if let Some(prepare) = prepare.next() {
                    making.uses(prepare);
                }
            }
            StepKind::Capture => {
                making.source(source.iter().filter(|input| is_late(input)));
                making.place();
            }
            StepKind::Provision { provisioner, .. } => {
                let kind = ComponentKind::Provisioner;
                let component = schema::component(kind, provisioner);
                let own = basis.inputs(component, &step.options, read);
                making.source(own.iter());
                making.place();
            }
            StepKind::PostProcess { post_processor, .. } => {
                let kind = ComponentKind::PostProcessor;
                let component = schema::component(kind, post_processor);
                let own = basis.inputs(component, &step.options, read);
                making.source(own.iter());
                making.place();
            }
        }
        making.uses(step);
        if let StepKind::PostProcess { chain: at, .. } = step.kind {
            let own = posts.get(&at).and_then(|own| own.last());
            making.after("input", own.or(capture.as_ref()));
            // Scripts read what earlier chains have written.
            for (number, earlier) in posts.range(..at) {
                making.after(&format!("chain {}", number + 1), earlier.last());
            }
        } else {
            making.after("before", before.as_ref());
        }
        let fingerprint = making.end();
        let link = Link {
            address: step.address.clone(),
            digest: fingerprint.digest.clone(),
            reusable: fingerprint.reusable,
        };
        match step.kind {
            StepKind::PostProcess { chain: at, .. } => posts.entry(at).or_default().push(link),
            StepKind::Capture => capture = Some(link),
            _ => before = Some(link),
        }
        chain.steps.insert(id, fingerprint);
    }
    chain
}

/// A fingerprint others follow from.
struct Link {
    address: String,
    digest: String,
    reusable: bool,
}

impl Basis<'_> {
    fn inputs(
        &self,
        component: Option<&schema::Component>,
        options: &Options,
        read: &mut Read,
    ) -> Vec<StepInput> {
        let build = self.plan.build(self.build);
        let surroundings = Surroundings {
            source_name: build.instance_name().into(),
            builder_type: build.builder.as_str().into(),
            root: self.plan.root.clone(),
            build: Arc::default(),
            variables: self.variables.clone(),
            world: self.world.clone(),
        };
        let render = |text: &str| template::render(text, &[], &surroundings, "").ok();
        let known = Known {
            artifacts: self.artifacts,
            world: &**self.world,
            render: &render,
        };
        inputs(component, options, &known, read)
    }
}

/// A fingerprint in the making.
struct Making<'a> {
    basis: &'a Basis<'a>,
    build: &'a Build,
    kind: String,
    inputs: BTreeMap<String, FingerprintInput>,
    moving: Vec<(String, String)>,
    reusable: bool,
}

impl<'a> Making<'a> {
    fn new(basis: &'a Basis<'a>, build: &'a Build, step: &'a Step) -> Self {
        let kind = match &step.kind {
            StepKind::Launch => "launch".to_owned(),
            StepKind::Capture => "capture".to_owned(),
            StepKind::Provision { provisioner, .. } => format!("provision {provisioner}"),
            StepKind::PostProcess { post_processor, .. } => {
                format!("post-process {post_processor}")
            }
            other => format!("{other:?}"),
        };
        let mut making = Self {
            basis,
            build,
            inputs: BTreeMap::new(),
            moving: Vec::new(),
            reusable: true,
            kind: kind.clone(),
        };
        making.plain("step".into(), kind.as_bytes(), kind.clone());
        let builder = build.builder.as_str();
        making.plain("builder".into(), builder.as_bytes(), builder.to_owned());
        // Scripts see it as `PACKER_BUILD_NAME`.
        let name = build.instance_name();
        making.plain("source".into(), name.as_bytes(), name.clone());
        if !step.cache {
            making.reusable = false;
            let why = "`cache = false` stands there".to_owned();
            making.moving.push(("cache".into(), why));
            making.plain("cache".into(), basis.run.as_bytes(), "false".into());
        }
        making
    }

    /// Takes the inputs of a component.
    fn source<'i>(&mut self, inputs: impl Iterator<Item = &'i StepInput>) {
        for input in inputs {
            match &input.content {
                Content::Value(value) => {
                    self.value(input.name.clone(), value);
                    self.templates(&input.option, value);
                }
                Content::Expression {
                    text,
                    shape,
                    sensitive,
                } => {
                    let (digest, shown) = match sensitive {
                        true => (self.salted(shape), "(sensitive)".to_owned()),
                        false => (hex(&Sha256::digest(shape)), self.basis.redact.redact(text)),
                    };
                    self.add(input.name.clone(), digest, shown);
                }
                Content::Digest(digest) => {
                    self.plain(input.name.clone(), digest.as_bytes(), String::new());
                }
                Content::RunValue(member) => self.run_value(member, &input.option),
                Content::Unforeseeable(why) => {
                    self.moves(input.name.clone(), why.clone(), self.basis.run);
                }
            }
        }
    }

    /// The artifacts of other builds that a step uses.
    fn uses(&mut self, step: &Step) {
        let plan = self.basis.plan;
        let others = step.needs.iter().map(|need| plan.step(need.step).build);
        for other in others.filter(|other| *other != self.basis.build) {
            let address = &plan.build(other).address;
            let name = format!("artifact {address}");
            match self.basis.identities.get(address) {
                Some(identity) => self.plain(name, identity.as_bytes(), String::new()),
                None => self.moves(name, NOT_MADE.to_owned(), self.basis.run),
            }
        }
    }

    /// Commands run here, and relative paths begin here: a directory inside of the template's may move with it.
    fn place(&mut self) {
        let directory = self.basis.world.working_directory();
        let root = &self.basis.plan.root;
        let root = match root.is_absolute() {
            true => root.clone(),
            false => clean(&directory.join(root)),
        };
        let relative = match directory.strip_prefix(&root) {
            Ok(inside) => Path::new(".").join(inside),
            Err(_) => directory.clone(),
        };
        let shown = relative.display().to_string();
        self.plain("working directory".into(), shown.as_bytes(), shown.clone());
    }

    fn after(&mut self, name: &str, link: Option<&Link>) {
        if let Some(link) = link {
            self.reusable &= link.reusable;
            self.plain(
                name.to_owned(),
                link.digest.as_bytes(),
                link.address.clone(),
            );
        }
    }

    fn value(&mut self, name: String, value: &Value) {
        let bytes = canonical(value);
        let digest = match value.contains_sensitive() {
            true => self.salted(&bytes),
            false => hex(&Sha256::digest(&bytes)),
        };
        let shown = self.basis.redact.redact(&value.display());
        self.add(name, digest, shown);
    }

    /// What the templates in an option's texts ask for.
    fn templates(&mut self, option: &str, value: &Value) {
        let mut found = Vec::new();
        texts(value, &mut |text| found.extend(template::asked(text)));
        for asked in found {
            match asked {
                Asked::Clock => {
                    let (now, _) = self.basis.world.now();
                    let why = "the clock is asked there".to_owned();
                    self.moves(format!("clock in {option}"), why, &now.to_string());
                }
                Asked::Chance => {
                    let why = "a random number is asked for there".to_owned();
                    self.moves(format!("random number in {option}"), why, self.basis.origin);
                }
                Asked::Environment(name) => {
                    let text = self.basis.world.env(&name).unwrap_or_default();
                    // What the environment holds may be a secret.
                    let digest = self.salted(text.as_bytes());
                    self.add(format!("environment {name}"), digest, String::new());
                }
                Asked::Variable(name) => {
                    let value = self.basis.variables.get(name.as_str()).cloned();
                    self.value(
                        format!("variable {name}"),
                        &value.unwrap_or_else(Value::error),
                    );
                }
                Asked::Build(member) => self.run_value(&member, option),
                Asked::WorkingDirectory => self.place(),
                Asked::TemplateDirectory => {
                    let root = self.basis.plan.root.display().to_string();
                    self.plain("template directory".into(), root.as_bytes(), root.clone());
                }
                Asked::Anything => {
                    let why = "what the template asks for is computed".to_owned();
                    self.moves(format!("template in {option}"), why, self.basis.run);
                }
            }
        }
    }

    fn run_value(&mut self, member: &str, option: &str) {
        let name = format!("value build.{member}");
        let machineless = MACHINELESS.contains(&self.build.builder.as_str());
        let lasts = LASTING.contains(&member) || machineless && member != "PackerRunUUID";
        match lasts {
            true => self.plain(name, member.as_bytes(), String::new()),
            false => {
                let why = format!("`{option}` has `build.{member}`, which is new in every run");
                self.moves(name, why, self.basis.origin);
            }
        }
    }

    /// An input that is another one with another `what`.
    fn moves(&mut self, name: String, why: String, what: &str) {
        self.moving.push((name.clone(), why));
        self.plain(name, what.as_bytes(), String::new());
    }

    fn plain(&mut self, name: String, bytes: &[u8], shown: String) {
        self.add(name, hex(&Sha256::digest(bytes)), shown);
    }

    fn salted(&self, bytes: &[u8]) -> String {
        let digest = Sha256::new()
            .chain_update(self.basis.salt)
            .chain_update(bytes)
            .finalize();
        hex(&digest)
    }

    fn add(&mut self, name: String, digest: String, shown: String) {
        let shown = match shown.char_indices().nth(SHOWN) {
            None => shown,
            Some((end, _)) => format!("{}…", &shown[..end]),
        };
        let input = FingerprintInput {
            name: name.clone(),
            digest,
            shown,
        };
        self.inputs.insert(name, input);
    }

    fn end(self) -> Fingerprint {
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(b"imgc fingerprint 1");
        part(self.kind.as_bytes());
        for input in self.inputs.values() {
            part(input.name.as_bytes());
            part(input.digest.as_bytes());
        }
        Fingerprint {
            digest: hex(&hasher.finalize()),
            inputs: self.inputs.into_values().collect(),
            moving: self.moving,
            reusable: self.reusable,
        }
    }
}

fn texts(value: &Value, found: &mut impl FnMut(&str)) {
    match value.data() {
        Data::String(text) => found(text),
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            for part in parts.iter() {
                texts(part, found);
            }
        }
        Data::Map(_, parts) | Data::Object(parts) => {
            for part in parts.values() {
                texts(part, found);
            }
        }
        _ => {}
    }
}

/// A path without `.` and with `..` taken back, as far as that can be said of the path alone.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// An input that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// What it was; `None` where it was not there.
    pub old: Option<String>,
    /// What it is; `None` where it is not there any more.
    pub new: Option<String>,
}

/// How the inputs of two fingerprints differ, in the order of their names; what comes before a step stands last, since
/// another input says more. Values nobody may see are the first characters of their digests.
pub fn explain(old: &[FingerprintInput], new: &[FingerprintInput]) -> Vec<Difference> {
    let by_name = |list: &[FingerprintInput]| -> BTreeMap<String, FingerprintInput> {
        let named = list.iter().map(|one| (one.name.clone(), one.clone()));
        named.collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_by_key(|name| (follows(name), name.as_str()));
    names.dedup();
    let mut differences = Vec::new();
    for name in names {
        let (one, other) = (old.get(name), new.get(name));
        if one.map(|one| &one.digest) == other.map(|other| &other.digest) {
            continue;
        }
        let same_text = match (one, other) {
            (Some(one), Some(other)) => one.shown == other.shown,
            _ => false,
        };
        let shown = |input: &FingerprintInput| match input.shown.is_empty() || same_text {
            true => input.digest.chars().take(12).collect(),
            false => input.shown.clone(),
        };
        differences.push(Difference {
            name: name.clone(),
            old: one.map(shown),
            new: other.map(shown),
        });
    }
    differences
}

/// Whether an input is the fingerprint of another step.
pub fn follows(name: &str) -> bool {
    name == "before" || name == "input" || name.starts_with("chain ")
}
