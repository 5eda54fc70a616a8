//! How the cloud behaves: what a test asks for. Everything is off at first, so that a cloud answers at once and never fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long something lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delay {
    /// It is over at once.
    #[default]
    None,
    /// It is over when it has been asked about this many times.
    Answers(u32),
    /// It is over after this time.
    Time(Duration),
}

/// How long states last that lead from one to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// An instance is `pending`, without a public address.
    pub pending: Delay,
    /// An instance is `stopping`.
    pub stopping: Delay,
    /// An instance is `shutting-down`; its groups are in use for that long.
    pub shutting_down: Delay,
    /// A new image (made, registered or copied) is `pending`.
    pub image: Delay,
    /// A new snapshot is `pending`, with progress.
    pub snapshot: Delay,
    /// A new volume is `creating`.
    pub volume: Delay,
    /// The console says nothing.
    pub console: Delay,
    /// There is no Windows password.
    pub password: Delay,
    /// What was made is not found: neither by its id nor in a list.
    pub visible: Delay,
}

/// How often a call goes wrong, each between 0 (never) and 1 (always).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Odds {
    /// Too many requests.
    pub throttled: f64,
    /// `InternalError` (500) and `Unavailable` (503), one as often as the other; nothing is done.
    pub failing: f64,
    /// The connection ends before the request takes effect.
    pub cut: f64,
    /// The request takes effect, and the connection ends before the answer.
    pub lost: f64,
}

/// A bucket of requests for each account and region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Requests it holds at first and at most.
    pub size: f64,
    /// Requests that come back in a second.
    pub per_second: f64,
}

/// Machines behind instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    /// Further lines for `sshd_config`, such as `PubkeyAcceptedAlgorithms +ssh-rsa`.
    pub config: Vec<String>,
    /// Whether they have passwords and an ordinary user, as in [`crate::Options::accounts`].
    pub accounts: bool,
    /// Whether the image has no cloud-init: a host key in the user data is not used.
    pub ignore_user_data: bool,
    /// Whether the console does not tell the host keys.
    pub silent_console: bool,
    /// A directory of programs that come before all others there.
    pub programs: Option<PathBuf>,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// From this and from what is called how often it follows which calls go wrong.
    pub seed: u64,
    /// How long states last.
    pub waits: Waits,
    /// How often calls go wrong.
    pub odds: Odds,
    /// The actions that [`Self::odds`] and [`Self::bucket`] are for; all if empty.
    pub faulty: Vec<String>,
    /// How many requests are let through; all if `None`.
    pub bucket: Option<Bucket>,
    /// Added to every answer.
    pub latency: Duration,
    /// Actions that are not allowed, such as `ec2:RunInstances` or `ec2:*`.
    pub denied: Vec<String>,
    /// Of [`Self::denied`]: what IAM's simulation refuses for want of something that nobody has told it, as the caller's address.
    pub unsure: Vec<String>,
    /// Instance types without capacity.
    pub no_capacity: Vec<String>,
    /// vCPUs that may run in a region; no limit if `None`.
    pub vcpus: Option<u32>,
    /// Members of a page of a list at most; all in one if `None`.
    pub page: Option<usize>,
    /// Seconds that the cloud's clock is ahead of this machine's; requests that are off by more than five minutes are
    /// refused.
    pub clock_ahead: i64,
    /// Calls after which a credential has expired; each credential has its own count.
    pub expires_after: Option<u64>,
    /// Whether instances are real machines; if `None` they have no door at all.
    pub machines: Option<Machines>,
    /// The address that callers are told to be theirs.
    pub caller: String,
    /// The administrator's password of instances with Windows.
    pub password: String,
    /// What an hour on the spot market costs, by instance type, in dollars.
    pub spot_prices: BTreeMap<String, String>,
    /// Whether the snapshots of an image stay when it is deregistered, whatever is asked for: so do servers that do not know
    /// `DeleteAssociatedSnapshots`.
    pub keeps_snapshots: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            seed: 0,
            waits: Waits::default(),
            odds: Odds::default(),
            faulty: Vec::new(),
            bucket: None,
            latency: Duration::ZERO,
            denied: Vec::new(),
            unsure: Vec::new(),
            no_capacity: Vec::new(),
            vcpus: None,
            page: None,
            clock_ahead: 0,
            expires_after: None,
            machines: None,
            caller: "203.0.113.7".to_owned(),
            password: "Pa55-word of the testbed".to_owned(),
            spot_prices: BTreeMap::new(),
            keeps_snapshots: false,
        }
    }
}

/// A [`Delay`] that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    delay: Delay,
    begun: Instant,
    answered: u32,
}

impl Wait {
    /// `None` when there is nothing to wait for.
    pub(crate) fn begin(delay: Delay) -> Option<Self> {
        (delay != Delay::None).then(|| Self {
            delay,
            begun: Instant::now(),
            answered: 0,
        })
    }

    /// Whether it still lasts, for somebody who asks once more.
    pub(crate) fn asked(&mut self) -> bool {
        self.answered += 1;
        match self.delay {
            Delay::None => false,
            Delay::Answers(answers) => self.answered <= answers,
            Delay::Time(time) => self.begun.elapsed() < time,
        }
    }

    /// How much of it is over, in percent, below 100.
    pub(crate) fn percent(&self) -> u32 {
        let part = match self.delay {
            Delay::None => 1.0,
            Delay::Answers(answers) => f64::from(self.answered) / f64::from(answers + 1),
            Delay::Time(time) => self.begun.elapsed().as_secs_f64() / time.as_secs_f64(),
        };
        ((part * 100.0) as u32).min(99)
    }
}
