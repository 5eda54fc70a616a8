//! The data source `http`: one request, its answer as text. Options and outputs are those of Packer's.

use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::data_source::DataSource;
use ureq::http::{HeaderMap, Method, Request};

use crate::client::{self, MAX_ANSWER};

/// The most redirections that are followed.
const REDIRECTIONS: u32 = 10;

/// `http`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Http;

impl DataSource for Http {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        let text = |name: &str| options.get(name).and_then(Value::as_str);
        if let Some(url) = text("url").filter(|url| !url.is_empty())
            && !url.starts_with("http://")
            && !url.starts_with("https://")
        {
            problems.push(
                Problem::new("an address begins with `http://` or `https://`")
                    .of("url")
                    .help("write the whole address"),
            );
        }
        if let Some(method) = text("method").filter(|method| !method.is_empty())
            && !METHODS.contains(&method)
        {
            problems.push(
                Problem::new(format!("`{method}` is not a method of HTTP"))
                    .of("method")
                    .help(format!("write one of {}", METHODS.join(", "))),
            );
        }
        problems
    }

    fn read(&self, options: &Value) -> Result<Value, Problem> {
        let request = request(options)?;
        let failed = |error: ureq::Error| {
            let (message, help) = client::explain(&error);
            Problem::new(message).of("url").help(help)
        };
        let mut answer = client::agent(REDIRECTIONS).run(request).map_err(failed)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(Problem::new(format!("the server answered {status}"))
                .of("url")
                .help("check the address and the `request_headers`"));
        }
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER)
            .read_to_vec()
            .map_err(failed)?;
        let body = String::from_utf8(bytes).map_err(|_| {
            Problem::new("the answer is not UTF-8 text")
                .of("url")
                .help("data sources are for texts; let a provisioner download other files")
        })?;
        let url = options.get("url").cloned().unwrap_or(Value::string(""));
        Ok(Value::object([
            ("body", Value::string(body)),
            ("request_headers", headers(answer.headers())),
            ("url", url),
        ]))
    }
}

const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

fn request(options: &Value) -> Result<Request<String>, Problem> {
    let text = |name: &str| {
        let given = options.get(name).and_then(Value::as_str);
        given.unwrap_or_default().to_owned()
    };
    let method = Some(text("method")).filter(|method| !method.is_empty());
    let method = method.unwrap_or_else(|| "GET".to_owned());
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET))
        .uri(text("url"));
    let given = options.get("request_headers").and_then(Value::as_map);
    for (name, value) in given.into_iter().flatten() {
        request = request.header(name.as_str(), value.as_str().unwrap_or_default());
    }
    request.body(text("request_body")).map_err(|error| {
        Problem::new(format!("this request cannot be made: {error}"))
            .help("check `url` and the names and values of `request_headers`")
    })
}

/// The answer's headers, which Packer calls `request_headers`; those that come several times joined by commas.
fn headers(headers: &HeaderMap) -> Value {
    let joined = headers.keys().map(|name| {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        (canonical(name.as_str()), Value::string(values.join(", ")))
    });
    Value::map(imgc_compiler::types::Type::String, joined)
}

/// A header's name with capitals, as Packer has them: `Content-Type`.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}
