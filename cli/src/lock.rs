//! `imgc.lock`: read, compared, written.
//!
//! In: the file beside the template. Out: what a run may take for known, what has moved, and the file with what a run has
//! found. Only what changes is written, whole or not at all.

use std::path::Path;

use imgc_compiler::modules::lock::{FILE_NAME, Lock, Pin as Locked};
use imgc_runtime::builder::{Known, Pin};
use imgc_runtime::pins::{Drift, drift};

use crate::exit::Exit;
use crate::failure::{Failure, reason};
use crate::terminal::{complain, harmless, shown_path};

/// Reads the lock file of the template in the directory `root`; empty where there is none.
pub(crate) fn read(root: &Path) -> Result<Lock, Failure> {
    let path = root.join(FILE_NAME);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Lock::default()),
        Err(error) => return Err(Failure::file("read", &path, &error)),
    };
    Lock::parse(&text).map_err(|error| {
        let text = format!("`{}` {}", shown_path(&path), error.message);
        Failure::new(Exit::Template, text).help(error.help)
    })
}

/// Writes it.
pub(crate) fn write(root: &Path, lock: &Lock) -> Result<(), Failure> {
    let path = root.join(FILE_NAME);
    save(&path, lock).map_err(|error| Failure::file("write", &path, &error))
}

fn save(path: &Path, lock: &Lock) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut temporary = tempfile::Builder::new()
        .prefix(".imgc-lock-")
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    write!(temporary, "{lock}")?;
    let mode = std::fs::Permissions::from_mode(0o644);
    temporary.as_file().set_permissions(mode)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// What builders may take for known.
pub(crate) fn known(lock: &Lock) -> Known {
    let pins = lock.pins.iter().map(|(name, pin)| {
        let pin = Pin {
            name: name.clone(),
            value: pin.value.clone(),
            about: pin.about.clone(),
        };
        (name.clone(), pin)
    });
    Known {
        pins: pins.collect(),
        ..Known::default()
    }
}

/// Puts pins into a lock; gives what has changed.
pub(crate) fn take(lock: &mut Lock, pins: &[Pin]) -> Vec<Drift> {
    let changed = drift(&known(lock), pins);
    for Drift { new, .. } in &changed {
        let pin = Locked {
            value: new.value.clone(),
            about: new.about.clone(),
        };
        lock.pins.insert(new.name.clone(), pin);
    }
    changed
}

/// After a run: the file has what the run has found. Where it cannot be written that is said, and fails nothing.
pub(crate) fn keep(root: &Path, pins: &[Pin]) -> Result<(), Failure> {
    let mut lock = read(root)?;
    let changed = take(&mut lock, pins);
    if changed.is_empty() {
        return Ok(());
    }
    let path = root.join(FILE_NAME);
    if let Err(error) = save(&path, &lock) {
        complain(&format!(
            "note: what this run has found outside is not pinned: cannot write `{}`: {}\n",
            shown_path(&path),
            reason(&error)
        ));
        return Ok(());
    }
    for drift in changed.iter().filter(|drift| drift.old.is_some()) {
        complain(&format!("note: {}: {}\n", shown_path(&path), told(drift)));
    }
    Ok(())
}

/// What has moved, in one line.
pub(crate) fn told(drift: &Drift) -> String {
    harmless(&imgc_runtime::pins::told(drift)).into_owned()
}

/// `--locked`: what has moved, or is not in the file, is refused.
pub(crate) fn refuse(root: &Path, changed: &[Drift]) -> Result<(), Failure> {
    if changed.is_empty() {
        return Ok(());
    }
    let path = shown_path(&root.join(FILE_NAME));
    let missing = changed.iter().all(|drift| drift.old.is_none());
    let text = match missing {
        true => format!("`{path}` does not have all that the builds take from outside"),
        false => format!("what the builds take from outside is not what `{path}` has"),
    };
    let mut failure = Failure::new(Exit::Stale, text)
        .id("run/lock-drift")
        .help("`imgc update` takes what is there now; without `-locked` the next run does so");
    failure.details = changed.iter().map(told).collect();
    Err(failure)
}
