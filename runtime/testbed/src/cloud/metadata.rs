//! The metadata service as an instance sees it, version 2 only: for what runs on an instance and asks where it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

use super::xml::Element;

/// What every request after the first has to bring.
const TOKEN: &str = "token-of-the-testbed";

/// What it says, by path.
pub(crate) fn pages(
    instance: &Element,
    account: &str,
    region: &str,
) -> BTreeMap<&'static str, String> {
    let text = |path: &str| instance.text_at(path).to_owned();
    let zone = text("placement/availabilityZone");
    let document = json!({
        "accountId": account,
        "architecture": text("architecture"),
        "availabilityZone": zone,
        "imageId": text("imageId"),
        "instanceId": text("instanceId"),
        "instanceType": text("instanceType"),
        "privateIp": text("privateIpAddress"),
        "region": region,
        "version": "2017-09-30",
    });
    [
        (
            "/latest/dynamic/instance-identity/document",
            document.to_string(),
        ),
        ("/latest/meta-data/ami-id", text("imageId")),
        ("/latest/meta-data/instance-id", text("instanceId")),
        ("/latest/meta-data/instance-type", text("instanceType")),
        ("/latest/meta-data/local-ipv4", text("privateIpAddress")),
        ("/latest/meta-data/placement/availability-zone", zone),
        ("/latest/meta-data/placement/region", region.to_owned()),
    ]
    .into()
}

/// Serves until the runtime ends.
pub(crate) async fn serve(listener: TcpListener, pages: BTreeMap<&'static str, String>) {
    let pages = Arc::new(pages);
    while let Ok((stream, _)) = listener.accept().await {
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &pages);
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            // A client that hangs up is no error of ours.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    pages: &BTreeMap<&'static str, String>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let token = request.headers().get("x-aws-ec2-metadata-token");
    let (status, text) = if request.method() == "PUT" && path == "/latest/api/token" {
        (200, TOKEN)
    } else if token.is_none_or(|token| token != TOKEN) {
        (401, "")
    } else {
        pages
            .get(path)
            .map_or((404, ""), |page| (200, page.as_str()))
    };
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status.try_into().expect("these are known");
    let ttl = hyper::header::HeaderValue::from_static("21600");
    let name = "x-aws-ec2-metadata-token-ttl-seconds";
    response.headers_mut().insert(name, ttl);
    response
}
