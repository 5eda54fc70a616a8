//! Faults on request, for tests that kill or starve this program at a given point.
//!
//! In builds with debug assertions `IMGC_FAULT=ACTION@POINT[#N]` does something when the point is reached for the `N`th time
//! (from 1, default 1): `kill` ends the process with `SIGKILL`, `full` gives "no space left on device", `term` sends it a `SIGTERM`
//! and stays at the point for a while. `*` stands for every point, so that `kill@*#17` dies at the seventeenth point reached. `IMGC_FAULT_TRACE=FILE` appends the name of every point
//! reached. Release builds have none of it.

/// A point is reached; an error where the fault is one that can be gone on with.
#[cfg(debug_assertions)]
pub fn point(name: &str) -> std::io::Result<()> {
    faults::reached(name)
}

/// Nothing happens here.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
mod faults {
    use std::collections::BTreeMap;
    use std::io::{self, Write as _};
    use std::sync::{LazyLock, Mutex, PoisonError};

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Action {
        Kill,
        Full,
        Term,
    }

    /// How long a point is stayed at, so that a request is known before anything goes on.
    const STAY: std::time::Duration = std::time::Duration::from_millis(300);

    struct Fault {
        action: Action,
        point: String,
        turn: u64,
    }

    static FAULT: LazyLock<Option<Fault>> =
        LazyLock::new(|| parse(&std::env::var("IMGC_FAULT").ok()?));
    static REACHED: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

    fn parse(text: &str) -> Option<Fault> {
        let (action, rest) = text.split_once('@')?;
        let (point, turn) = rest.split_once('#').unwrap_or((rest, "1"));
        Some(Fault {
            action: match action {
                "kill" => Action::Kill,
                "term" => Action::Term,
                _ => Action::Full,
            },
            point: point.to_owned(),
            turn: turn.parse().ok()?,
        })
    }

    pub(super) fn reached(name: &str) -> io::Result<()> {
        if let Some(path) = std::env::var_os("IMGC_FAULT_TRACE") {
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)?;
            writeln!(file, "{name}")?;
        }
        let Some(fault) = FAULT.as_ref() else {
            return Ok(());
        };
        if fault.point != "*" && fault.point != name {
            return Ok(());
        }
        let turn = {
            let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
            let count = reached.entry(fault.point.clone()).or_default();
            *count += 1;
            *count
        };
        if turn != fault.turn {
            return Ok(());
        }
        use nix::sys::signal::{Signal, kill};
        let own = nix::unistd::getpid();
        match fault.action {
            Action::Kill => {
                let _ = kill(own, Signal::SIGKILL);
            }
            Action::Term => {
                let _ = kill(own, Signal::SIGTERM);
                std::thread::sleep(STAY);
                return Ok(());
            }
            Action::Full => {}
        }
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }
}
