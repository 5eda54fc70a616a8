//! Waiting for things to change state: those who wait share the describes.
//!
//! In: ids, and for each what its waiter looks for. Out: the waiter's answer. One task for each kind and region asks about all ids
//! at once: soon after somebody has come, then ever more rarely, each wait a little different so that builds do not march in
//! step. A thing that is not there yet is no failure; how long that may be so is the waiter's decision. A failure that passes is none
//! either until the waiter's own limit, which then says it, unless nobody answers at all.

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
const BREATH: Duration = Duration::from_millis(20);
const REST: u32 = 3;
/// Ids in one request: fewer than the 200 values that a filter may have.
const BATCH: usize = 100;
/// Requests in a row to which nobody answers, and how long that may last: both, since many who wait ask more often than one. A
/// refusal is an answer.
const UNANSWERED: u32 = 5;
const SILENCE: Duration = Duration::from_secs(60);
/// What is said where nobody answers.
const UNREACHABLE: &str = "run/aws-unreachable";

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
    /// Why nothing was learnt of it the last time.
    trouble: Option<Arc<Error>>,
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
        let answer = tokio::time::timeout(limit, answer).await;
        answer.unwrap_or_else(|_| Err(too_long(what, limit, waiting.trouble().as_deref())))
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
                trouble: None,
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

impl<T> Waiting<T> {
    /// Why nothing was learnt the last time.
    fn trouble(&self) -> Option<Arc<Error>> {
        let table = self.shared.table();
        table.waiters.get(&self.number)?.trouble.clone()
    }
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

/// The failure of a wait, with what was in the way at its end.
fn too_long(what: &str, limit: Duration, trouble: Option<&Error>) -> Error {
    let limit = imgc_runtime::duration::words(limit);
    let message = format!("waited {limit} for {what}");
    let error = Error::new(Class::Timeout, "run/aws-timeout", message);
    let help = trouble.and_then(|trouble| trouble.help.as_deref());
    let error = error.help(help.unwrap_or(
        "give it more time: `aws_polling { delay_seconds = 15, max_attempts = 480 }` is two hours",
    ));
    match trouble {
        Some(trouble) => error.because(copy(trouble)),
        None => error,
    }
}

/// Requests in a row to which nobody has answered.
#[derive(Debug, Default)]
struct Silence {
    requests: u32,
    since: Option<Instant>,
}

impl Silence {
    /// Takes note of a request that was made at `begun`, and of how it failed, if it did.
    fn note(&mut self, begun: Instant, failure: Option<&Error>) {
        match failure {
            Some(error) if error.id == UNREACHABLE => {
                self.requests += 1;
                self.since.get_or_insert(begun);
            }
            _ => *self = Self::default(),
        }
    }

    /// Whether it has lasted so long that there is nobody.
    fn is_final(&self, now: Instant) -> bool {
        let is_long = |since| now >= since + SILENCE;
        self.requests >= UNANSWERED && self.since.is_some_and(is_long)
    }
}

/// Asks as long as anybody waits.
async fn serve<T: Clone + Send + Sync + 'static>(
    shared: Arc<Shared<T>>,
    region: RegionClient,
    describe: Describe<T>,
) {
    let mut silence = Silence::default();
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
        let mut has_failed = false;
        for batch in ids.chunks(BATCH) {
            let asked = Instant::now();
            let answer = describe(region.shared(), batch.to_vec()).await;
            silence.note(asked, answer.as_ref().err());
            has_failed |= answer.is_err();
            tell(&shared, batch, answer, silence.is_final(Instant::now()));
        }
        let rest = BREATH.max(begun.elapsed() * REST);
        // Of the time of one that fails most has gone into the pauses of its repetitions.
        tokio::time::sleep(if has_failed { rest.min(LONGEST) } else { rest }).await;
    }
}

