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
