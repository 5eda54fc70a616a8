//! What is known of a step's progress, so that a stalled one can say what it waits for.
//!
//! In: components say what they wait for ([`Context::waiting`](crate::context::Context::waiting)), and whatever is said
//! goes by here ([`Watch::listen`]). Out: [`Watch::now`], which the step runner looks at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::event::{Event, Sink};

/// Progress of a step, or of a build's steps. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug)]
struct Seen {
    last: Instant,
    next: u64,
    /// The newest is what is waited for.
    waits: Vec<(u64, String)>,
}

/// Ends a wait when it is dropped.
#[derive(Debug)]
pub struct Waiting {
    watch: Watch,
    number: u64,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Watch {
    /// Nothing is waited for, and something has just been heard.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Seen {
            last: Instant::now(),
            next: 0,
            waits: Vec::new(),
        })))
    }

    /// Something has been heard.
    pub fn heard(&self) {
        self.seen().last = Instant::now();
    }

    /// Something is waited for, until the guard is dropped.
    pub fn waiting(&self, what: impl Into<String>) -> Waiting {
        let mut seen = self.seen();
        let number = seen.next;
        seen.next += 1;
        seen.waits.push((number, what.into()));
        Waiting {
            watch: self.clone(),
            number,
        }
    }

    /// When something was last heard, and what is waited for.
    pub fn now(&self) -> (Instant, Option<String>) {
        let seen = self.seen();
        (seen.last, seen.waits.last().map(|(_, what)| what.clone()))
    }

    /// A sink in front of `sink`: what is said or moves there has been heard.
    pub fn listen(&self, sink: Arc<dyn Sink>) -> Arc<dyn Sink> {
        Arc::new(Listener {
            watch: self.clone(),
            sink,
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Something else is waited for now.
    pub fn set(&self, what: impl Into<String>) {
        let mut seen = self.watch.seen();
        if let Some(wait) = seen.waits.iter_mut().find(|wait| wait.0 == self.number) {
            wait.1 = what.into();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.watch.seen().waits.retain(|wait| wait.0 != self.number);
    }
}

struct Listener {
    watch: Watch,
    sink: Arc<dyn Sink>,
}

impl Sink for Listener {
    fn event(&self, event: &Event) {
        if matches!(event, Event::Line { .. } | Event::Progress { .. }) {
            self.watch.heard();
        }
        self.sink.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wait_is_shown_until_it_ends() {
        let watch = Watch::new();
        assert_eq!(watch.now().1, None);
        let outer = watch.waiting("its turn");
        let inner = watch.waiting("a banner");
        inner.set("the login");
        assert_eq!(watch.now().1.as_deref(), Some("the login"));
        drop(inner);
        assert_eq!(watch.now().1.as_deref(), Some("its turn"));
        drop(outer);
        assert_eq!(watch.now().1, None);
    }
}
