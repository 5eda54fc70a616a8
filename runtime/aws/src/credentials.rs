//! Credentials that are read anew when Amazon says that they have expired.
//!
//! In: who asks. Out: a provider for the SDK, and a judge of answers that has a request repeated with fresh credentials where
//! there are any: somebody has logged in again, a tool has rewritten the profile. Where what is read anew is what has expired, the
//! failure stands, after a wait for somebody to log in again where a build has made something ([`mod@wait`]). The SDK reads profiles
//! once and trusts a credential without an end for ever.

mod wait;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Quick, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use imgc_runtime::context::Context;
use tokio::sync::Mutex;

use crate::account::{Access, number, provider};
use crate::clock;
use crate::connect::SIGNED_BY;
use wait::Attended;

/// Credentials are renewed so long before their end.
const AHEAD: Duration = Duration::from_secs(120);

/// What the service says of a credential that has expired.
const EXPIRED: &[&[u8]] = &[b"RequestExpired", b"ExpiredToken"];

/// A source of credentials. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Renewable(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    state: Mutex<State>,
    /// The key that requests are signed with.
    key: Quick<Option<String>>,
    /// Of their account, where they tell.
    number: Quick<Option<String>>,
    /// Somebody has been told that it has expired.
    expired: AtomicBool,
    /// What was read anew is what has expired, and nobody waits for others any more.
    hopeless: AtomicBool,
    /// The builds that would wait for new ones.
    attended: Attended,
}

#[derive(Debug)]
struct State {
    provider: SharedCredentialsProvider,
    cached: Option<Credentials>,
}

impl Renewable {
    /// With the provider that was found first.
    pub(crate) fn new(access: &Access, provider: SharedCredentialsProvider) -> Self {
        Self(Arc::new(Inner {
            access: access.clone(),
            state: Mutex::new(State {
                provider,
                cached: None,
            }),
            key: Quick::default(),
            number: Quick::default(),
            expired: AtomicBool::new(false),
            hopeless: AtomicBool::new(false),
            attended: Attended::default(),
        }))
    }

    /// A build has made something with them: it would rather wait for new ones than fail.
    pub(crate) fn attend(&self, cx: &Context) {
        self.0.attended.add(cx, &self.0.access);
    }

    /// The number of their account, where those that were read have told it.
    pub(crate) fn number(&self) -> Option<String> {
        self.held_number().clone()
    }

    fn held_number(&self) -> MutexGuard<'_, Option<String>> {
        self.0.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn current(&self) -> provider::Result {
        let inner = &*self.0;
        // Whoever comes while they are being renewed waits for the new ones.
        let mut state = inner.state.lock().await;
        let expired = inner.expired.swap(false, Ordering::SeqCst);
        if let Some(cached) = state.cached.as_ref().filter(|_| !expired)
            && !ends_soon(cached)
        {
            return Ok(cached.clone());
        }
        let mut read = read(inner, &mut state, expired).await;
        if is_no_help(&read, state.cached.as_ref(), expired)
            && !inner.hopeless.load(Ordering::SeqCst)
        {
            read = wait(inner, &mut state, read).await;
            let still = is_no_help(&read, state.cached.as_ref(), expired);
            inner.hopeless.store(still, Ordering::SeqCst);
        }
        let fresh = read?;
        *self.key() = Some(fresh.access_key_id().to_owned());
        *self.held_number() = number(&fresh);
        state.cached = Some(fresh.clone());
        Ok(fresh)
    }

    fn key(&self) -> MutexGuard<'_, Option<String>> {
        self.0.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads them; `anew` looks for where they come from once more. Those that are about to end serve until they have ended.
async fn read(inner: &Inner, state: &mut State, anew: bool) -> provider::Result {
    if anew && let Some(fresh) = provider(&inner.access).await {
        state.provider = fresh;
    }
    let known = clock::ahead();
    let mut read = state.provider.provide_credentials().await;
    // A role could not be taken, and why is known now.
    if read.is_err() && clock::ahead() != known {
        read = state.provider.provide_credentials().await;
    }
    let still_good = |old: &&Credentials| {
        let end = old.expiry();
        !anew && end.is_some_and(|end| end > clock::now())
    };
    match (read, state.cached.as_ref().filter(still_good)) {
        (Err(_), Some(old)) => Ok(old.clone()),
        (read, _) => read,
    }
}

/// Whether what was read are not other credentials than those that have ended.
fn is_no_help(read: &provider::Result, old: Option<&Credentials>, expired: bool) -> bool {
    match (read, old) {
        // There were none before: nothing has ended.
        (_, None) => false,
        (Err(_), Some(_)) => true,
        (Ok(fresh), Some(old)) => expired && is_same(old, fresh),
    }
}

fn is_same(one: &Credentials, other: &Credentials) -> bool {
    one.access_key_id() == other.access_key_id() && one.session_token() == other.session_token()
}

/// Reads again and again until somebody has logged in, or what was read last.
async fn wait(inner: &Inner, state: &mut State, mut read: provider::Result) -> provider::Result {
    let Some(mut wait) = inner.attended.begin(&inner.access.holder()) else {
        return read;
    };
    while wait.next().await {
        read = self::read(inner, state, true).await;
        if !is_no_help(&read, state.cached.as_ref(), true) {
            wait.say("there are new credentials: going on");
            break;
        }
    }
    read
}

fn ends_soon(credentials: &Credentials) -> bool {
    let end = credentials.expiry();
    end.is_some_and(|end| end <= clock::now() + AHEAD)
}

impl ProvideCredentials for Renewable {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.current())
    }
}

impl ClassifyRetry for Renewable {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if !matches!(context.output_or_error(), Some(Err(_))) {
            return RetryAction::NoActionIndicated;
        }
        // The same words are said of a request that was signed at a wrong time.
        if clock::is_reason(context) {
            return RetryAction::transient_error();
        }
        let body = context
            .response()
            .and_then(|response| response.body().bytes());
        let says = |words: &&[u8]| {
            body.is_some_and(|body| body.windows(words.len()).any(|part| part == *words))
        };
        if !EXPIRED.iter().any(says) {
            return RetryAction::NoActionIndicated;
        }
        let signed = context
            .response()
            .and_then(|answer| answer.headers().get(SIGNED_BY));
        // Others may have had them renewed since this request was signed.
        let renewed = signed.is_some() && signed != self.key().as_deref();
        if renewed {
            return RetryAction::transient_error();
        }
        if self.0.hopeless.load(Ordering::SeqCst) {
            return RetryAction::NoActionIndicated;
        }
        self.0.expired.store(true, Ordering::SeqCst);
        RetryAction::transient_error()
    }

    fn name(&self) -> &'static str {
        "expired credentials"
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_has_no_end_does_not_end_soon() {
        let credentials = |end| Credentials::new("id", "secret", None, end, "test");
        assert!(!ends_soon(&credentials(None)));
        let now = SystemTime::now();
        assert!(ends_soon(&credentials(Some(now))));
        assert!(!ends_soon(&credentials(Some(
            now + Duration::from_secs(3600)
        ))));
    }
}
