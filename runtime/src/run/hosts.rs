//! How many builds are connected to the same host at the same time.
//!
//! A build that uses the artifacts of others connects only when those have ended: else it could hold the place they
//! wait for.

use std::sync::Arc;

use imgc_compiler::value::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::build::Work;
use super::ends::Progress;
use super::lock;
use crate::builder::Endpoint;
use crate::context::Context;

impl Work<'_> {
    /// Waits for a place at the host that is about to be connected to; `None` where there is no limit.
    pub(super) async fn place_at_host(
        &self,
        cx: &Context,
        source: &Value,
        endpoint: &Endpoint,
    ) -> Option<OwnedSemaphorePermit> {
        let limit = self.run.settings.parallel_per_host;
        let host = host(&self.build.communicator, source, endpoint)?;
        if limit == 0 {
            return None;
        }
        let _waiting = cx.waiting(format!("its turn at {host} ({limit} at the same time)"));
        self.used_have_ended().await;
        let places = Arc::clone(
            lock(&self.run.hosts)
                .entry(host)
                .or_insert_with(|| Arc::new(Semaphore::new(limit))),
        );
        places.acquire_owned().await.ok()
    }

    pub(super) async fn used_have_ended(&self) {
        loop {
            // Registered before looking, so that no change is missed.
            let changed = self.run.states.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let ended = |build: &_| matches!(self.run.ends.of(*build), Progress::Ended(_));
            if self.build.uses.iter().all(ended) {
                return;
            }
            changed.await;
        }
    }
}

/// The host as the template or the builder names it.
fn host(communicator: &str, source: &Value, endpoint: &Endpoint) -> Option<String> {
    let option = format!("{communicator}_host");
    let named = source.get(&option).and_then(Value::as_str);
    let host = named.or(endpoint.host.as_deref())?;
    Some(host.to_ascii_lowercase())
}
