//! How long something that is not to be seen may still come: what has just been asked for is not known everywhere yet.
//!
//! In: a record, with the moment at which the thing was asked for. Out: whether to look again. "Not found" means gone only once
//! the thing is old enough; before that an instance that comes into sight a second later would run on, and nobody would know of it.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use imgc_runtime::ledger::CloudResource;
use imgc_runtime::state::Moment;
use tokio::time::Instant;

/// How old a thing is before it is seen by everybody. Amazon promises no number; its own SDKs wait for less.
const SEEN: Duration = Duration::from_secs(30);
/// Sets it, in milliseconds: tests leave hundreds of things half made.
const OVERRIDE: &str = "IMGC_INTERNAL_SEEN";
/// What Amazon has refused to make is looked for all the same, since an earlier attempt may have made it.
const REFUSED: Duration = Duration::from_millis(2100);
const PAUSE: Duration = Duration::from_millis(700);

/// The names of what this process was refused.
static REFUSALS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Remembers that Amazon has said no to making the thing of this name.
pub(super) fn refused(name: &str) {
    let mut refusals = REFUSALS.lock().unwrap_or_else(PoisonError::into_inner);
    refusals.insert(name.to_owned());
}

/// Milliseconds since 1970, by this machine's clock.
pub(super) fn now() -> Moment {
    jiff::Timestamp::now().as_millisecond()
}

/// Until when a thing is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    until: Instant,
}

impl Patience {
    /// For the thing of a record.
    pub(super) fn with(thing: &CloudResource) -> Self {
        let refusals = REFUSALS.lock().unwrap_or_else(PoisonError::into_inner);
        let is_refused = thing.id.is_none() && refusals.contains(&thing.name);
        let wait = match (is_refused, thing.asked) {
            (true, _) => REFUSED.min(seen()),
            (false, Some(asked)) => rest(now() - asked, seen()),
            // By a version that did not write it down.
            (false, None) if thing.id.is_none() => REFUSED,
            (false, None) => Duration::ZERO,
        };
        Self {
            until: Instant::now() + wait,
        }
    }

    /// For what another attempt, which has been answered, may have made.
    pub(super) fn short() -> Self {
        Self {
            until: Instant::now() + REFUSED,
        }
    }

    /// For what is known to be there, or was a while ago.
    pub(crate) fn none() -> Self {
        Self {
            until: Instant::now(),
        }
    }

    /// Waits a little; `false` where it has been long enough.
    pub(crate) async fn waits(self) -> bool {
        let rest = self.until.saturating_duration_since(Instant::now());
        tokio::time::sleep(rest.min(PAUSE)).await;
        !rest.is_zero()
    }
}

/// What is left of `seen` for something of this age in milliseconds. A clock that has been set back makes nothing younger than new.
fn rest(age: i64, seen: Duration) -> Duration {
    let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
    seen.saturating_sub(age)
}

fn seen() -> Duration {
    static WAIT: LazyLock<Duration> = LazyLock::new(|| {
        let given = std::env::var(OVERRIDE).ok();
        let given = given.and_then(|text| text.parse().ok());
        given.map_or(SEEN, Duration::from_millis)
    });
    *WAIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_not_waited_for() {
        let seen = Duration::from_secs(30);
        assert_eq!(rest(0, seen), seen);
        assert_eq!(rest(10_000, seen), Duration::from_secs(20));
        assert_eq!(rest(31_000, seen), Duration::ZERO);
        assert_eq!(rest(-5_000, seen), seen);
    }
}
