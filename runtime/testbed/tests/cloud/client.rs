//! A caller of AWS that hides nothing: one connection for each request, no retries.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use imgc_testbed::Cloud;

/// Longer than any answer takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Who asks, and where.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    pub(crate) key: String,
    pub(crate) region: String,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(cloud: &Cloud) -> Self {
        Self {
            address: cloud.address(),
            key: "testing".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// A call of a service with the query protocol; `None` when the connection ends without an answer.
    pub(crate) fn query(
        &self,
        service: &str,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Option<Answer> {
        let mut form = format!("Action={action}");
        for (name, value) in parameters {
            form.push_str(&format!("&{name}={}", escaped(value)));
        }
        let head = "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        self.send(service, head, form.as_bytes())
    }

    /// A call of EC2's that is answered.
    pub(crate) fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.query("ec2", action, parameters).unwrap()
    }

    /// A call of EC2's that goes well: the XML.
    pub(crate) fn ok(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let answer = self.ec2(action, parameters);
        assert_eq!(answer.status, 200, "{action}: {}", answer.body);
        answer.body
    }

    /// A call of EC2's that fails: status and code.
    pub(crate) fn refused(&self, action: &str, parameters: &[(&str, &str)]) -> (u16, String) {
        let answer = self.ec2(action, parameters);
        assert_ne!(answer.status, 200, "{action}: {}", answer.body);
        (answer.status, answer.text("Code"))
    }

    /// A call of a service that speaks JSON: `AmazonSSM.PutParameter`.
    pub(crate) fn json(&self, service: &str, target: &str, body: &str) -> Answer {
        let head = format!(
            "POST / HTTP/1.1\r\nX-Amz-Target: {target}\r\nContent-Type: application/x-amz-json-1.1\r\n"
        );
        self.send(service, &head, body.as_bytes()).unwrap()
    }

    /// A request of S3's.
    pub(crate) fn s3(&self, method: &str, path: &str, body: &str) -> Answer {
        let head = format!("{method} {path} HTTP/1.1\r\n");
        self.send("s3", &head, body.as_bytes()).unwrap()
    }

    /// The same caller of another server.
    pub(crate) fn at(&self, url: &str) -> Self {
        Self {
            address: url.trim_start_matches("http://").parse().unwrap(),
            ..self.clone()
        }
    }

    /// A request with its first lines as given.
    pub(crate) fn send(&self, service: &str, head: &str, body: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let (key, region) = (&self.key, &self.region);
        let rest = format!(
            "Host: {}\r\nContent-Length: {}\r\nConnection: close\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=secret-signature\r\n\
             X-Amz-Security-Token: secret-token\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(rest.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        // A connection that is cut may end with an error as well.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some(Answer {
            status: head.split(' ').nth(1)?.parse().ok()?,
            body: body.to_owned(),
        })
    }
}

impl Answer {
    /// The text of the first element of a name; empty if there is none.
    pub(crate) fn text(&self, element: &str) -> String {
        text(&self.body, element)
    }
}

/// The text of the first element of a name in XML; empty if there is none.
pub(crate) fn text(xml: &str, element: &str) -> String {
    texts(xml, element).into_iter().next().unwrap_or_default()
}

/// The texts of all elements of a name that hold nothing else.
pub(crate) fn texts(xml: &str, element: &str) -> Vec<String> {
    let open = format!("<{element}>");
    let parts = xml.split(open.as_str()).skip(1);
    parts
        .filter_map(|part| part.split('<').next().map(str::to_owned))
        .collect()
}

fn escaped(text: &str) -> String {
    let bytes = text.bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}
