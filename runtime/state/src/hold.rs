//! Who works on which build: one process at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::mark;
use imgc_runtime::state::{Moment, NewRun, Run, RunStatus};
use rusqlite::OptionalExtension as _;
use serde::{Deserialize, Serialize};

use crate::locks::{self, Locks};
use crate::open::Sqlite;
use crate::trouble::Trouble;

/// How often a lock is asked for again.
const POLL: Duration = Duration::from_millis(50);

/// Whose a build is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The run.
    pub run: String,
    /// Its command, such as `apply`.
    pub command: String,
    /// Its process.
    pub process: u32,
    /// The host of that process.
    pub host: String,
    /// Since when.
    pub since: Moment,
}

/// Builds that are this process's until it is dropped.
#[derive(Debug)]
pub struct Hold {
    locks: Arc<Locks>,
    bytes: Vec<i64>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        for byte in &self.bytes {
            self.locks.leave(*byte);
        }
    }
}

impl Sqlite {
    /// Takes the builds of a run, one after another in an order that is the same for everybody, so that two that want
    /// the same ones never wait for each other. `waiting` hears once of each build that must be waited for. Waits at
    /// most `patience`; for ever where it is `None`. Must not be called inside an async runtime.
    pub fn hold(
        &self,
        run: &NewRun,
        patience: Option<Duration>,
        mut waiting: impl FnMut(&str, Option<&Holder>),
    ) -> Result<Hold> {
        let builds = self.numbers(run)?;
        let end = patience.map(|patience| Instant::now() + patience);
        let mut hold = Hold {
            locks: self.locks.clone(),
            bytes: Vec::with_capacity(builds.len()),
        };
        for (number, address) in &builds {
            let byte = locks::build(*number);
            let mut said = false;
            while !self.take(byte)? {
                let holder = self.holder(*number)?;
                if end.is_some_and(|end| Instant::now() >= end) {
                    return Err(taken(address, holder.as_ref(), patience));
                }
                if !said {
                    waiting(address, holder.as_ref());
                    said = true;
                }
                std::thread::sleep(POLL);
            }
            hold.bytes.push(byte);
        }
        let holder = Holder {
            run: run.id.clone(),
            command: run.command.clone(),
            process: run.process,
            host: run.host.clone(),
            since: run.started,
        };
        let holder = serde_json::to_string(&holder).unwrap_or_default();
        // It is for people: nobody waits until it is on disk.
        self.write_unread(move |db| {
            let mut name = db.prepare_cached("UPDATE builds SET holder = ?2 WHERE number = ?1")?;
            for (number, _) in &builds {
                name.execute((number, &holder))?;
            }
            Ok(0)
        });
        Ok(hold)
    }

    /// Marks runs as died whose process has ended without a word; gives them, the newest first.
    pub async fn bury(&self, now: Moment) -> Result<Vec<Run>> {
        use imgc_runtime::state::State as _;
        let mut died = Vec::new();
        for mut run in self.running().await? {
            if !self.outlives(&run).await? {
                self.end(&run.new.id, RunStatus::Died, now).await?;
                run.status = RunStatus::Died;
                run.ended = Some(now);
                died.push(run);
            }
        }
        Ok(died)
    }

    /// Whether a run lives. Where its process has ended and its lock is still held, by a child that was about to become another
    /// program, that is waited for.
    async fn outlives(&self, run: &Run) -> Result<bool> {
        use imgc_runtime::state::State as _;
        let begun = std::time::Instant::now();
        loop {
            if !self.is_live(&run.new.id).await? {
                return Ok(false);
            }
            if !mark::has_ended(run.new.process) || begun.elapsed() > mark::AFTERLIFE {
                return Ok(true);
            }
            tokio::time::sleep(mark::AFTERLIFE_LOOK).await;
        }
    }

    /// The numbers of a run's builds, in order.
    fn numbers(&self, run: &NewRun) -> Result<Vec<(i64, String)>> {
        let template = text(&run.template);
        let addresses = run.builds.clone();
        let known = |db: &rusqlite::Connection| {
            let mut find = db
                .prepare_cached("SELECT number FROM builds WHERE template = ?1 AND address = ?2")?;
            let mut found = Vec::with_capacity(addresses.len());
            for address in &addresses {
                let number: Option<i64> = find
                    .query_row((&template, address), |row| row.get(0))
                    .optional()?;
                found.push((number, address.clone()));
            }
            Ok(found)
        };
        let mut found: Vec<(Option<i64>, String)> = self.read_now(known)?;
        if found.iter().any(|(number, _)| number.is_none()) {
            let (template, addresses) = (template.clone(), addresses.clone());
            self.write_now(move |db| {
                let mut add = db.prepare_cached(
                    "INSERT OR IGNORE INTO builds (template, address) VALUES (?1, ?2)",
                )?;
                for address in &addresses {
                    add.execute((&template, address))?;
                }
                Ok(0)
            })?;
            found = self.read_now(known)?;
        }
        let mut numbers: Vec<(i64, String)> = found
            .into_iter()
            .filter_map(|(number, address)| Some((number?, address)))
            .collect();
        numbers.sort();
        numbers.dedup();
        Ok(numbers)
    }

    fn take(&self, byte: i64) -> Result<bool> {
        self.locks
            .take(byte)
            .map_err(|error| Trouble::from(error).error(self.path()))
    }

    fn holder(&self, number: i64) -> Result<Option<Holder>> {
        self.read_now(|db| {
            let holder: Option<Option<String>> = db
                .query_row(
                    "SELECT holder FROM builds WHERE number = ?1",
                    [number],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(holder
                .flatten()
                .and_then(|text| serde_json::from_str(&text).ok()))
        })
    }
}

/// Somebody else has a build.
fn taken(address: &str, holder: Option<&Holder>, patience: Option<Duration>) -> Error {
    let who = holder.map_or_else(|| "another process".to_owned(), ToString::to_string);
    let waited = match patience {
        Some(patience) if !patience.is_zero() => {
            format!(", even after {}", imgc_runtime::duration::words(patience))
        }
        _ => String::new(),
    };
    Error::new(
        Class::Environment,
        "run/locked",
        format!("`{address}` is being made by {who}{waited}"),
    )
    .help("wait for it with a longer `-lock-timeout`, or stop that process")
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            run,
            command,
            process,
            host,
            ..
        } = self;
        let short = run.get(..8).unwrap_or(run);
        write!(
            f,
            "run {short} (`imgc {command}`, process {process} on {host})"
        )
    }
}

/// A path as it is kept in a column.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
