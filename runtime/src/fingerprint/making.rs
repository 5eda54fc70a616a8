//! A fingerprint in the making: inputs of all kinds, each with a name, a digest and a text for people.
//!
//! In: what the compiler knows of a component's options, values, artifacts, files. Out: a [`Fingerprint`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imgc_compiler::plan::inputs::{Content, ReadFile, StepInput, canonical};
use imgc_compiler::plan::{Build, Step, StepKind};
use imgc_compiler::source::World;
use imgc_compiler::value::{Data, Value};
use sha2::{Digest as _, Sha256};

use super::{Basis, Fingerprint, Link};
use crate::files::clean;
use crate::identity::hex;
use crate::state::FingerprintInput;
use crate::template::{self, Asked};

/// Why an artifact of another build is no known input.
pub(super) const NOT_MADE: &str = "that artifact is not made yet";

/// Values of `build` that follow from the template; others are new with every machine.
const LASTING: &[&str] = &["ConnType", "Password", "User", "WinRMPassword", "name"];
/// Builders that make no machine of their own: all values of `build` but the run's id follow from the template.
const MACHINELESS: &[&str] = &["file", "null"];
/// What a step that checks an artifact is called.
const CHECK: &str = "check";
/// More characters of a value than this are not kept for people.
const SHOWN: usize = 2000;

/// A fingerprint in the making.
pub(super) struct Making<'a> {
    basis: &'a Basis<'a>,
    build: &'a Build,
    kind: String,
    inputs: BTreeMap<String, FingerprintInput>,
    moving: Vec<(String, String)>,
    reusable: bool,
    files: Vec<ReadFile>,
}

impl<'a> Making<'a> {
    pub(super) fn new(basis: &'a Basis<'a>, build: &'a Build, step: &'a Step) -> Self {
        let kind = match &step.kind {
            StepKind::Launch => "launch".to_owned(),
            StepKind::Capture => "capture".to_owned(),
            StepKind::Check => CHECK.to_owned(),
            StepKind::Publish { name, .. } => format!("publish {name}"),
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
            files: Vec::new(),
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

    /// It is another one in every run, and what follows from it.
    pub(super) fn never(&mut self, name: &str, why: &str) {
        self.reusable = false;
        self.moves(name.to_owned(), why.to_owned(), self.basis.run);
    }

    /// Its effect is where the templates are, or on a machine that nobody makes anew: what a state knows of other templates
    /// says nothing of it.
    pub(super) fn home(&mut self) {
        if let Some(home) = &self.basis.home {
            let shown = home.display().to_string();
            self.plain(
                "template's directory".into(),
                shown.as_bytes(),
                shown.clone(),
            );
        }
    }

    /// Takes the inputs of a component.
    pub(super) fn source<'i>(&mut self, inputs: impl Iterator<Item = &'i StepInput>) {
        for input in inputs {
            self.files.extend(input.file.clone());
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
    pub(super) fn uses(&mut self, step: &Step) {
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
    pub(super) fn place(&mut self) {
        let directory = self.basis.world.working_directory();
        let root = absolute(&self.basis.plan.root, &**self.basis.world);
        let relative = match directory.strip_prefix(&root) {
            Ok(inside) => Path::new(".").join(inside),
            Err(_) => directory.clone(),
        };
        let shown = relative.display().to_string();
        self.plain("working directory".into(), shown.as_bytes(), shown.clone());
    }

    pub(super) fn after(&mut self, name: &str, link: Option<&Link>) {
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
        // A check is made on a machine that is new every time: which one it was says nothing of what has passed.
        let is_fresh = self.kind == CHECK;
        let lasts =
            LASTING.contains(&member) || (machineless || is_fresh) && member != "PackerRunUUID";
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

    pub(super) fn plain(&mut self, name: String, bytes: &[u8], shown: String) {
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

    pub(super) fn end(self) -> Fingerprint {
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
            files: self.files,
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

/// A path from the working directory, as far as that can be said of the path alone.
pub(super) fn absolute(path: &Path, world: &dyn World) -> PathBuf {
    match path.is_absolute() {
        true => path.to_owned(),
        false => clean(&world.working_directory().join(path)),
    }
}
