//! Vault and Consul as their documentation says they answer: neither can be installed where these tests run, so a small
//! server on loopback stands in for them. It answers in their format and refuses what they would refuse.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use imgc_http::secrets::{Env, consul_key, vault};

/// A request as it arrived: path with query, headers by lower-case name.
struct Asked {
    path: String,
    headers: BTreeMap<String, String>,
}

/// Answers each connection once, until the test ends; its address.
fn serve(answer: fn(&Asked) -> (u16, String)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (status, body) = answer(&read(&stream));
            let extra = match status {
                307 => "Location: http://elsewhere.invalid/\r\n",
                _ => "",
            };
            write!(
                stream,
                "HTTP/1.1 {status} -\r\nContent-Length: {}\r\n{extra}Connection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
    });
    address
}

fn read(stream: &TcpStream) -> Asked {
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        })
        .collect();
    let path = first.split(' ').nth(1).unwrap().to_owned();
    Asked { path, headers }
}

fn a_vault(asked: &Asked) -> (u16, String) {
    let header = |name: &str| asked.headers.get(name).map(String::as_str);
    if header("x-vault-token") != Some("s.token") {
        return (403, r#"{"errors": ["permission denied"]}"#.to_owned());
    }
    let body = match (asked.path.as_str(), header("x-vault-namespace")) {
        ("/v1/secret/data/web", None) => {
            r#"{"request_id": "1", "lease_id": "", "data": {"data": {"password": "hunter2", "port": 22, "on": true,
            "list": []}, "metadata": {"version": 3}}, "warnings": null}"#
        }
        ("/v1/kv/web", None) => r#"{"data": {"password": "hunter1"}, "warnings": null}"#,
        ("/v1/kv/a%20b%3F", None) => r#"{"data": {"data": "a text of that name"}}"#,
        ("/v1/secret/data/web", Some("team")) => {
            r#"{"data": {"data": {"password": "of the team"}}}"#
        }
        ("/v1/moved", _) => return (307, String::new()),
        _ => return (404, r#"{"errors": []}"#.to_owned()),
    };
    (200, body.to_owned())
}

fn a_consul(asked: &Asked) -> (u16, String) {
    let header = |name: &str| asked.headers.get(name).map(String::as_str);
    match (asked.path.as_str(), header("x-consul-token")) {
        ("/v1/kv/web/version?raw", _) => (200, "1.2.3".to_owned()),
        ("/v1/kv/web/secret?raw", Some("consul-token")) => (200, "hunter2".to_owned()),
        ("/v1/kv/web/secret?raw", _) => (403, "Permission denied".to_owned()),
        ("/v1/kv/web/version?raw&ns=team", _) => (200, "of the team".to_owned()),
        ("/v1/kv/login?raw", _) => (200, header("authorization").unwrap_or("none").to_owned()),
        ("/v1/kv/broken?raw", _) => (500, "oh".to_owned()),
        _ => (404, String::new()),
    }
}

