//! The SDK's HTTP client and configuration, made when they are needed.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

/// TLS by `ring`; the trust store is the system's. It is read with the first request.
pub(crate) fn http() -> SharedHttpClient {
    Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https()
}

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

/// Configuration from the environment.
pub(crate) async fn config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http())
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
