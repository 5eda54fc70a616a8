//! Plan files: what `plan -out` writes and `apply FILE` reads.
//!
//! A plan file is a promise, not a program: it says what was asked for, at which moment and with which random numbers,
//! and what came out. `apply` compiles again from the same request and refuses when anything differs, so that nothing in
//! the file is ever executed. No secret is in it: values given for sensitive variables must be given again and are
//! compared by a salted, stretched digest. See `docs/design/plan-file.md`.

mod compare;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use imgc_compiler::compile::{Compilation, Request};
use imgc_compiler::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::plan_json;
use crate::plan_shape::tainted;
use crate::terminal::shown_path;
use crate::world::{RealWorld, fresh_seed};

/// Version of the form; grows when an older imgc could misread it.
pub(crate) const VERSION: u32 = 1;
/// Says what kind of file this is.
const FORMAT: &str = "imgc-plan-file";
/// How often a fingerprint is hashed: a millisecond for us, years for who would try all short secrets.
const ROUNDS: u32 = 10_000;

/// A plan file's content.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlanFile {
    format: String,
    version: u32,
    imgc: String,
    request: Asked,
    clock: Clock,
    seed: String,
    fingerprints: Fingerprints,
    plan: Json,
}

/// The request, without secrets.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    path: PathBuf,
    vars: Vec<String>,
    secret_vars: Vec<String>,
    var_files: Vec<PathBuf>,
    only: Vec<String>,
    except: Vec<String>,
    /// Data sources were read for it.
    #[serde(default)]
    online: bool,
}

/// Where the clock stood.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Clock {
    seconds: i64,
    nanoseconds: u32,
}

/// Digests of what may hold a secret, salted and stretched.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprints {
    salt: String,
    rounds: u32,
    /// Template and variable files, by path.
    sources: BTreeMap<String, String>,
    /// Environment variables that the plan depends on.
    environment: BTreeMap<String, String>,
    /// Sensitive variables of the template.
    variables: BTreeMap<String, String>,
    /// All steps that a secret has a part in, together.
    steps: String,
}

/// The file for a compilation that has a plan.
pub(crate) fn make(
    request: &Request,
    compilation: &Compilation,
    world: &RealWorld,
) -> Result<PlanFile, Failure> {
    let plan = compilation
        .plan
        .as_ref()
        .ok_or_else(|| Failure::said(Exit::Template))?;
    let (seconds, nanoseconds) = world.clock();
    let (secret_vars, vars): (Vec<String>, Vec<String>) = request
        .vars
        .iter()
        .cloned()
        .partition(|given| is_secret(plan, variable_name(given)));
    let mut secret_vars: Vec<String> = secret_vars
        .iter()
        .map(|given| variable_name(given).to_owned())
        .collect();
    secret_vars.sort();
    secret_vars.dedup();
    Ok(PlanFile {
        format: FORMAT.to_owned(),
        version: VERSION,
        imgc: env!("CARGO_PKG_VERSION").to_owned(),
        request: Asked {
            path: request.path.clone(),
            vars,
            secret_vars,
            var_files: request.var_files.clone(),
            only: request.only.clone(),
            except: request.except.clone(),
            online: request.online,
        },
        clock: Clock {
            seconds,
            nanoseconds,
        },
        seed: hex(&world.seed()),
        fingerprints: Fingerprints::new(&hex(&fresh_seed()[..16]), ROUNDS, compilation, plan),
        plan: plan_json::plan(plan),
    })
}

/// `name` of `name=value`.
pub(crate) fn variable_name(given: &str) -> &str {
    given.split_once('=').map_or(given, |(name, _)| name).trim()
}

fn is_secret(plan: &Plan, name: &str) -> bool {
    let mut variables = plan.variables.iter();
    // A variable that the plan does not know is treated as one: nothing is written that was not looked at.
    variables
        .find(|variable| variable.name == name)
        .is_none_or(|variable| variable.value.contains_sensitive())
}

/// Writes the file beside its place and moves it there; only its owner may read it.
pub(crate) fn write(path: &Path, file: &PlanFile) -> Result<(), Failure> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    let mut temporary = tempfile::Builder::new()
        .prefix(".imgc-plan-")
        .tempfile_in(directory)
        .map_err(failed)?;
    let text = serde_json::to_string_pretty(file).expect("plan files have a JSON form");
    temporary.write_all(text.as_bytes()).map_err(failed)?;
    temporary.write_all(b"\n").map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(path)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

/// Whether there is a plan file at `path`, by its first bytes.
pub(crate) fn is_one(path: &Path) -> bool {
    let mut head = Vec::new();
    let named = path.extension().is_some_and(|extension| extension == "hcl");
    let mut read = |path| File::open(path)?.take(HEAD as u64).read_to_end(&mut head);
    !named && path.is_file() && read(path).is_ok() && holds_mark(&head)
}

/// Bytes at the start of a plan file that say what it is.
const HEAD: usize = 4096;

fn holds_mark(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    head.windows(FORMAT.len())
        .any(|window| window == FORMAT.as_bytes())
}

