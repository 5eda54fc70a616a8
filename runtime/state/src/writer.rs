//! The one thread that writes: what many callers want at the same time becomes one transaction and one sync.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use imgc_runtime::fault;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::trouble::Trouble;

/// Most calls in one transaction.
const MOST: usize = 1000;
/// How long what nobody waits for may wait for company.
const LINGER: Duration = Duration::from_millis(100);

/// A statement or a few; done again by itself where one beside it has failed.
pub(crate) type Work = Box<dyn Fn(&Connection) -> Result<i64, Trouble> + Send>;

/// Something to write.
pub(crate) struct Job {
    /// What.
    pub(crate) work: Work,
    /// Who waits until it is on disk.
    pub(crate) answer: Option<oneshot::Sender<Result<i64, Trouble>>>,
}

/// Writes until every sender is gone.
pub(crate) fn write(db: &Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        if batch[0].answer.is_none() {
            linger(&mut batch, jobs);
        }
        batch.extend(jobs.try_iter().take(MOST));
        commit(db, batch);
    }
}

/// Waits a little for a call that has to be on disk anyway.
fn linger(batch: &mut Vec<Job>, jobs: &Receiver<Job>) {
    let end = Instant::now() + LINGER;
    while batch.len() < MOST {
        match jobs.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(job) => {
                let awaited = job.answer.is_some();
                batch.push(job);
                if awaited {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn commit(db: &Connection, batch: Vec<Job>) {
    let works: Vec<&Work> = batch.iter().map(|job| &job.work).collect();
    let results = match together(db, &works) {
        Ok(numbers) => numbers.into_iter().map(Ok).collect(),
        Err(trouble) if works.len() == 1 => vec![Err(trouble)],
        // One of them fails; the others are not to suffer for it.
        Err(_) => works
            .iter()
            .map(|work| together(db, &[work]).map(|numbers| numbers[0]))
            .collect::<Vec<_>>(),
    };
    for (job, result) in batch.into_iter().zip(results) {
        if let Some(answer) = job.answer {
            // Whoever asked may have been cancelled since.
            let _ = answer.send(result);
        }
    }
}

/// All of them in one transaction, or none.
fn together(db: &Connection, works: &[&Work]) -> Result<Vec<i64>, Trouble> {
    fault::point("state.before-commit")?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    let done = works
        .iter()
        .map(|work| work(db))
        .collect::<Result<Vec<i64>, Trouble>>()
        .and_then(|numbers| {
            fault::point("state.commit")?;
            db.execute_batch("COMMIT")?;
            Ok(numbers)
        });
    if done.is_err() && !db.is_autocommit() {
        // Where even this fails the next transaction will say so.
        let _ = db.execute_batch("ROLLBACK");
    }
    let numbers = done?;
    fault::point("state.committed")?;
    Ok(numbers)
}

/// Waits for an answer of the writer.
pub(crate) fn answered(
    answer: Result<Result<i64, Trouble>, oneshot::error::RecvError>,
    path: &Path,
) -> imgc_runtime::Result<i64> {
    answer
        .unwrap_or_else(|_| Err(gone()))
        .map_err(|trouble| trouble.error(path))
}

/// The writer has ended before its time.
pub(crate) fn gone() -> Trouble {
    Trouble::new(crate::trouble::Kind::Other, "its writer has stopped")
}
