//! The line to moto.

use std::io;
use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::answer::Answer;
use super::request::Request;

/// The region of requests that name none.
pub(crate) const REGION: &str = "us-east-1";

/// Headers that belong to a connection and not to the request.
const OF_THE_LINE: [&str; 6] = [
    "connection",
    "content-length",
    "date",
    "expect",
    "keep-alive",
    "transfer-encoding",
];

/// Passes a request on and gives the answer.
pub(crate) async fn send(moto: SocketAddr, request: &Request) -> io::Result<Answer> {
    let stream = TcpStream::connect(moto).await?;
    let line = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = line.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let mut built = hyper::Request::builder()
        .method(request.method.as_str())
        .uri(&request.path);
    for (name, value) in &request.headers {
        let name = name.as_str();
        // moto reads headers slowly; of a form it needs no other.
        let is_needed = request.service != "ec2" || matches!(name, "content-type" | "host");
        if is_needed && !OF_THE_LINE.contains(&name) && name != "authorization" {
            built = built.header(name, value);
        }
    }
    if !request.headers.contains_key("host") {
        built = built.header("host", moto.to_string());
    }
    // Signatures are not checked; the scope says which service and region are meant. Nothing of the caller's is left in it.
    let Request {
        region, service, ..
    } = request;
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=testing/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=none"
    );
    let built = built
        .header("authorization", scope)
        .header("x-moto-account-id", &request.account)
        .body(Full::new(request.body.clone()))
        .map_err(io::Error::other)?;
    let response = sender.send_request(built).await.map_err(io::Error::other)?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let headers = parts
        .headers
        .iter()
        .filter(|(name, _)| {
            // What an object would be long is all that HEAD asks for.
            let is_length = *name == "content-length" && request.method == "HEAD";
            is_length || !OF_THE_LINE.contains(&name.as_str())
        })
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body,
    })
}
