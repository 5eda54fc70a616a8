//! The marks by which what a run has made is found without any state: the name of its scratch directory, and a file in it
//! that the run's process holds a lock on.
//!
//! In: a run. Out: its [`Mark`], for as long as the run goes on. Or the other way round: the directories of a temporary
//! directory that runs have made, and for each whether its run lives.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use crate::state::Moment;

/// Name of the file in a scratch directory.
pub const FILE: &str = "run.json";
/// How the name of a scratch directory begins; the run's id follows.
pub const PREFIX: &str = "imgc-";

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The run.
    pub run: String,
    /// The directory of the state that knows it, if any does.
    pub state: Option<PathBuf>,
    /// When it began.
    pub started: Moment,
    /// When it may be removed by anyone.
    pub expires: Moment,
    /// The host it is at work on.
    pub host: String,
    /// Its process.
    pub process: u32,
}

/// Whether the run of a scratch directory lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its process holds the lock.
    Lives,
    /// Nobody holds the lock.
    Gone(Mark),
    /// It cannot be told, and why.
    Unknown(String),
}

/// Writes the mark of a run into its scratch directory. The run lives as long as the file is held open.
pub(crate) fn write(scratch: &Path, mark: &Mark) -> std::io::Result<File> {
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(scratch.join(FILE))?;
    fcntl(&file, FcntlArg::F_OFD_SETLK(&whole(libc::F_WRLCK)))?;
    let text = serde_json::to_vec(mark).map_err(std::io::Error::other)?;
    file.write_all(&text)?;
    Ok(file)
}

/// The scratch directories in a directory, with the runs' ids, in order of their names.
pub fn directories(temporary: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(temporary).into_iter().flatten().flatten();
    let mut found: Vec<(PathBuf, String)> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| {
            let name = entry.file_name();
            let run = name.to_str()?.strip_prefix(PREFIX)?;
            is_uuid(run).then(|| (entry.path(), run.to_owned()))
        })
        .collect();
    found.sort();
    found
}

/// How long the locks of a run whose process has ended may still be held: by a child that was about to become another
/// program when the process died.
pub const AFTERLIFE: Duration = Duration::from_secs(2);
/// Between two looks at such a lock.
pub const AFTERLIFE_LOOK: Duration = Duration::from_millis(10);

/// Whether there is no process of this number on this machine, or only what is left of one that its parent has not noticed.
pub fn has_ended(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    // The state stands behind the name, which may have any letter in it.
    let state = stat.ok().and_then(|stat| {
        let (_, rest) = stat.rsplit_once(')')?;
        rest.trim_start().chars().next()
    });
    matches!(state, None | Some('Z' | 'X'))
}

/// Whether the run of a scratch directory lives. Where its process has ended and its lock is still held, that is waited for, up
/// to [`AFTERLIFE`].
pub fn life(scratch: &Path) -> Life {
    let begun = Instant::now();
    loop {
        let life = seen(scratch);
        if life != Life::Lives || begun.elapsed() > AFTERLIFE {
            return life;
        }
        let text = fs::read(scratch.join(FILE)).unwrap_or_default();
        match serde_json::from_slice::<Mark>(&text) {
            Ok(mark) if has_ended(mark.process) => std::thread::sleep(AFTERLIFE_LOOK),
            _ => return life,
        }
    }
}

fn seen(scratch: &Path) -> Life {
    let path = scratch.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Life::Unknown("it has no mark".to_owned());
        }
        Err(_) => return Life::Unknown("it is another user's".to_owned()),
    };
    let mut range = whole(libc::F_WRLCK);
    match fcntl(&file, FcntlArg::F_OFD_GETLK(&mut range)) {
        Ok(_) if i32::from(range.l_type) == libc::F_UNLCK => {}
        Ok(_) => return Life::Lives,
        Err(error) => return Life::Unknown(format!("its lock cannot be seen: {error}")),
    }
    let text = fs::read(&path).unwrap_or_default();
    match serde_json::from_slice(&text) {
        Ok(mark) => Life::Gone(mark),
        Err(_) => Life::Unknown("its mark is damaged".to_owned()),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn whole(kind: i32) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_run_lives_as_long_as_its_mark_is_held() {
        let temporary = tempfile::tempdir().unwrap();
        let run = "07dae9d3-6298-4be4-ae16-aa0a128d4e2f";
        let scratch = temporary.path().join(format!("imgc-{run}"));
        fs::create_dir(&scratch).unwrap();
        fs::create_dir(temporary.path().join("imgc-other")).unwrap();
        let mark = Mark {
            run: run.to_owned(),
            state: None,
            started: 1,
            expires: 2,
            host: "here".to_owned(),
            process: std::process::id(),
        };
        let held = write(&scratch, &mark).unwrap();
        let found = directories(temporary.path());
        assert_eq!(found, [(scratch.clone(), run.to_owned())]);
        assert_eq!(life(&scratch), Life::Lives);
        drop(held);
        assert_eq!(life(&scratch), Life::Gone(mark));
        fs::write(scratch.join(FILE), "{").unwrap();
        assert_eq!(life(&scratch), Life::Unknown("its mark is damaged".into()));
    }

    #[test]
    fn a_lock_that_outlives_its_process_for_a_moment_is_waited_for() {
        let scratch = tempfile::tempdir().unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let process = ended.id();
        // Not waited for yet: its number is not another one's.
        while !has_ended(process) {
            std::thread::sleep(AFTERLIFE_LOOK);
        }
        let mark = Mark {
            run: "07dae9d3-6298-4be4-ae16-aa0a128d4e2f".to_owned(),
            state: None,
            started: 1,
            expires: 2,
            host: "here".to_owned(),
            process,
        };
        let held = write(scratch.path(), &mark).unwrap();
        let child = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            drop(held);
        });
        assert_eq!(life(scratch.path()), Life::Gone(mark));
        child.join().unwrap();
        ended.wait().unwrap();
        assert!(!has_ended(std::process::id()));
    }
}
