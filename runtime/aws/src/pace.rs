//! The pace of requests in a region of an account: slower after each refusal as too many, faster again with each answer.
//!
//! In: refusals, seen as a judge of answers, and answers. Out: the moment of the next request. The SDK's own limiter knows no rate above
//! what it has measured, which for a build that asks once in a while is next to none, and takes five to ten of its tokens for a
//! repetition: one refusal then holds a build up for ten to twenty seconds. Repetitions have their own pauses, by the SDK.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use tokio::time::Instant;

/// Between two requests: after the first refusal, at most, and so little that it is none.
const FIRST: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_secs(2);
const NONE: Duration = Duration::from_millis(5);
/// Refusals of requests that were on their way together count as one.
const TOGETHER: Duration = Duration::from_millis(300);

/// What services say of too many requests.
const REFUSALS: &[&[u8]] = &[
    b"RequestLimitExceeded",
    b"EC2ThrottledException",
    b"SlowDown",
    b"Throttling",
    b"TooManyRequests",
];

/// A pace. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    interval: Duration,
    /// Before this moment nobody asks.
    next: Option<Instant>,
    refused: Option<Instant>,
}

impl Pace {
    /// Waits for the next moment at which a request may be made.
    pub(crate) async fn turn(&self) {
        let at = {
            let mut state = self.state();
            if state.interval.is_zero() {
                return;
            }
            let now = Instant::now();
            let at = state.next.map_or(now, |next| next.max(now));
            state.next = Some(at + state.interval);
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// A request was answered.
    pub(crate) fn faster(&self) {
        let mut state = self.state();
        state.interval = state.interval.mul_f64(0.7);
        if state.interval < NONE {
            state.interval = Duration::ZERO;
            state.next = None;
        }
    }

    fn slower(&self, now: Instant) {
        let mut state = self.state();
        if state
            .refused
            .is_some_and(|refused| now < refused + TOGETHER)
        {
            return;
        }
        state.refused = Some(now);
        state.interval = (state.interval * 2).clamp(FIRST, MOST);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClassifyRetry for Pace {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_refused = |body: &[u8]| {
            let says = |words: &&[u8]| body.windows(words.len()).any(|part| part == *words);
            REFUSALS.iter().any(says)
        };
        let failed = matches!(context.output_or_error(), Some(Err(_)));
        let body = context
            .response()
            .and_then(|response| response.body().bytes());
        if failed && body.is_some_and(is_refused) {
            self.slower(Instant::now());
        }
        // Whether it is repeated others decide.
        RetryAction::NoActionIndicated
    }

    fn name(&self) -> &'static str {
        "pace of requests"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_slows_down_and_answers_speed_up_again() {
        let pace = Pace::default();
        let interval = || pace.state().interval;
        let mut now = Instant::now();
        // Sixteen at the same time are one.
        for _ in 0..16 {
            pace.slower(now);
        }
        assert_eq!(interval(), FIRST);
        for _ in 0..20 {
            now += TOGETHER;
            pace.slower(now);
        }
        assert_eq!(interval(), MOST);
        pace.faster();
        assert!(interval() < MOST && interval() > FIRST);
        for _ in 0..20 {
            pace.faster();
        }
        assert_eq!(interval(), Duration::ZERO);
    }

    #[tokio::test]
    async fn turns_are_an_interval_apart() {
        let pace = Pace::default();
        let begun = Instant::now();
        for _ in 0..1000 {
            pace.turn().await;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits");
        pace.slower(begun);
        let begun = Instant::now();
        for _ in 0..4 {
            pace.turn().await;
        }
        assert!(begun.elapsed() >= FIRST * 3, "{:?}", begun.elapsed());
    }
}
