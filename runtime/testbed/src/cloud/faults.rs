//! What goes wrong before a request is looked at: too many of them, broken servers and lines, clocks, credentials, rights.
//!
//! Which calls it hits follows from the seed and from how often the action was called before, not from the time.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use serde_json::json;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::request::{Request, decoded, encoded};
use super::state::State;

/// What happens to a call.
pub(crate) enum Fate {
    /// It is answered as it deserves.
    Served,
    /// It is refused.
    Refused(Answer),
    /// The connection ends and nothing was done.
    Cut,
    /// It takes effect, and the connection ends.
    Lost,
}

/// How far clocks may be apart, in seconds.
const SKEW: i64 = 300;

/// Decides about a request.
pub(crate) fn fate(request: &Request, behaviour: &Behaviour, state: &mut State) -> Fate {
    if let Some(answer) = credentials(request, behaviour, state) {
        return Fate::Refused(answer);
    }
    let is_faulty = |action: &str| {
        behaviour.faulty.is_empty() || behaviour.faulty.iter().any(|one| one == action)
    };
    if !is_faulty(&request.action) {
        return Fate::Served;
    }
    let count = state.counts.entry(request.action.clone()).or_default();
    *count += 1;
    let count = *count;
    let odds = &behaviour.odds;
    let hits = |kind: &str, odds: f64| chance(behaviour.seed, kind, &request.action, count) < odds;
    if is_empty(request, behaviour, state) || hits("throttled", odds.throttled) {
        return Fate::Refused(throttled(request));
    }
    if hits("failing", odds.failing) {
        let answer = if chance(behaviour.seed, "which", &request.action, count) < 0.5 {
            Answer::error(
                request,
                500,
                "InternalError",
                "An internal error has occurred",
            )
        } else {
            Answer::error(
                request,
                503,
                "Unavailable",
                "The server is overloaded and can't handle the request",
            )
        };
        return Fate::Refused(answer);
    }
    if hits("cut", odds.cut) {
        return Fate::Cut;
    }
    if hits("lost", odds.lost) {
        return Fate::Lost;
    }
    Fate::Served
}

/// A number from 0 to 1 that is the same in every run.
fn chance(seed: u64, kind: &str, action: &str, count: u64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (seed, kind, action, count).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Takes one out of the bucket of requests, if there is one left.
fn is_empty(request: &Request, behaviour: &Behaviour, state: &mut State) -> bool {
    let Some(bucket) = behaviour.bucket else {
        return false;
    };
    let place = format!("{}/{}", request.account, request.region);
    let now = Instant::now();
    let (left, since) = state.buckets.entry(place).or_insert((bucket.size, now));
    *left = (*left + since.elapsed().as_secs_f64() * bucket.per_second).min(bucket.size);
    *since = now;
    if *left < 1.0 {
        return true;
    }
    *left -= 1.0;
    false
}

fn throttled(request: &Request) -> Answer {
    let (status, code, message) = match request.service.as_str() {
        "ec2" => (503, "RequestLimitExceeded", "Request limit exceeded."),
        "s3" => (503, "SlowDown", "Please reduce your request rate."),
        "autoscaling" | "iam" | "sts" => (400, "Throttling", "Rate exceeded"),
        _ => (400, "ThrottlingException", "Rate exceeded"),
    };
    Answer::error(request, status, code, message)
}

/// Clocks and credentials.
fn credentials(request: &Request, behaviour: &Behaviour, state: &mut State) -> Option<Answer> {
    let now = jiff::Timestamp::now().as_second() + behaviour.clock_ahead;
    if let Some(signed) = request.signed_at()
        && (now - signed.as_second()).abs() > SKEW
    {
        return Some(skewed(request));
    }
    let used = state.used.entry(request.credential.clone()).or_default();
    *used += 1;
    let limit = behaviour.expires_after?;
    (*used > limit).then(|| expired(request))
}

fn skewed(request: &Request) -> Answer {
    match request.service.as_str() {
        "ec2" => Answer::error(request, 400, "RequestExpired", "Request has expired."),
        "s3" => Answer::error(
            request,
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        ),
        "autoscaling" | "iam" | "sts" => Answer::error(
            request,
            403,
            "SignatureDoesNotMatch",
            "Signature expired: the time of the request is too far from that of the server",
        ),
        _ => Answer::error(
            request,
            400,
            "InvalidSignatureException",
            "Signature expired: the time of the request is too far from that of the server",
        ),
    }
}

fn expired(request: &Request) -> Answer {
    match request.service.as_str() {
        "ec2" => Answer::error(request, 400, "RequestExpired", "Request has expired."),
        "s3" => Answer::error(
            request,
            400,
            "ExpiredToken",
            "The provided token has expired.",
        ),
        "autoscaling" | "iam" | "sts" => Answer::error(
            request,
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        ),
        _ => Answer::error(
            request,
            400,
            "ExpiredTokenException",
            "The security token included in the request is expired",
        ),
    }
}

/// The refusal of an action that is not allowed.
pub(crate) fn denied(request: &Request, behaviour: &Behaviour) -> Option<Answer> {
    let Request {
        service,
        action,
        account,
        region,
        ..
    } = request;
    let all = format!("{service}:*");
    let action = format!("{service}:{action}");
    if !behaviour
        .denied
        .iter()
        .any(|one| *one == action || *one == all)
    {
        return None;
    }
    let resource = format!("arn:aws:{service}:{region}:{account}:*");
    let who = format!("arn:aws:iam::{account}:user/tester");
    if service == "ec2" {
        let message = encoded(format!("{action} {resource} {who}"));
        let message = format!(
            "You are not authorized to perform this operation. User: {who} is not authorized to perform: {action} on \
             resource: {resource} because no identity-based policy allows the {action} action. Encoded authorization \
             failure message: {message}"
        );
        return Some(Answer::error(
            request,
            403,
            "UnauthorizedOperation",
            &message,
        ));
    }
    let message = format!(
        "User: {who} is not authorized to perform: {action} on resource: {resource} because no identity-based policy \
         allows the {action} action"
    );
    let (status, code) = match service.as_str() {
        "autoscaling" | "iam" | "s3" | "sts" => (403, "AccessDenied"),
        _ => (400, "AccessDeniedException"),
    };
    Some(Answer::error(request, status, code, &message))
}

/// What the encoded message of a refusal says; `None` if it is none of ours.
pub(crate) fn decode_refusal(message: &str) -> Option<String> {
    let text = String::from_utf8(decoded(message)).ok()?;
    let [action, resource, who] = text.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let none = json!({"items": []});
    let principal = json!({"id": "AIDATESTER", "name": "tester", "arn": who});
    let context =
        json!({"principal": principal, "action": action, "resource": resource, "conditions": none});
    let message = json!({
        "allowed": false,
        "explicitDeny": false,
        "matchedStatements": none,
        "failures": none,
        "context": context,
    });
    Some(message.to_string())
}
