//! What a request asks: from HTTP to service, action and flattened parameters.

use std::collections::BTreeMap;

use base64::Engine as _;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::upstream::REGION;

/// The account of credentials that name none.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Parameters that are credentials or made from them; never kept.
const SECRETS: [&str; 12] = [
    "AWSAccessKeyId",
    "SAMLAssertion",
    "SecretBinary",
    "SecretString",
    "SecurityToken",
    "Signature",
    "WebIdentityToken",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "accessToken",
    "clientSecret",
];

/// A request of any service.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The id of the access key; only to tell one credential from another.
    pub(crate) credential: String,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) service: String,
    pub(crate) action: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn new(parts: &Parts, body: Bytes) -> Self {
        let path = parts
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let query = parts.uri.query().unwrap_or_default();
        let mut request = Self {
            method: parts.method.to_string(),
            path,
            headers: parts.headers.clone(),
            body,
            credential: String::new(),
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            service: "s3".to_owned(),
            action: String::new(),
            parameters: BTreeMap::new(),
        };
        request.read_scope(query);
        request.read_parameters(query);
        for secret in SECRETS {
            request.parameters.remove(secret);
        }
        request
    }

    /// A request that this cloud makes of itself, with nothing in it.
    pub(crate) fn internal(service: &str, account: &str, region: &str) -> Self {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        headers.insert("content-type", form);
        Self {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers,
            body: Bytes::new(),
            credential: String::new(),
            account: account.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            action: String::new(),
            parameters: BTreeMap::new(),
        }
    }

    /// Makes it a request of a service that speaks JSON, such as `AmazonSSM.DescribeParameters`.
    pub(crate) fn target(&mut self, target: &'static str, body: String) {
        let json = HeaderValue::from_static("application/x-amz-json-1.1");
        self.headers.insert("content-type", json);
        self.headers
            .insert("x-amz-target", HeaderValue::from_static(target));
        self.body = body.into();
    }

    /// A request of EC2's that this cloud makes itself, in the place of another one.
    pub(crate) fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> Self {
        let mut request = Self::internal("ec2", &self.account, &self.region);
        request.credential.clone_from(&self.credential);
        request.action = action.to_owned();
        let parameters = parameters.iter();
        request.parameters = parameters
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        request.write_form();
        request
    }

    /// The same request with other parameters.
    pub(crate) fn with(&self, parameters: BTreeMap<String, String>) -> Self {
        let mut request = self.ec2(&self.action, &[]);
        request.parameters = parameters;
        request.write_form();
        request
    }

    fn write_form(&mut self) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", &self.action);
        form.append_pair("Version", "2016-11-15");
        form.extend_pairs(&self.parameters);
        self.body = form.finish().into();
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// The members of a list of single values.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        (1..)
            .map_while(|at| self.parameters.get(&format!("{name}.{at}")).cloned())
            .collect()
    }

    /// When it was signed, as its headers say.
    pub(crate) fn signed_at(&self) -> Option<jiff::Timestamp> {
        let text = self.headers.get("x-amz-date")?.to_str().ok()?;
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    }

    /// Credential, region and service of a signature: `Credential=KEY/20260101/us-east-1/ec2/aws4_request`.
    fn read_scope(&mut self, query: &str) {
        let header = self.headers.get("authorization");
        let header = header.and_then(|value| value.to_str().ok());
        let in_query = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "X-Amz-Credential")
            .map(|(_, value)| value.into_owned());
        let scope = match header.and_then(|header| header.split_once("Credential=")) {
            Some((_, scope)) => scope.split([',', ' ']).next().map(str::to_owned),
            None => in_query,
        };
        if let Some([key, _, region, service, _]) = scope
            .as_deref()
            .map(|scope| scope.split('/').collect::<Vec<_>>())
            .as_deref()
        {
            self.credential = (*key).to_owned();
            self.region = (*region).to_owned();
            self.service = service.to_lowercase();
            if is_account(key) {
                self.account = (*key).to_owned();
            }
        }
    }

    fn read_parameters(&mut self, query: &str) {
        let kind = self.headers.get("content-type");
        let kind = kind.and_then(|value| value.to_str().ok());
        let is_form = kind.is_some_and(|kind| kind.contains("x-www-form-urlencoded"));
        let target = self.headers.get("x-amz-target");
        let target = target.and_then(|value| value.to_str().ok());
        self.parameters = pairs(query.as_bytes());
        if let Some((_, action)) = target.and_then(|target| target.rsplit_once('.')) {
            self.action = action.to_owned();
            if let Ok(value) = serde_json::from_slice(&self.body) {
                flatten("", &value, &mut self.parameters);
            }
            return;
        }
        if is_form {
            self.parameters.extend(pairs(&self.body));
        }
        if let Some(action) = self.parameters.remove("Action") {
            self.parameters.remove("Version");
            if self.credential.is_empty() {
                // The calls that need no signature are those that get credentials.
                self.service = "sts".to_owned();
            }
            self.action = action;
        } else if self.service == "s3" {
            self.read_s3();
        } else {
            let path = self.path.split('?').next().unwrap_or_default();
            self.action = format!("{} {path}", self.method);
        }
    }

    fn read_s3(&mut self) {
        let path = self.path.split('?').next().unwrap_or_default();
        let path = percent_decode_str(path.trim_start_matches('/')).decode_utf8_lossy();
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let with = |name: &str| self.parameters.contains_key(name);
        let action = match (self.method.as_str(), bucket.is_empty(), key.is_empty()) {
            ("GET", true, _) => "ListBuckets",
            ("GET", _, true) if with("location") => "GetBucketLocation",
            ("GET", _, true) if with("uploads") => "ListMultipartUploads",
            ("GET", _, true) => "ListObjectsV2",
            ("GET", ..) if with("uploadId") => "ListParts",
            ("GET", ..) => "GetObject",
            ("HEAD", _, true) => "HeadBucket",
            ("HEAD", ..) => "HeadObject",
            ("PUT", _, true) => "CreateBucket",
            ("PUT", ..) if with("partNumber") => "UploadPart",
            ("PUT", ..) if self.headers.contains_key("x-amz-copy-source") => "CopyObject",
            ("PUT", ..) => "PutObject",
            ("POST", _, true) if with("delete") => "DeleteObjects",
            ("POST", ..) if with("uploads") => "CreateMultipartUpload",
            ("POST", ..) if with("uploadId") => "CompleteMultipartUpload",
            ("DELETE", _, true) => "DeleteBucket",
            ("DELETE", ..) if with("uploadId") => "AbortMultipartUpload",
            ("DELETE", ..) => "DeleteObject",
            _ => "Unknown",
        };
        self.action = action.to_owned();
        for (name, value) in [("Bucket", bucket), ("Key", key)] {
            if !value.is_empty() {
                self.parameters.insert(name.to_owned(), value);
            }
        }
    }
}

/// Whether the id of an access key is the number of an account, which is how a test says whose call it is.
fn is_account(key: &str) -> bool {
    key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit())
}

fn pairs(form: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(form)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

fn flatten(name: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let inner = |key: &str| {
        if name.is_empty() {
            key.to_owned()
        } else {
            format!("{name}.{key}")
        }
    };
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                flatten(&inner(key), value, into);
            }
        }
        Value::Array(members) => {
            for (at, value) in members.iter().enumerate() {
                flatten(&inner(&(at + 1).to_string()), value, into);
            }
        }
        Value::String(text) => {
            into.insert(name.to_owned(), text.clone());
        }
        other => {
            into.insert(name.to_owned(), other.to_string());
        }
    }
}

/// The bytes that Base64 text stands for; none if it is none.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap_or_default()
}

/// Bytes as Base64.
pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
