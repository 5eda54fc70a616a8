//! How Amazon is reached: through the proxy of the environment, or not at all.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use imgc_testbed::Cloud;

use super::{behaviour, template};
use crate::harness::Test;

/// A test whose Amazon is at an address that only a proxy knows.
fn far(cloud: &Cloud, endpoint: &str) -> Test {
    let from = "  temporary_security_group_source_cidrs = [\"127.0.0.1/32\"]\n  ami_name";
    let mut test = Test::new(&template(cloud).replacen("  ami_name", from, 1));
    for (name, value) in cloud.environment() {
        if name != "AWS_ENDPOINT_URL" {
            test = test.env(name, &value);
        }
    }
    test.env("AWS_ENDPOINT_URL", endpoint)
}

/// A server that refuses everything, and the first lines that it hears.
fn refusing() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (heard, lines) = channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut line = String::new();
            BufReader::new(&client).read_line(&mut line).unwrap();
            // The client may not wait for the answer.
            let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
            if heard.send(line.trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    (url, lines)
}

#[test]
fn a_proxy_of_the_environment_leads_to_amazon() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = far(&cloud, "http://amazon.invalid").env("HTTP_PROXY", &cloud.url());
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
}

#[test]
fn what_is_asked_over_tls_goes_through_a_tunnel_and_says_who_refuses_it() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (proxy, lines) = refusing();
    let test = far(&cloud, "https://amazon.invalid").env("HTTPS_PROXY", &proxy);
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    assert!(text.contains("CONNECT tunnel failed"), "{text}");
    assert!(text.contains("a proxy (HTTPS_PROXY)"), "{text}");
    assert_eq!(
        lines.try_recv().unwrap(),
        "CONNECT amazon.invalid:443 HTTP/1.1"
    );
}

#[test]
fn a_proxy_whose_language_is_not_spoken_is_named() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = far(&cloud, "https://amazon.invalid").env("HTTPS_PROXY", "socks5://127.0.0.1:1");
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    assert!(text.contains("names a proxy by `socks5`"), "{text}");
}

#[test]
fn what_no_proxy_names_is_reached_without_one() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (proxy, lines) = refusing();
    let test = far(&cloud, "https://amazon.invalid")
        .env("HTTPS_PROXY", &proxy)
        .env("NO_PROXY", "invalid");
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    assert!(text.contains("DescribeImages has no answer"), "{text}");
    assert!(lines.try_recv().is_err(), "{text}");
}
