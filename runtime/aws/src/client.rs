//! The SDK's configuration, made when it is needed, and judges of answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

use crate::clock::Clock;
use crate::connect;
use crate::error::{STRANGER, reasons};

/// Judges answers that look as if asking again could help and where it does not: there is no more capacity for an instance a few
/// seconds later, and another type or place is to be tried.
#[derive(Debug)]
pub(crate) struct Capacity;

impl ClassifyRetry for Capacity {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let body = context
            .response()
            .and_then(|response| response.body().bytes());
        let words = b"<Code>Insufficient".as_slice();
        match body.is_some_and(|body| body.windows(words.len()).any(|part| part == words)) {
            true => RetryAction::RetryForbidden,
            false => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "no capacity"
    }
}

/// Judges answers that are none of Amazon's: a page of a proxy, or of something else at the endpoint, comes again as it is.
/// Servers in trouble answer with pages as well, and those get better.
#[derive(Debug)]
pub(crate) struct Foreign;

impl ClassifyRetry for Foreign {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let response = context.response();
        let Some((response, body)) =
            response.and_then(|response| Some((response, response.body().bytes()?)))
        else {
            return RetryAction::NoActionIndicated;
        };
        let has_failed = matches!(context.output_or_error(), Some(Err(_)));
        match has_failed && is_foreign(response.status().as_u16(), body) {
            true => RetryAction::RetryForbidden,
            false => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "not Amazon's"
    }
}

/// Whether an answer is neither XML, as EC2 answers, nor a sign of load or trouble.
fn is_foreign(status: u16, body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    let begins = |words: &str| {
        let start = body.get(..words.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(words.as_bytes()))
    };
    let is_page = begins("<!doctype html") || begins("<html");
    let is_ours = body.is_empty() || body.starts_with(b"<") && !is_page;
    status < 500 && !matches!(status, 408 | 429) && !is_ours
}

/// How long a server that has never answered is asked, and after how long without a failure that begins anew.
const PATIENCE: Duration = Duration::from_secs(8);
const FORGOTTEN: Duration = Duration::from_secs(60);

/// Judges connections that fail: to a server that has answered before, it is worth trying on; one that never has is most likely
/// not there, or not at this address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Silent(Arc<Silence>);

#[derive(Debug, Default)]
struct Silence {
    has_answered: AtomicBool,
    /// The first and the last failure of those that came one after the other.
    series: Mutex<Option<(Instant, Instant)>>,
}

impl Silent {
    fn heard(&self) {
        self.0.has_answered.store(true, Ordering::Relaxed);
    }

    /// A connection has failed: whether another one is worth it.
    fn missed(&self, now: Instant) -> bool {
        let since = {
            let series = self.0.series.lock();
            let mut series = series.unwrap_or_else(PoisonError::into_inner);
            let since = match *series {
                Some((first, last)) if now < last + FORGOTTEN => first,
                _ => now,
            };
            *series = Some((since, now));
            since
        };
        self.0.has_answered.load(Ordering::Relaxed) || now < since + PATIENCE
    }
}

impl ClassifyRetry for Silent {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if context.response().is_some() {
            self.heard();
            return RetryAction::NoActionIndicated;
        }
        let error = context.output_or_error().and_then(|ended| ended.err());
        let Some(error) = error.and_then(|error| error.as_connector_error()) else {
            return RetryAction::NoActionIndicated;
        };
        // A server whose certificate nobody here believes has the same one a second later.
        let is_stranger = reasons(error).contains(STRANGER);
        match is_stranger || !self.missed(Instant::now()) {
            true => RetryAction::RetryForbidden,
            false => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "nobody there"
    }
}

/// Configuration from the environment.
pub(crate) async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(connect::client())
        .time_source(Clock)
        .load()
        .await
}

/// Runs a request to its end on a thread of its own, so that it may be called from anywhere, a runtime's thread included.
pub(crate) fn wait<T: Send>(request: impl Future<Output = T> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("a thread for the request cannot be made: {error}"))?;
            Ok(runtime.block_on(request))
        });
        thread
            .join()
            .unwrap_or_else(|_| Err("the request ended unexpectedly".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_never_answered_is_given_up() {
        let silent = Silent::default();
        let begun = Instant::now();
        assert!(silent.missed(begun));
        assert!(silent.missed(begun + PATIENCE / 2));
        assert!(!silent.missed(begun + PATIENCE));
        assert!(silent.missed(begun + PATIENCE + FORGOTTEN));
        silent.heard();
        assert!(silent.missed(begun + PATIENCE * 100));
    }

    #[test]
    fn what_is_not_amazon_s_is_not_asked_again() {
        for (status, body) in [
            (200, "<!DOCTYPE html><p>log in"),
            (200, " <HTML>"),
            (404, "no such page"),
        ] {
            assert!(is_foreign(status, body.as_bytes()), "{body}");
        }
        for (status, body) in [
            (503, "<html>come back later"),
            (429, "slowly"),
            (400, "<?xml version=\"1.0\"?><Response/>"),
            (200, ""),
        ] {
            assert!(!is_foreign(status, body.as_bytes()), "{body}");
        }
    }
}
