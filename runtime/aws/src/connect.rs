//! How requests reach their servers: over TLS or plainly, straight or through the proxy that the environment names.
//!
//! In: the SDK's requests; `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` as curl reads them, and `AWS_CA_BUNDLE` as Amazon's
//! other SDKs do. Out: answers. The SDK's own client knows of neither, and reads the certificates for each service, also where nothing
//! is asked over TLS; here they are read when a request needs them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use hyper_util::client::proxy::matcher::Matcher;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use crate::clock;

/// The variable with the file of certificates to believe.
const BUNDLE: &str = "AWS_CA_BUNDLE";

/// Beside the headers of an answer: that its request was refused and signed at a wrong time, and the name of the key that has signed
/// it.
pub(crate) const MISTIMED: &str = "x-imgc-mistimed";
pub(crate) const SIGNED_BY: &str = "x-imgc-signed-by";

/// A client whose clones, and the services that are given it, share their connections.
pub(crate) fn client() -> SharedHttpClient {
    SharedHttpClient::new(Client(Arc::new(Roads {
        proxies: proxies(),
        open: Mutex::default(),
    })))
}

/// The proxies of the environment. One for all programs that only some of them can speak with (SOCKS) is left to those.
fn proxies() -> Matcher {
    let first = |names: [&str; 2]| {
        let mut found = names.iter().filter_map(|name| std::env::var(name).ok());
        found.find(|text| !text.is_empty()).unwrap_or_default()
    };
    match first(["ALL_PROXY", "all_proxy"]).starts_with("socks") {
        false => Matcher::from_env(),
        true => Matcher::builder()
            .http(first(["HTTP_PROXY", "http_proxy"]))
            .https(first(["HTTPS_PROXY", "https_proxy"]))
            .no(first(["NO_PROXY", "no_proxy"]))
            .build(),
    }
}

#[derive(Debug)]
struct Client(Arc<Roads>);

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Chooser {
            roads: Arc::clone(&self.0),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

/// Where requests go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Road {
    /// To the server, without TLS.
    Plain,
    /// To the server.
    Tls,
    /// To a proxy, which TLS may lead to and through.
    Proxy,
}

type Limits = (Option<Duration>, Option<Duration>);

/// The roads that have been taken, by how long connecting and reading may take.
#[derive(Debug)]
struct Roads {
    proxies: Matcher,
    open: Mutex<HashMap<(Road, Limits), SharedHttpConnector>>,
}

impl Roads {
    /// The road to an address; an error for a proxy whose language is not spoken.
    fn to(&self, uri: &str) -> Result<Road, String> {
        let is_plain = uri.starts_with("http://");
        let straight = if is_plain { Road::Plain } else { Road::Tls };
        if is_near(host(uri)) {
            return Ok(straight);
        }
        let proxy = uri
            .parse()
            .ok()
            .and_then(|uri| self.proxies.intercept(&uri));
        let Some(proxy) = proxy else {
            return Ok(straight);
        };
        match proxy.uri().scheme_str() {
            Some("http" | "https") => Ok(Road::Proxy),
            scheme => Err(format!(
                "the environment names a proxy by `{}`, and only `http` and `https` are spoken: set HTTPS_PROXY to such a \
                 proxy, or NO_PROXY to go without",
                scheme.unwrap_or_default()
            )),
        }
    }
}

/// The host of an address.
fn host(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether no proxy leads to a host: this machine itself (as Go's programs have it, Packer among them), and what every machine at
/// Amazon has next to it, its metadata and the credentials of its container.
fn is_near(host: &str) -> bool {
    host == "localhost"
        || match host.parse() {
            Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
            Ok(IpAddr::V6(address)) => {
                address.is_loopback() || address.segments()[..2] == [0xfd00, 0x0ec2]
            }
            Err(_) => false,
        }
}

/// Chooses the road of each request.
#[derive(Debug)]
struct Chooser {
    roads: Arc<Roads>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl Chooser {
    fn connector(&self, road: Road) -> Result<SharedHttpConnector, String> {
        let limits = (
            self.settings.connect_timeout(),
            self.settings.read_timeout(),
        );
        let open = self.roads.open.lock();
        let mut open = open.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&(road, limits)) {
            return Ok(known.clone());
        }
        let made = SharedHttpConnector::new(self.make(road)?);
        open.insert((road, limits), made.clone());
        Ok(made)
    }

    fn make(&self, road: Road) -> Result<Connector, String> {
        let mut builder = Connector::builder().connector_settings(self.settings.clone());
        builder.set_sleep_impl(self.components.sleep_impl());
        if road == Road::Plain {
            return Ok(builder.build_http());
        }
        if road == Road::Proxy {
            builder = builder.proxy_config(ProxyConfig::from_env());
        }
        let trusted = tls::TlsContext::builder().with_trust_store(trusted()?);
        let trusted = trusted.build().map_err(|error| error.to_string())?;
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        Ok(builder.tls_provider(ring).tls_context(trusted).build())
    }
}

/// Whose certificates are believed: the machine's, or those of the file that the environment names.
fn trusted() -> Result<tls::TrustStore, String> {
    match std::env::var_os(BUNDLE).filter(|path| !path.is_empty()) {
        Some(path) => bundle(Path::new(&path)),
        None => Ok(tls::TrustStore::default()),
    }
}

/// The certificates of a file, each of which is one.
fn bundle(path: &Path) -> Result<tls::TrustStore, String> {
    let wrong = |why: String| format!("{BUNDLE} names {}: {why}", path.display());
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        count += 1;
        let read = certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| {
                let anchor = webpki::anchor_from_trusted_cert(&certificate);
                anchor.map(|_| ()).map_err(|error| error.to_string())
            });
        read.map_err(|why| wrong(format!("its certificate {count} cannot be read: {why}")))?;
    }
    match count {
        0 => Err(wrong("there is no certificate in it".to_owned())),
        _ => Ok(tls::TrustStore::empty().with_pem_certificate(text)),
    }
}

