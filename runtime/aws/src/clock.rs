//! Amazon's clock: what requests are signed with, and moments as tags hold them.
//!
//! In: refused requests with the date of their answer. Out: this machine's time, set right by what Amazon's clock says. A request
//! that is off by more than five minutes is refused, in words that differ from service to service, some of them those for
//! credentials that have expired; the dates tell. Amazon's other SDKs correct their signatures in the same way.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use imgc_runtime::duration;
use imgc_runtime::event::Output;
use imgc_runtime::state::Moment;

use crate::connect::MISTIMED;

/// Less is no reason for a refusal; in seconds.
const DOUBT: i64 = 240;

/// How far Amazon's clock is ahead of this machine's, in seconds: a machine has one clock.
static AHEAD: AtomicI64 = AtomicI64::new(0);
/// Whether it has been said.
static SAID: AtomicBool = AtomicBool::new(false);

/// Amazon's time, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock;

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        now()
    }
}

/// Judges refusals of requests that were signed at a wrong time: they are worth another attempt, with the time that was learnt.
impl ClassifyRetry for Clock {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match is_reason(context) {
            true => RetryAction::transient_error(),
            false => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "a clock that is wrong"
    }
}

/// Amazon's time.
pub(crate) fn now() -> SystemTime {
    moved(SystemTime::now(), ahead())
}

/// How far Amazon's clock is ahead, in seconds; 0 where nothing is known.
pub(crate) fn ahead() -> i64 {
    AHEAD.load(Ordering::Relaxed)
}

/// How far Amazon's clock was taken to be ahead when a request got this `X-Amz-Date`, just now: what is known may be newer.
pub(crate) fn ahead_at(signed: &str) -> Option<i64> {
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", signed).ok()?;
    let date = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(date.timestamp().as_second() - jiff::Timestamp::now().as_second())
}

fn moved(time: SystemTime, seconds: i64) -> SystemTime {
    let by = Duration::from_secs(seconds.unsigned_abs());
    let moved = match seconds < 0 {
        true => time.checked_sub(by),
        false => time.checked_add(by),
    };
    moved.unwrap_or(time)
}

/// Looks at the answer to a request that was signed with Amazon's clock taken to be `ahead` seconds ahead: one that refuses it, and
/// has another date than that, says what the time is. Gives whether it does.
pub(crate) fn learn(answer: &HttpResponse, ahead: i64) -> bool {
    let refused = matches!(answer.status().as_u16(), 400 | 401 | 403);
    let Some(date) = date(answer).filter(|_| refused) else {
        return false;
    };
    let off = date - jiff::Timestamp::now().as_second();
    if (off - ahead).abs() <= DOUBT {
        return false;
    }
    // Set right in the meantime, it is right.
    let off = if off.abs() <= DOUBT { 0 } else { off };
    AHEAD.store(off, Ordering::Relaxed);
    true
}

/// Whether a request has failed because it was signed at another time than Amazon's.
pub(crate) fn is_reason(context: &InterceptorContext) -> bool {
    let has_failed = matches!(context.output_or_error(), Some(Err(_)));
    let is_mistimed = |answer: &HttpResponse| answer.headers().get(MISTIMED).is_some();
    has_failed && context.response().is_some_and(is_mistimed)
}

/// The date of an answer, in seconds (RFC 9110, 6.6.1).
fn date(answer: &HttpResponse) -> Option<i64> {
    let text = answer.headers().get("date")?;
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(date.timestamp().as_second())
}

/// What is to be said of this machine's clock; `None` where it is right, as far as is known.
pub(crate) fn fault() -> Option<String> {
    let ahead = ahead();
    let way = match ahead {
        0 => return None,
        1.. => "behind",
        _ => "ahead of",
    };
    // Dates of answers have no parts of a second, and are a moment old.
    let minutes = (ahead.unsigned_abs() + 30) / 60;
    let by = duration::words(Duration::from_secs(minutes * 60));
    Some(format!(
        "this machine's clock is {by} {way} Amazon's: requests carry Amazon's time; set the clock right, since names and records \
         have this machine's"
    ))
}

/// Says it once in a process.
pub(crate) fn tell(output: &Output) {
    if let Some(fault) = fault()
        && !SAID.swap(true, Ordering::Relaxed)
    {
        output.warn(fault);
    }
}

/// RFC 3339, UTC, whole seconds, by Amazon's clock; empty where the moment, which is by this machine's, is outside of the calendar.
pub(crate) fn written(moment: Moment) -> String {
    jiff::Timestamp::from_millisecond(moment.saturating_add(ahead() * 1000))
        .and_then(|stamp| stamp.round(jiff::Unit::Second))
        .map_or_else(|_| String::new(), |stamp| stamp.to_string())
}

/// The moment by this machine's clock that such a text stands for.
pub(crate) fn read(text: &str) -> Option<Moment> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(stamp.as_millisecond().saturating_sub(ahead() * 1000))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read("2026-09-21T14:13:20Z"), Some(1_790_000_000_000));
        assert_eq!(read("soon"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn moments_are_written_for_people_and_machines() {
        assert_eq!(written(1_790_000_000_000), "2026-09-21T14:13:20Z");
    }

    #[test]
    fn dates_of_answers_are_read() {
        let mut answer = HttpResponse::new(200.try_into().unwrap(), "".into());
        assert_eq!(date(&answer), None);
        let headers = answer.headers_mut();
        headers.insert("date", "Mon, 23 Nov 2026 07:30:00 GMT");
        assert_eq!(date(&answer), Some(1_795_419_000));
    }

    #[test]
    fn a_time_is_moved_both_ways() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        for (by, wanted) in [(0, 1_000), (60, 1_060), (-60, 940)] {
            let wanted = SystemTime::UNIX_EPOCH + Duration::from_secs(wanted);
            assert_eq!(moved(time, by), wanted);
        }
    }
}
