//! Waiting for things to change state: those who wait share the describes.
//!
//! In: ids, and for each what its waiter looks for. Out: the waiter's answer. One task for each kind and region asks about all ids
//! at once: soon after somebody has come, then ever more rarely, each wait a little different so that builds do not march in
//! step. A thing that is not there yet is no failure; how long that may be so is the waiter's decision.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::error::copy;
use crate::region::RegionClient;

/// After the first answer.
const FIRST: Duration = Duration::from_millis(500);
/// Between two answers at most.
const LONGEST: Duration = Duration::from_secs(5);
/// Each wait is this many hundredths of the one before.
const GROWTH: u32 = 130;
/// At least this long between two requests, however many come to wait, and as often as long as the last one took: most of the
/// time nobody is asked, by however many builds, and however slow the answers are.
const BREATH: Duration = Duration::from_millis(50);
const REST: u32 = 3;
/// Ids in one request: fewer than the 200 values that a filter may have.
const BATCH: usize = 100;
/// Requests that may fail in a row for a reason that passes.
const FAILURES: u32 = 5;

/// Asks about several things at once.
pub(crate) type Describe<T> =
    fn(RegionClient, Vec<String>) -> BoxFuture<'static, Result<Vec<(String, T)>>>;

/// What is known of a thing after a request.
type Round<T> = Option<Result<Option<T>, Arc<Error>>>;

/// Those who wait for a kind of thing in a region.
#[derive(Debug)]
pub(crate) struct Poller<T> {
    describe: Describe<T>,
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    table: Mutex<Table<T>>,
    came: Notify,
}

#[derive(Debug)]
struct Table<T> {
    waiters: BTreeMap<u64, Waiter<T>>,
    next: u64,
    runs: bool,
}

#[derive(Debug)]
struct Waiter<T> {
    id: String,
    due: Instant,
    pause: Duration,
    tell: watch::Sender<Round<T>>,
}

impl<T: Clone + Send + Sync + 'static> Poller<T> {
    pub(crate) fn new(describe: Describe<T>) -> Self {
        Self {
            describe,
            shared: Arc::new(Shared {
                table: Mutex::new(Table {
                    waiters: BTreeMap::new(),
                    next: 0,
                    runs: false,
                }),
                came: Notify::new(),
            }),
        }
    }

    /// Waits until `decide` has an answer about the thing `id` (`None`: not to be seen), for at most `limit`, or until
    /// the run is to stop. `what` in words, for those who ask what a step waits for and for the failure.
    pub(crate) async fn until<R>(
        &self,
        region: &RegionClient,
        cx: &Context,
        id: &str,
        what: &str,
        limit: Duration,
        decide: impl FnMut(Option<&T>) -> Result<Option<R>>,
    ) -> Result<R> {
        let _waiting = cx.waiting(what);
        tokio::select! {
            answer = self.until_alone(region, id, what, limit, decide) => answer,
            () = cx.cancel.cancelled() => Err(Error::cancelled()),
        }
    }

    /// The same where no run is at work, or where it is cleaning up.
    pub(crate) async fn until_alone<R>(
        &self,
        region: &RegionClient,
        id: &str,
        what: &str,
        limit: Duration,
        mut decide: impl FnMut(Option<&T>) -> Result<Option<R>>,
    ) -> Result<R> {
        let mut waiting = self.wait_for(region, id);
        let answer = async {
            loop {
                let thing = waiting.next().await.map_err(|error| copy(&error))?;
                if let Some(answer) = decide(thing.as_ref())? {
                    return Ok(answer);
                }
            }
        };
        match tokio::time::timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(
                Class::Timeout,
                "run/aws-timeout",
                format!("waited {} for {what}", imgc_runtime::duration::words(limit)),
            )
            .help(
                "give it more time: `aws_polling { delay_seconds = 15, max_attempts = 480 }` is two hours",
            )),
        }
    }

    fn wait_for(&self, region: &RegionClient, id: &str) -> Waiting<T> {
        let (tell, told) = watch::channel(None);
        let mut table = self.shared.table();
        let number = table.next;
        table.next += 1;
        table.waiters.insert(
            number,
            Waiter {
                id: id.to_owned(),
                due: Instant::now(),
                pause: FIRST,
                tell,
            },
        );
        if !table.runs {
            table.runs = true;
            tokio::spawn(serve(self.shared.clone(), region.clone(), self.describe));
        }
        drop(table);
        self.shared.came.notify_one();
        Waiting {
            shared: self.shared.clone(),
            number,
            told,
        }
    }
}

impl<T> Shared<T> {
    fn table(&self) -> MutexGuard<'_, Table<T>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait, until it is dropped.
struct Waiting<T> {
    shared: Arc<Shared<T>>,
    number: u64,
    told: watch::Receiver<Round<T>>,
}

impl<T: Clone> Waiting<T> {
    async fn next(&mut self) -> Result<Option<T>, Arc<Error>> {
        loop {
            // The sender stays in the table as long as this place is there.
            if self.told.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(round) = self.told.borrow_and_update().clone() {
                return round;
            }
        }
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.shared.table().waiters.remove(&self.number);
        self.shared.came.notify_one();
    }
}

/// Asks as long as anybody waits.
async fn serve<T: Clone + Send + Sync + 'static>(
    shared: Arc<Shared<T>>,
    region: RegionClient,
    describe: Describe<T>,
) {
    let mut failures = 0;
    loop {
        let next = {
            let mut table = shared.table();
            let next = table.waiters.values().map(|waiter| waiter.due).min();
            table.runs = next.is_some();
            next
        };
        let Some(next) = next else {
            return;
        };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = shared.came.notified() => continue,
        }
        let mut ids: Vec<String> = {
            let table = shared.table();
            let ids = table.waiters.values().map(|waiter| waiter.id.clone());
            ids.collect()
        };
        ids.sort();
        ids.dedup();
        let begun = Instant::now();
        for batch in ids.chunks(BATCH) {
            let answer = describe(region.shared(), batch.to_vec()).await;
            match &answer {
                Ok(_) => failures = 0,
                Err(_) => failures += 1,
            }
            tell(&shared, batch, answer, failures);
        }
        tokio::time::sleep(BREATH.max(begun.elapsed() * REST)).await;
    }
}

/// Tells those who wait for the ids of a request what came of it.
fn tell<T: Clone>(
    shared: &Shared<T>,
    ids: &[String],
    answer: Result<Vec<(String, T)>>,
    failures: u32,
) {
    let answer = match answer {
        Ok(found) => Ok(found.into_iter().collect::<BTreeMap<_, _>>()),
        Err(error) => Err(Arc::new(error)),
    };
    let now = Instant::now();
    for waiter in shared.table().waiters.values_mut() {
        if ids.binary_search(&waiter.id).is_err() {
            continue;
        }
        waiter.due = now + jittered(waiter.pause);
        waiter.pause = (waiter.pause * GROWTH / 100).min(LONGEST);
        let round = match &answer {
            Ok(found) => Ok(found.get(&waiter.id).cloned()),
            Err(error) if error.is_transient() && failures < FAILURES => continue,
            Err(error) => Err(error.clone()),
        };
        waiter.tell.send_replace(Some(round));
    }
}

/// Between 9 and 11 tenths of it.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0; 1];
    if getrandom::fill(&mut random).is_err() {
        return pause;
    }
    pause * (230 + u32::from(random[0]) / 5) / 256
}