/// Tells those who wait for the ids of a request what came of it; of a failure that passes nothing, unless nobody is there any more.
fn tell<T: Clone>(
    shared: &Shared<T>,
    ids: &[String],
    answer: Result<Vec<(String, T)>>,
    is_silent: bool,
) {
    let answer = match answer {
        Ok(found) => Ok(found.into_iter().collect::<BTreeMap<_, _>>()),
        Err(error) => Err(Arc::new(error)),
    };
    let trouble = answer.as_ref().err();
    let passes = |error: &Error| error.is_transient() && !(is_silent && error.id == UNREACHABLE);
    let now = Instant::now();
    for waiter in shared.table().waiters.values_mut() {
        if ids.binary_search(&waiter.id).is_err() {
            continue;
        }
        waiter.due = now + jittered(waiter.pause);
        waiter.pause = (waiter.pause * GROWTH / 100).min(LONGEST);
        waiter.trouble = trouble.cloned();
        let round = match &answer {
            Ok(found) => Ok(found.get(&waiter.id).cloned()),
            Err(error) if passes(error) => continue,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn failure(id: &'static str) -> Error {
        Error::new(Class::Remote, id, "cannot look at images").transient()
    }

    /// Somebody who waits for `ami-1`, and where he hears of it.
    fn table() -> (Shared<u32>, watch::Receiver<Round<u32>>) {
        let (tell, told) = watch::channel(None);
        let waiter = Waiter {
            id: "ami-1".to_owned(),
            due: Instant::now(),
            pause: FIRST,
            trouble: None,
            tell,
        };
        let table = Table {
            waiters: BTreeMap::from([(0, waiter)]),
            next: 1,
            runs: true,
        };
        let shared = Shared {
            table: Mutex::new(table),
            came: Notify::new(),
        };
        (shared, told)
    }

    #[test]
    fn what_passes_is_not_told_however_often_and_is_asked_ever_more_rarely() {
        let (shared, mut told) = table();
        let ids = ["ami-1".to_owned()];
        for _ in 0..1000 {
            for id in ["run/aws-throttled", "run/aws-request", UNREACHABLE] {
                tell(&shared, &ids, Err(failure(id)), false);
                assert!(!told.has_changed().unwrap(), "{id}");
            }
        }
        let waiter = |look: fn(&Waiter<u32>) -> bool| look(&shared.table().waiters[&0]);
        assert!(waiter(|waiter| waiter.pause == LONGEST));
        assert!(waiter(|waiter| waiter.trouble.is_some()));
        // What is refused is refused, also while nobody else answers.
        tell(&shared, &ids, Err(failure("run/aws-throttled")), true);
        assert!(!told.has_changed().unwrap());
        tell(&shared, &ids, Ok(vec![("ami-1".to_owned(), 7)]), false);
        let round = told.borrow_and_update().clone();
        assert_eq!(round.unwrap().unwrap(), Some(7));
        assert!(waiter(|waiter| waiter.trouble.is_none()));
    }

    #[test]
    fn what_does_not_pass_is_told_at_once_and_silence_when_it_is_final() {
        for (error, is_silent) in [
            (failure("run/aws-denied").permanent(), false),
            (failure(UNREACHABLE).permanent(), false),
            (failure(UNREACHABLE), true),
        ] {
            let (shared, mut told) = table();
            let id = error.id;
            tell(&shared, &["ami-1".to_owned()], Err(error), is_silent);
            let round = told.borrow_and_update().clone();
            assert_eq!(round.unwrap().unwrap_err().id, id);
        }
    }

    #[test]
    fn silence_is_final_after_several_requests_and_a_while() {
        let begun = Instant::now();
        let unanswered = failure(UNREACHABLE);
        let mut silence = Silence::default();
        // However many ask in a second.
        for _ in 0..100 {
            silence.note(begun, Some(&unanswered));
        }
        assert!(!silence.is_final(begun + SILENCE / 2));
        assert!(silence.is_final(begun + SILENCE));
        for answer in [None, Some(&failure("run/aws-throttled"))] {
            silence.note(begun, answer);
            assert!(!silence.is_final(begun + SILENCE * 2));
        }
        // However long one of them takes.
        silence.note(begun, Some(&unanswered));
        assert!(!silence.is_final(begun + SILENCE * 2));
    }

    #[test]
    fn a_wait_that_ends_says_what_was_in_the_way() {
        let limit = Duration::from_secs(600);
        let error = too_long("the image ami-1 to become available", limit, None);
        assert_eq!(
            error.chain(),
            "waited 10 minutes for the image ami-1 to become available"
        );
        assert!(error.help.unwrap().contains("aws_polling"));
        let trouble = failure(UNREACHABLE).help("check the network");
        let error = too_long("the image ami-1", limit, Some(&trouble));
        assert_eq!(
            error.chain(),
            "waited 10 minutes for the image ami-1: cannot look at images"
        );
        assert_eq!(error.class, Class::Timeout);
        assert_eq!(error.help.as_deref(), Some("check the network"));
    }
}