/// One of the two functions.
type Function = fn(Env<'_>, &[&str]) -> Result<String, String>;

/// Asks with an environment.
fn ask(what: Function, env: &[(&str, &str)], arguments: &[&str]) -> Result<String, String> {
    let env = |name: &str| {
        let found = env.iter().find(|(given, _)| *given == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    what(&env, arguments)
}

#[test]
fn both_versions_of_vaults_engine_are_read() {
    let address = format!("http://{}", serve(a_vault));
    let env = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "s.token")];
    let vault = |path, key| ask(|env, a| vault(env, a[0], a[1]), &env, &[path, key]);
    assert_eq!(vault("secret/data/web", "password").unwrap(), "hunter2");
    assert_eq!(vault("/secret/data/web", "port").unwrap(), "22");
    assert_eq!(vault("secret/data/web", "on").unwrap(), "true");
    assert_eq!(vault("kv/web", "password").unwrap(), "hunter1");
    assert_eq!(vault("kv/a b?", "data").unwrap(), "a text of that name");
}

#[test]
fn vaults_refusals_are_explained() {
    let address = format!("http://{}", serve(a_vault));
    let right = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "s.token")];
    let wrong = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "s.other")];
    let vault = |env: &[(&str, &str)], path, key| {
        ask(|env, a| vault(env, a[0], a[1]), env, &[path, key]).unwrap_err()
    };
    assert_eq!(
        vault(&[], "secret/data/web", "password"),
        "Vault cannot be asked without a token; set `VAULT_TOKEN`, and `VAULT_ADDR`"
    );
    assert_eq!(
        vault(&wrong, "secret/data/web", "password"),
        format!(
            "Vault at {address} answered 403 Forbidden for `secret/data/web`: permission denied"
        )
    );
    assert_eq!(
        vault(&right, "secret/data/db", "password"),
        format!("Vault at {address} has no secret at `secret/data/db`")
    );
    assert_eq!(
        vault(&right, "secret/data/web", "user"),
        "the secret at `secret/data/web` in Vault has no key `user`"
    );
    assert_eq!(
        vault(&right, "secret/data/web", "list"),
        "the key `list` of the secret at `secret/data/web` in Vault is neither a text, a number nor a bool"
    );
    assert_eq!(
        vault(&right, "moved", "x"),
        format!("Vault at {address} says to ask elsewhere: http://elsewhere.invalid/")
    );
    let missing = [right[0], right[1], ("VAULT_CACERT", "nowhere/ca.pem")];
    assert!(vault(&missing, "kv/web", "password").starts_with("`VAULT_CACERT`: nowhere/ca.pem: "));
}

#[test]
fn vaults_namespace_is_told() {
    let address = format!("http://{}", serve(a_vault));
    let env = [
        ("VAULT_ADDR", address.as_str()),
        ("VAULT_TOKEN", "s.token"),
        ("VAULT_NAMESPACE", "team"),
    ];
    let found = ask(
        |env, a| vault(env, a[0], a[1]),
        &env,
        &["secret/data/web", "password"],
    );
    assert_eq!(found.unwrap(), "of the team");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let env = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "s.token")];
    let message = ask(|env, a| vault(env, a[0], a[1]), &env, &["a", "b"]).unwrap_err();
    let wanted = format!("Vault at {address} cannot be asked: ");
    assert!(message.starts_with(&wanted), "{message}");
    assert!(!message.contains("s.token"), "{message}");
}

#[test]
fn keys_of_consul_are_read() {
    let address = serve(a_consul);
    let consul = |env: &[(&str, &str)], key| {
        let address = ("CONSUL_HTTP_ADDR", address.as_str());
        let env: Vec<_> = env.iter().copied().chain([address]).collect();
        ask(|env, a| consul_key(env, a[0]), &env, &[key])
    };
    let token = [("CONSUL_HTTP_TOKEN", "consul-token")];
    assert_eq!(consul(&[], "web/version").unwrap(), "1.2.3");
    assert_eq!(consul(&[], "/web/version").unwrap(), "1.2.3");
    assert_eq!(consul(&token, "web/secret").unwrap(), "hunter2");
    assert_eq!(
        consul(&[("CONSUL_NAMESPACE", "team")], "web/version").unwrap(),
        "of the team"
    );
    assert_eq!(
        consul(&[("CONSUL_HTTP_AUTH", "me:pass")], "login").unwrap(),
        "Basic bWU6cGFzcw=="
    );
    assert_eq!(
        consul(&[], "web/secret").unwrap_err(),
        format!(
            "Consul at http://{address} does not let this token read `web/secret`; set `CONSUL_HTTP_TOKEN`"
        )
    );
    assert_eq!(
        consul(&[], "nothing").unwrap_err(),
        format!("Consul at http://{address} has no key `nothing`")
    );
    assert_eq!(
        consul(&[], "broken").unwrap_err(),
        format!("Consul at http://{address} answered 500 Internal Server Error for `broken`")
    );
    // Asked with TLS, a server without it does not answer.
    assert!(
        consul(&[("CONSUL_HTTP_SSL", "true")], "web/version")
            .unwrap_err()
            .starts_with(&format!("Consul at https://{address} cannot be asked: "))
    );
}
