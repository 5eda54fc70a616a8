//! A package archive over HTTP that moves: what is pinned of it, shown, refused, taken.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::{Printed, Test};

/// Serves the files of a directory, on a free port of this machine, until the test's process ends.
fn serve(directory: PathBuf) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever hangs up half-way asks again.
            let _ = answer(stream, &directory);
        }
    });
    port
}

fn answer(mut stream: TcpStream, directory: &Path) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let path = request
        .split(' ')
        .nth(1)
        .unwrap_or("/")
        .trim_start_matches('/');
    let (status, body) = match std::fs::read(directory.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}

const FIRST: &str = "Sat, 21 Nov 2026 08:00:00 UTC";
const SECOND: &str = "Sun, 22 Nov 2026 08:00:00 UTC";

/// The archive as it is from this moment on.
fn publish(test: &Test, date: &str) {
    let index = format!("Suite: bookworm\nDate: {date}\n");
    test.write("archive/debian/dists/bookworm/InRelease", index);
}

fn pinned() -> Test {
    let test = Test::new("");
    let port = serve(test.path("archive"));
    test.write(
        "t.pkr.hcl",
        format!(
            "source \"rootfs\" \"a\" {{\n  from   = \"debian:bookworm\"\n  mirror = [\"http://127.0.0.1:{port}/debian\"]\n}}\n\
             build {{\n  sources = [\"source.rootfs.a\"]\n}}\n"
        ),
    );
    // This machine may have a proxy for its own archives.
    test.write("apt.conf", "Acquire::http::Proxy \"DIRECT\";\n");
    let configuration = test.path("apt.conf");
    publish(&test, FIRST);
    test.env("APT_CONFIG", configuration.to_str().unwrap())
}

fn has(printed: &Printed, code: i32, parts: &[&str]) {
    let text = printed.text();
    assert_eq!(printed.code, code, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// The only pin of the plan.
fn pin(test: &Test) -> serde_json::Value {
    let printed = test.run(&["plan", "-json"]);
    let plan: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(
        plan["pins"].as_array().unwrap().len(),
        1,
        "{}",
        printed.text()
    );
    plan["pins"][0].clone()
}

#[test]
fn an_archive_that_moves_is_shown_in_the_plan_and_refused_when_locked() {
    let test = pinned();
    has(&test.run(&["plan"]), 0, &["From outside", FIRST, "(new)"]);
    has(
        &test.run(&["plan", "-locked"]),
        7,
        &["run/lock-drift", "(new)"],
    );
    assert_eq!(pin(&test)["state"], "new");
    has(&test.run(&["update"]), 0, &["(new)", FIRST]);
    has(&test.run(&["plan", "-locked"]), 0, &["From outside", FIRST]);
    let locked = pin(&test);
    assert_eq!(
        (&locked["state"], &locked["locked"]),
        (&"locked".into(), &locked["value"])
    );
    assert_eq!(locked["builds"], serde_json::json!(["build.rootfs.a"]));
    publish(&test, SECOND);
    // A plan takes what is pinned for granted; one that must hold looks again at what would be bootstrapped.
    has(&test.run(&["plan"]), 0, &[FIRST]);
    let refused = ["run/lock-drift", FIRST, " -> ", SECOND];
    has(&test.run(&["plan", "-locked"]), 7, &refused);
    let lock = test.read("imgc.lock");
    let run = test.run(&["build", "-locked", "."]);
    has(
        &run,
        7,
        &["has moved away from the lock file", FIRST, " -> ", SECOND],
    );
    assert!(!run.stdout.contains("Bootstrapping"), "{}", run.text());
    assert_eq!(test.read("imgc.lock"), lock);
}

#[test]
fn an_archive_that_has_moved_is_named_where_it_is_taken() {
    let test = pinned();
    has(&test.run(&["update"]), 0, &[FIRST]);
    publish(&test, SECOND);
    // There are no packages in it, so bootstrapping fails.
    let run = test.run(&["build", "-retries=0", "."]);
    assert_ne!(run.code, 0);
    assert!(run.stdout.contains("Bootstrapping"), "{}", run.text());
    has(
        &run,
        run.code,
        &["moved since it was pinned: ", FIRST, " -> ", SECOND],
    );
    assert!(test.read("imgc.lock").contains(SECOND));
    has(&test.run(&["plan", "-locked"]), 0, &[SECOND]);
}
