//! The outputs of the last runs, kept in `outputs.json` beside the state.
//!
//! In: what a run gave. Out: a file for its owner alone, replaced as a whole. Beside the template (`.imgc`) an entry has the
//! template's file name, or `.` for a directory of templates, so that the directory may be moved; in a state that stands
//! elsewhere, and may be that of many, its absolute path. The value of a sensitive output is not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use imgc_runtime::run::OutputValue;
use serde::{Deserialize, Serialize};

use crate::args::LookArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::state::{absolute, place_to_read, root};

/// Version of the form.
const VERSION: u32 = 1;

/// The outputs of all templates of a directory.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// By the template's name in this directory.
    templates: BTreeMap<String, BTreeMap<String, Output>>,
    /// Declared, and made by no run so far; by template as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    not_made: BTreeMap<String, BTreeSet<String>>,
}

/// What is known of the outputs of one template.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// Those that a run made.
    pub(crate) made: BTreeMap<String, Output>,
    /// Those that are declared, and whose builds no run has finished so far.
    pub(crate) not_made: BTreeSet<String>,
}

/// An output as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) value: Option<serde_json::Value>,
    #[serde(rename = "type")]
    pub(crate) ty: String,
    pub(crate) sensitive: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) description: Option<String>,
}

/// A template's name in the outputs of a state's directory.
fn key(state: &Path, template: &Path) -> String {
    let (root, name) = match template.is_dir() {
        true => (template, ".".into()),
        false => {
            let parent = template.parent().filter(|p| !p.as_os_str().is_empty());
            let name = template.file_name().unwrap_or_default();
            (parent.unwrap_or(Path::new(".")), name.to_string_lossy())
        }
    };
    match absolute(&root.join(".imgc")) == absolute(state) {
        true => name.into_owned(),
        false => absolute(template).to_string_lossy().into_owned(),
    }
}

fn file(state: &Path) -> PathBuf {
    state.join("outputs.json")
}

fn read(path: &Path) -> Result<Kept, Failure> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(Failure::file("read", path, &error)),
    };
    let damaged = |why: String| {
        let text = format!("`{}` {why}", crate::terminal::shown_path(path));
        Failure::new(Exit::Environment, text)
            .help("remove it: the next `imgc apply` writes it again")
    };
    let kept: Kept =
        serde_json::from_slice(&bytes).map_err(|error| damaged(format!("is damaged: {error}")))?;
    match kept.version {
        VERSION => Ok(kept),
        version => Err(damaged(format!(
            "is of version {version}, and this imgc reads version {VERSION}"
        ))),
    }
}

/// Keeps what a run gave. An output that this run did not make keeps its value; one that is no longer `declared` goes.
pub(crate) fn keep(
    state: &Path,
    template: &Path,
    outputs: &[OutputValue],
    declared: &[String],
) -> Result<(), Failure> {
    let (path, key) = (file(state), key(state, template));
    if declared.is_empty() && !path.exists() {
        return Ok(());
    }
    let failed = |error: std::io::Error| Failure::file("write", &path, &error);
    crate::state::make(state, true).map_err(failed)?;
    let lock = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(state.join("outputs.lock"))
        .map_err(failed)?;
    // Two runs may end at the same time.
    lock.lock().map_err(failed)?;
    let mut kept = read(&path)?;
    kept.version = VERSION;
    let own = kept.templates.entry(key.clone()).or_default();
    own.retain(|name, _| declared.contains(name));
    for output in outputs {
        own.insert(
            output.name.clone(),
            Output {
                value: output.value.clone(),
                ty: output.ty.clone(),
                sensitive: output.value.is_none(),
                description: output.description.clone(),
            },
        );
    }
    let missing = declared.iter().filter(|name| !own.contains_key(*name));
    kept.not_made.insert(key, missing.cloned().collect());
    kept.templates.retain(|_, outputs| !outputs.is_empty());
    kept.not_made.retain(|_, names| !names.is_empty());
    let mut temporary = tempfile::Builder::new()
        .prefix(".outputs-")
        .tempfile_in(state)
        .map_err(failed)?;
    let text = serde_json::to_string_pretty(&kept).expect("outputs have a JSON form");
    writeln!(temporary, "{text}").map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(&path)
        .map_err(|error| failed(error.error))?;
    Ok(())
}

/// The outputs of a template's last runs, as its state has them.
pub(crate) fn of(args: &LookArgs) -> Result<Outputs, Failure> {
    let template = args.template.as_path();
    if !template.exists() {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Failure::file("read", template, &error));
    }
    let state = place_to_read(&root(template), &args.state).directory;
    let key = key(&state, template);
    let mut kept = read(&file(&state))?;
    let made = kept.templates.remove(&key);
    let not_made = kept.not_made.remove(&key);
    if made.is_some() || not_made.is_some() {
        return Ok(Outputs {
            made: made.unwrap_or_default(),
            not_made: not_made.unwrap_or_default(),
        });
    }
    let failure = Failure::new(
        Exit::Environment,
        format!(
            "there are no outputs of `{}`",
            crate::terminal::shown_path(template)
        ),
    );
    let others: Vec<&str> = kept.templates.keys().map(String::as_str).collect();
    Err(match &others[..] {
        [] => failure.help("they are kept when `imgc apply` or `imgc build` has ended; declare one with `output \"NAME\" { value = … }`"),
        [only] => failure.help(format!("there are some of `{only}`: `imgc output -template={only}`")),
        _ => failure.help(format!("there are some of {}: name one with `-template=FILE`", others.join(", "))),
    })
}

/// Lines for people: `name = value`.
pub(crate) fn lines<'o>(
    outputs: impl Iterator<Item = (&'o str, Option<&'o serde_json::Value>)>,
) -> String {
    let mut text = String::new();
    for (name, value) in outputs {
        let shown = match value {
            None => "(sensitive value)".to_owned(),
            Some(value) => imgc_compiler::value::Value::from_json(value).display(),
        };
        text.push_str(&format!(
            "{} = {}\n",
            crate::terminal::harmless(name),
            crate::terminal::harmless(&shown)
        ));
    }
    text
}
