//! When what a run makes may be removed by anyone: a moment that moves on for as long as the run lives.
//!
//! In: the moment that was recorded when the run began. Out: the one that holds now, for whoever marks something. What puts it off
//! is `run/renew.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::state::Moment;

/// The moment. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Expiry(Arc<AtomicI64>);

impl Expiry {
    /// At first.
    pub fn new(moment: Moment) -> Self {
        Self(Arc::new(AtomicI64::new(moment)))
    }

    /// As it is now.
    pub fn moment(&self) -> Moment {
        self.0.load(Ordering::Relaxed)
    }

    /// Moves it on; never back.
    pub fn put_off(&self, moment: Moment) {
        self.0.fetch_max(moment, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_put_off_and_never_brought_forward() {
        let expiry = Expiry::new(10);
        let other = expiry.clone();
        other.put_off(20);
        other.put_off(15);
        assert_eq!(expiry.moment(), 20);
    }
}