/// By which key a request was signed, and how far Amazon's clock was taken to be ahead: judges of answers see the answer alone.
#[derive(Debug, PartialEq, Eq)]
struct Signature {
    by: Option<String>,
    /// In seconds.
    ahead: i64,
}

impl Signature {
    /// That of a request; `None` where it has none.
    fn of(request: &HttpRequest) -> Option<Self> {
        let headers = request.headers();
        let date = headers.get("x-amz-date")?;
        let key = |header: &str| {
            let (_, rest) = header.split_once("Credential=")?;
            Some(rest.split('/').next().unwrap_or_default().to_owned())
        };
        Some(Self {
            by: headers.get("authorization").and_then(key),
            ahead: clock::ahead_at(date).unwrap_or_else(clock::ahead),
        })
    }

    /// Notes it beside what the server says.
    fn note(self, answer: &mut HttpResponse) {
        let is_mistimed = clock::learn(answer, self.ahead);
        let headers = answer.headers_mut();
        if is_mistimed {
            headers.insert(MISTIMED, "yes");
        }
        if let Some(key) = self.by {
            // What is no header here was none in the request.
            let _ = headers.try_insert(SIGNED_BY, key);
        }
    }
}

impl HttpConnector for Chooser {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let road = self.roads.to(request.uri());
        match road.and_then(|road| self.connector(road)) {
            Ok(connector) => {
                let signature = Signature::of(&request);
                let answer = connector.call(request);
                HttpConnectorFuture::new(async move {
                    let mut answer = answer.await;
                    if let (Ok(answer), Some(signature)) = (&mut answer, signature) {
                        signature.note(answer);
                    }
                    answer
                })
            }
            Err(problem) => HttpConnectorFuture::ready(Err(ConnectorError::user(problem.into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn roads(proxy: &str) -> Roads {
        Roads {
            proxies: Matcher::builder().all(proxy).no("internal.test").build(),
            open: Mutex::default(),
        }
    }

    #[test]
    fn a_proxy_leads_to_what_is_far() {
        let roads = roads("http://proxy.test:3128");
        for (uri, road) in [
            ("https://ec2.us-east-1.amazonaws.com/", Road::Proxy),
            ("http://ec2.test:8080/?a=b", Road::Proxy),
            ("https://ec2.internal.test/", Road::Tls),
            ("http://127.0.0.1:5000/", Road::Plain),
            ("http://localhost/", Road::Plain),
            ("http://[::1]:80/", Road::Plain),
            ("http://169.254.169.254/latest/api/token", Road::Plain),
            ("http://[fd00:ec2::254]/latest", Road::Plain),
            ("http://169.254.170.2/v2", Road::Plain),
        ] {
            assert_eq!(roads.to(uri), Ok(road), "{uri}");
        }
    }

    #[test]
    fn a_proxy_that_is_not_understood_is_named() {
        let problem = roads("socks5://proxy.test").to("https://ec2.test/");
        assert!(problem.is_err_and(|text| text.contains("socks5")));
    }

    #[test]
    fn a_file_of_certificates_is_read_before_it_is_used() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let why = |path: &Path| bundle(path).unwrap_err();
        assert!(why(&path).contains("AWS_CA_BUNDLE names"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(why(&path).ends_with("there is no certificate in it"));
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, text).unwrap();
        assert!(why(&path).contains("its certificate 1 cannot be read"));
    }

    #[test]
    fn an_answer_tells_by_whom_its_request_was_signed() {
        let mut request = HttpRequest::empty();
        assert_eq!(Signature::of(&request), None);
        let headers = request.headers_mut();
        headers.insert("x-amz-date", "20261123T073000Z");
        headers.insert(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/eu-west-1/ec2/aws4_request, SignedHeaders=host",
        );
        let mut answer = HttpResponse::new(200.try_into().unwrap(), "".into());
        let signed: jiff::Timestamp = "2026-11-23T07:30:00Z".parse().unwrap();
        let signature = Signature::of(&request).unwrap();
        let now = jiff::Timestamp::now().as_second();
        assert!((signature.ahead - (signed.as_second() - now)).abs() <= 2);
        signature.note(&mut answer);
        assert_eq!(answer.headers().get(MISTIMED), None);
        assert_eq!(answer.headers().get(SIGNED_BY), Some("AKIDEXAMPLE"));
    }

    #[test]
    fn the_host_of_an_address_is_found() {
        for (uri, wanted) in [
            ("https://a.test", "a.test"),
            ("https://user:word@a.test:80/b?c", "a.test"),
            ("http://[::1]:80/", "::1"),
            ("http://a.test?b", "a.test"),
        ] {
            assert_eq!(host(uri), wanted);
        }
    }
}
