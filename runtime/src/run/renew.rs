//! While a run lives, what it has made stays its own: the moment after which anyone may remove it is put off again and again, and
//! so is the one at which a machine shuts itself down.
//!
//! In: the ledger, and the machines of the builds. Out: marks with a later moment, by the removers; on the machines whatever their
//! builders do. A failure is said and tried again at the next turn: three of four turns may fail before anything is past its
//! expiry.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::build::Work;
use super::{Run, lock};
use crate::ledger::{CloudResource, Resource};
use crate::state::{Moment, NewRun};

/// Turns in the time that something may stay.
const TURNS: u32 = 4;
/// The longest time between two looks at the clock: a machine that sleeps loses no more than that of a turn.
const LOOK: Duration = Duration::from_secs(300);

/// How long what a run makes may stay without being renewed.
fn lifetime(new: &NewRun) -> Duration {
    let length = new.expires.saturating_sub(new.started);
    Duration::from_millis(u64::try_from(length).unwrap_or_default())
}

/// Counts turns: by a clock that only goes on, and by the other one, which goes on while the machine sleeps.
struct Turns {
    every: Duration,
    begun: (Instant, SystemTime),
    last: Duration,
}

impl Turns {
    fn new(every: Duration) -> Self {
        Self {
            every,
            begun: (Instant::now(), SystemTime::now()),
            last: Duration::ZERO,
        }
    }

    /// The time since the beginning at the next turn.
    async fn next(&mut self) -> Duration {
        loop {
            tokio::time::sleep(self.every.min(LOOK)).await;
            let by_clock = self.begun.1.elapsed().unwrap_or_default();
            let elapsed = self.begun.0.elapsed().max(by_clock);
            if elapsed.saturating_sub(self.last) >= self.every {
                self.last = elapsed;
                return elapsed;
            }
        }
    }
}

impl Run {
    /// How long it is from one turn to the next; `None` where nothing is made.
    fn turn_of_renewal(&self) -> Option<Duration> {
        let new = self.settings.new_run.as_ref()?;
        let usual = lifetime(new) / TURNS;
        let turn = self.settings.renewal.unwrap_or(usual);
        (!turn.is_zero()).then_some(turn)
    }

    /// Renews what is on record; never returns.
    pub(super) async fn renew(&self) {
        let (Some(new), Some(turn)) = (&self.settings.new_run, self.turn_of_renewal()) else {
            return std::future::pending().await;
        };
        let mut turns = Turns::new(turn);
        loop {
            let elapsed = turns.next().await;
            let elapsed = Moment::try_from(elapsed.as_millis()).unwrap_or(Moment::MAX);
            let moment = new.expires.saturating_add(elapsed);
            if let Some(expiry) = &self.expiry {
                expiry.put_off(moment);
            }
            self.renew_things(moment).await;
        }
    }

    async fn renew_things(&self, moment: Moment) {
        let records = self.ledger.outstanding("").into_iter();
        let things = records.filter_map(|record| match record.resource {
            Resource::Cloud(thing) => Some(thing),
            _ => None,
        });
        let things: Vec<CloudResource> = things.collect();
        if things.is_empty() {
            return;
        }
        for remover in &self.settings.removers {
            if let Err(error) = remover.renew(&self.run_id, &things, moment).await {
                self.voice().warn(format!(
                    "what this run has made is not marked as still in use: {}",
                    error.chain()
                ));
            }
        }
    }
}

impl Work<'_> {
    /// Keeps the machine from shutting itself down; never returns.
    pub(super) async fn keep_machine_up(&self) {
        let (Some(new), Some(turn)) = (&self.run.settings.new_run, self.run.turn_of_renewal())
        else {
            return std::future::pending().await;
        };
        let length = lifetime(new);
        let mut turns = Turns::new(turn);
        loop {
            turns.next().await;
            let (instance, machine) = {
                let data = lock(&self.data);
                (data.instance.clone(), data.machine.clone())
            };
            let (Some(instance), Some(machine)) = (instance, machine) else {
                continue;
            };
            let cx = self.context(
                &self.build.address,
                self.output.clone(),
                self.stop.child_token(),
            );
            let kept = instance.keep_up(&cx, &*machine, length);
            if let Err(error) = kept.await {
                self.output.warn(format!(
                    "the machine may shut itself down before the build has ended: {}",
                    error.chain()
                ));
            }
        }
    }
}
