//! Waiting for somebody to log in again when credentials have expired for good.
//!
//! In: the builds that work with the credentials. Out: how long to wait, when to stop, and what is said meanwhile. Nobody waits
//! before a build has made something: until then a failure costs nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use imgc_runtime::context::{CancellationToken, Context};
use imgc_runtime::duration;
use imgc_runtime::event::Output;
use tokio::time::Instant;

use crate::account::Access;

/// How long is waited, unless [`VARIABLE`] says otherwise.
const LIMIT: Duration = Duration::from_secs(900);
/// A duration such as `2h`; `0` waits for nobody.
const VARIABLE: &str = "IMGC_CREDENTIALS_WAIT";
/// Between two looks: the first, which doubles, and the longest.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);

/// The builds that work with some credentials, by address.
#[derive(Default)]
pub(super) struct Attended(Mutex<BTreeMap<Arc<str>, Attendant>>);

#[derive(Clone)]
struct Attendant {
    output: Output,
    cancel: CancellationToken,
    limit: Duration,
}

impl std::fmt::Debug for Attended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let addresses: Vec<Arc<str>> = self.attendants().keys().cloned().collect();
        f.debug_tuple("Attended").field(&addresses).finish()
    }
}

/// A wait that has begun.
pub(super) struct Wait {
    attendants: Vec<Attendant>,
    end: Instant,
    pause: Duration,
}

impl Attended {
    /// A build has made something with the credentials of `access`.
    pub(super) fn add(&self, cx: &Context, access: &Access) {
        // What this process was started with stays what it is.
        let is_set = |name| cx.world.env(name).is_some_and(|text| !text.is_empty());
        if access.has_keys() || !access.has_profile() && is_set("AWS_ACCESS_KEY_ID") {
            return;
        }
        let limit = cx.world.env(VARIABLE);
        let limit = limit.and_then(|text| duration::parse(&text));
        let attendant = Attendant {
            output: cx.output.clone(),
            cancel: cx.cancel.clone(),
            limit: limit.unwrap_or(LIMIT),
        };
        self.attendants().insert(cx.address.clone(), attendant);
    }

    fn attendants(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Attendant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait, and says so; `None` where nobody wants to.
    pub(super) fn begin(&self, whose: &str) -> Option<Wait> {
        let attendants: Vec<Attendant> = self.attendants().values().cloned().collect();
        let at_work = attendants.iter().filter(|one| !one.cancel.is_cancelled());
        let limit = at_work.map(|one| one.limit).max()?;
        if limit.is_zero() {
            return None;
        }
        let whose = match whose {
            "" => String::new(),
            whose => format!(" of {whose}"),
        };
        let wait = Wait {
            attendants,
            end: Instant::now() + limit,
            pause: FIRST,
        };
        wait.say(&format!(
            "the credentials{whose} have expired: waiting up to {} for new ones; log in again (`aws sso login`, or write them \
             into the profile), and the build goes on. Ctrl-C ends it: `imgc apply -resume` goes on later",
            duration::words(limit)
        ));
        Some(wait)
    }
}

impl Wait {
    /// Waits for the next look; `false` when there is to be none: time is over, or every build is stopped.
    pub(super) async fn next(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.end {
            return false;
        }
        let stopped = join_all(self.attendants.iter().map(|one| one.cancel.cancelled()));
        let until = self.end.min(now + self.pause);
        self.pause = LONGEST.min(self.pause * 2);
        tokio::select! {
            _ = stopped => false,
            () = tokio::time::sleep_until(until) => true,
        }
    }

    /// Says it once, for all builds: by one that is at work.
    pub(super) fn say(&self, text: &str) {
        let mut at_work = self.attendants.iter();
        if let Some(one) = at_work.find(|one| !one.cancel.is_cancelled()) {
            one.output.warn(text);
        }
    }
}
