//! Why work ends before it is done: a request, a deadline, the failure of another build.
//!
//! A deadline includes the time for cleaning up: the work is stopped a reserve before it, the [`reserve`]. Cleaning up
//! itself is not cut short there: what would be left behind costs more than a late end.

use std::time::Duration;

use imgc_compiler::plan::{Step, StepKind};
use tokio::time::Instant;

use super::build::Work;
use super::{Run, lock};
use crate::duration::short;
use crate::error::{Class, Error};

/// Id of the failure of a build that was stopped for another one's sake.
pub(super) const FAIL_FAST: &str = "run/fail-fast";
/// How many steps are named when it is said where the time went.
const NAMED: usize = 3;

/// Why work was stopped, where it was not on request.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// The build's `timeout` or the run's is over.
    Deadline {
        /// Whose: `the build's` or `the run's`.
        whose: &'static str,
        limit: Duration,
        reserve: Duration,
    },
    /// This build has failed, and nothing is to go on then.
    Other(String),
}

/// What of a time limit is kept for cleaning up: a tenth, and no more than cleaning up may take.
pub(super) fn reserve(limit: Duration, cleanup: Duration) -> Duration {
    cleanup.min(limit / 10)
}

impl Run {
    /// Stops everything when the run's time is over; never returns.
    pub(super) async fn expire(&self, started: Instant) {
        if let Some(limit) = self.settings.timeout {
            let reserve = reserve(limit, self.settings.cleanup_deadline);
            tokio::time::sleep_until(started + (limit - reserve)).await;
            self.halt(Why::Deadline {
                whose: "the run's",
                limit,
                reserve,
            });
        }
        std::future::pending().await
    }

    /// A build has failed: with `-fail-fast` nothing goes on.
    pub(super) fn one_failed(&self, address: &str) {
        if self.settings.fail_fast && !self.halt.is_cancelled() {
            self.halt(Why::Other(address.to_owned()));
        }
    }

    fn halt(&self, why: Why) {
        // The first reason stays.
        let _ = self.why.set(why);
        self.halt.cancel();
    }

    /// How long what is stopped may take to clean up; a machine that is held is waited for.
    pub(super) async fn patience(&self) {
        use std::sync::atomic::Ordering::Relaxed;
        loop {
            tokio::time::sleep(self.settings.cleanup_deadline).await;
            if self.held.load(Relaxed) == 0 {
                return;
            }
        }
    }
}

impl Work<'_> {
    /// Stops the build when its time is over; never returns.
    pub(super) async fn expire(&self, started: Instant) {
        if let Some(limit) = self.build.timeout {
            let reserve = reserve(limit, self.run.settings.cleanup_deadline);
            tokio::time::sleep_until(started + (limit - reserve)).await;
            let _ = self.why.set(Why::Deadline {
                whose: "the build's",
                limit,
                reserve,
            });
            self.stop.cancel();
        }
        std::future::pending().await
    }

    /// The failure of what was stopped.
    pub(super) fn stopped(&self) -> Error {
        if self.run.cancel.is_stopping() {
            return Error::cancelled();
        }
        match self.why.get().or_else(|| self.run.why.get()) {
            None => Error::cancelled(),
            Some(Why::Other(address)) => Error::new(
                Class::Cancelled,
                FAIL_FAST,
                format!("stopped because `{address}` failed"),
            )
            .help("without `-fail-fast` the other builds go on"),
            Some(Why::Deadline {
                whose,
                limit,
                reserve,
            }) => self.too_late(whose, *limit, *reserve),
        }
    }

    fn too_late(&self, whose: &str, limit: Duration, reserve: Duration) -> Error {
        let mut message = format!(
            "{whose} time limit of {} is over ({} of it kept for cleaning up)",
            short(limit),
            short(reserve)
        );
        let spent = self.spent();
        if !spent.is_empty() {
            message.push_str("; the time went to ");
            message.push_str(&spent);
        }
        let help = match whose {
            "the run's" => "raise `-timeout`, or run fewer builds at once",
            _ => "raise `timeout` in the `build` block, or look at what took so long",
        };
        Error::new(Class::Timeout, "run/deadline", message).help(help)
    }

    /// The steps that took longest so far, those at work included.
    fn spent(&self) -> String {
        let plan = &self.run.plan;
        let mut all: Vec<(Duration, String)> = lock(&self.run.timings)
            .iter()
            .filter(|timing| plan.step(timing.step).build == self.id)
            .map(|timing| (timing.took, self.called(plan.step(timing.step))))
            .collect();
        all.extend(
            lock(&self.data)
                .begun
                .iter()
                .map(|(id, begun)| (begun.elapsed(), self.called(plan.step(*id)))),
        );
        all.retain(|(took, _)| *took >= Duration::from_millis(1));
        all.sort_by(|a, b| b.cmp(a));
        all.truncate(NAMED);
        let named = all
            .iter()
            .map(|(took, name)| format!("{name} {}", short(rounded(*took))));
        named.collect::<Vec<_>>().join(", ")
    }

    /// A step for people: `provisioner[2] (shell)`.
    pub(super) fn called(&self, step: &Step) -> String {
        let short = step.address.strip_prefix(self.build.address.as_str());
        let short = short.map_or(step.address.as_str(), |short| short.trim_start_matches('.'));
        match &step.kind {
            StepKind::Provision { provisioner, .. } => format!("{short} ({provisioner})"),
            StepKind::PostProcess { post_processor, .. } => format!("{short} ({post_processor})"),
            _ => short.to_owned(),
        }
    }
}

/// To whole seconds, from a minute on.
pub(super) fn rounded(duration: Duration) -> Duration {
    match duration.as_secs() {
        0..60 => duration,
        seconds => Duration::from_secs(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_kept_and_never_more_than_cleaning_up_may_take() {
        let seconds = Duration::from_secs;
        assert_eq!(reserve(seconds(100), seconds(120)), seconds(10));
        assert_eq!(reserve(seconds(7200), seconds(120)), seconds(120));
        assert_eq!(reserve(Duration::ZERO, seconds(120)), Duration::ZERO);
    }
}
