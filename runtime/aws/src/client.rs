//! The SDK's HTTP client and configuration, made when they are needed.

use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// TLS by `ring`; the trust store is the system's. It is read with the first request.
pub(crate) fn http() -> SharedHttpClient {
    Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https()
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