/// The plan file at `path`; `None` where there is something else, such as a template.
pub(crate) fn read(path: &Path) -> Result<Option<PlanFile>, Failure> {
    let named = path.extension().is_some_and(|extension| extension == "hcl");
    if named || !path.is_file() {
        return Ok(None);
    }
    let bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, &error))?;
    if !holds_mark(&bytes) {
        return Ok(None);
    }
    let damaged = |why: String| {
        let text = format!("the plan file `{}` {why}", path.display());
        Failure::new(Exit::Stale, text).help("make it anew with `imgc plan -out FILE`")
    };
    let json: Json =
        serde_json::from_slice(&bytes).map_err(|error| damaged(format!("is damaged: {error}")))?;
    if json["format"] != FORMAT {
        return Ok(None);
    }
    if json["version"] != VERSION {
        let version = &json["version"];
        return Err(damaged(format!(
            "is of version {version}, and this imgc reads version {VERSION}"
        )));
    }
    let file =
        serde_json::from_value(json).map_err(|error| damaged(format!("is damaged: {error}")))?;
    Ok(Some(file))
}

impl PlanFile {
    /// The request to repeat; `given` are the `-var`s of this command line, which must be the secrets and no more.
    pub(crate) fn request(&self, given: &[String]) -> Result<Request, Failure> {
        let secret_vars = &self.request.secret_vars;
        for variable in given {
            let name = variable_name(variable);
            if !secret_vars.iter().any(|secret| secret == name) {
                return Err(Failure::usage(format!(
                    "`-var {name}=…` cannot change what a plan file says"
                ))
                .help("make a new plan with `imgc plan -out FILE`"));
            }
        }
        let missing: Vec<String> = secret_vars
            .iter()
            .filter(|secret| !given.iter().any(|given| variable_name(given) == *secret))
            .map(|secret| format!("-var '{secret}=...'"))
            .collect();
        if !missing.is_empty() {
            return Err(Failure::usage(
                "this plan was made with secret values, which a plan file does not hold",
            )
            .help(format!("give them again: {}", missing.join(" "))));
        }
        Ok(Request {
            path: self.request.path.clone(),
            vars: self.request.vars.iter().chain(given).cloned().collect(),
            var_files: self.request.var_files.clone(),
            only: self.request.only.clone(),
            except: self.request.except.clone(),
            online: self.request.online,
            digest_files: true,
            ..Request::default()
        })
    }

    /// The world the plan was made in: its clock, its random numbers.
    pub(crate) fn world(&self) -> Result<RealWorld, Failure> {
        let seed = unhex(&self.seed).ok_or_else(|| {
            Failure::new(Exit::Stale, "the plan file is damaged: its seed is none")
        })?;
        Ok(RealWorld::at(
            (self.clock.seconds, self.clock.nanoseconds),
            seed,
        ))
    }

    /// Whether a compilation of the same request came out the same; if not, a failure with the reasons.
    pub(crate) fn verify(&self, compilation: &Compilation, plan: &Plan) -> Result<(), Failure> {
        let known = &self.fingerprints;
        let fresh = Fingerprints::new(&known.salt, known.rounds, compilation, plan);
        let reasons = compare::reasons(known, &fresh, &self.plan, &plan_json::plan(plan));
        if reasons.is_empty() {
            return Ok(());
        }
        let mut failure = Failure::new(
            Exit::Stale,
            "the plan file is refused, since what it was made from has changed",
        )
        .help("look at the new plan with `imgc plan`, and write it with `-out FILE`");
        failure.details = reasons;
        Err(failure)
    }
}

impl Fingerprints {
    fn new(salt: &str, rounds: u32, compilation: &Compilation, plan: &Plan) -> Self {
        // A damaged count must not keep us busy for ever.
        let rounds = rounds.min(1_000_000);
        let digest = |text: &[u8]| fingerprint(salt, rounds, text);
        let files = compilation.sources.files().map(|(_, file)| file);
        let sources = files
            .filter(|file| file.path != Path::new("-var"))
            .map(|file| (shown_path(&file.path), digest(file.text.as_bytes())))
            .collect();
        let environment = plan
            .inputs
            .iter()
            .filter(|input| input.kind == "environment");
        let secret = plan
            .variables
            .iter()
            .filter(|v| v.value.contains_sensitive());
        let tainted = tainted(plan);
        let steps: String = plan
            .steps
            .iter()
            .zip(tainted)
            .filter(|(_, tainted)| *tainted)
            .map(|(step, _)| format!("{} {}\n", step.address, step.digest))
            .collect();
        Self {
            salt: salt.to_owned(),
            rounds,
            sources,
            environment: environment
                .map(|input| (input.name.clone(), digest(input.digest.as_bytes())))
                .collect(),
            variables: secret
                .map(|variable| {
                    let plain = variable.value.strip_marks().display();
                    (variable.name.to_string(), digest(plain.as_bytes()))
                })
                .collect(),
            steps: digest(steps.as_bytes()),
        }
    }
}

/// Salted and stretched: SHA-256 of salt and text, then of itself, `rounds` times.
fn fingerprint(salt: &str, rounds: u32, text: &[u8]) -> String {
    let mut digest = Sha256::new()
        .chain_update(salt)
        .chain_update(text)
        .finalize();
    for _ in 0..rounds {
        digest = Sha256::new()
            .chain_update(salt)
            .chain_update(digest)
            .finalize();
    }
    hex(&digest)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
