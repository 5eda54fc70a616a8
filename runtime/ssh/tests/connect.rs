//! Connecting: every way to log in, every way to fail.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, unreachable_pub)]
mod support;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use imgc_compiler::value::Value;
use imgc_runtime::builder::Endpoint;
use imgc_runtime::communicator::Communicator;
use imgc_runtime::error::{Class, Error};
use imgc_runtime::event::Level;
use imgc_runtime::machine::Exit;
use imgc_ssh::SshCommunicator;
use imgc_testbed::{DelayProxy, ORDINARY_USER, Options, PASSWORD, Sshd};
use support::{Bench, with_key};

fn sshd() -> Sshd {
    Sshd::start(Options::default()).unwrap()
}

fn with_accounts() -> Sshd {
    Sshd::start(Options {
        accounts: true,
        ..Options::default()
    })
    .unwrap()
}

async fn refused(bench: &Bench, options: Value) -> Error {
    match bench.connect(options).await {
        Ok(_) => panic!("it connects"),
        Err(error) => error,
    }
}

fn password_options(sshd: &Sshd, user: &str, password: &str) -> Value {
    Value::object([
        ("ssh_host", Value::string("127.0.0.1")),
        ("ssh_port", Value::number(u64::from(sshd.port()))),
        ("ssh_username", Value::string(user)),
        ("ssh_password", Value::string(password).mark(true)),
        ("ssh_handshake_attempts", Value::number(2)),
        ("ssh_timeout", Value::string("20s")),
    ])
}

#[tokio::test]
async fn a_key_opens_the_machine_and_nothing_stays_behind() {
    let (sshd, bench) = (sshd(), Bench::new());
    let machine = bench.connect(with_key(&sshd, &[])).await.unwrap();
    let facts = machine.facts();
    assert_eq!(facts["Host"], "127.0.0.1");
    assert_eq!(facts["Port"], sshd.port().to_string());
    assert_eq!(facts["User"], sshd.user());
    assert_eq!(facts["ConnType"], "ssh");
    let (exit, lines) = bench.run(&*machine, "echo out; echo err >&2").await;
    assert_eq!(
        (exit, lines),
        (Exit::Code(0), vec!["out".to_owned(), "err".to_owned()])
    );
    assert_eq!(sshd.connections(), 1, "one connection for everything");
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
    assert!(!bench.path(".ssh").exists());
}

#[tokio::test]
async fn a_machine_that_is_dropped_leaves_nothing() {
    let (sshd, bench) = (sshd(), Bench::new());
    let machine = bench.connect(with_key(&sshd, &[])).await.unwrap();
    drop(machine);
    support::until("the end of all processes", || bench.leftovers().is_empty()).await;
}

#[tokio::test]
async fn a_password_opens_the_machine_and_is_seen_nowhere() {
    let (sshd, bench) = (with_accounts(), Bench::new());
    let machine = bench
        .connect(password_options(&sshd, ORDINARY_USER, PASSWORD))
        .await
        .unwrap();
    assert_eq!(bench.run(&*machine, "id -un").await.1, [ORDINARY_USER]);
    assert_eq!(support::processes(PASSWORD), Vec::<String>::new());
    for directory in std::fs::read_dir(&bench.cx.scratch).unwrap() {
        assert!(
            !directory.unwrap().path().join("p").exists(),
            "the file with the password is still there"
        );
    }
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_password_is_said_after_the_attempts_allowed() {
    let (sshd, bench) = (with_accounts(), Bench::new());
    let start = Instant::now();
    let error = refused(&bench, password_options(&sshd, "root", "wrong")).await;
    assert_eq!(
        (error.id, error.class),
        ("run/ssh-authentication", Class::Remote)
    );
    assert!(
        error.message.contains("after 2 attempts (tried: password)"),
        "{}",
        error.message
    );
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_key_is_named_with_what_the_server_accepts() {
    let (sshd, bench) = (sshd(), Bench::new());
    let key = bench.path("other");
    generate_key(&key);
    let options = with_key(
        &sshd,
        &[
            ("ssh_private_key_file", Value::string("~/other")),
            ("ssh_handshake_attempts", Value::number(1)),
        ],
    );
    let error = refused(&bench, options).await;
    assert_eq!(error.id, "run/ssh-authentication");
    assert!(
        error.message.contains(key.to_str().unwrap()),
        "{}",
        error.message
    );
    assert!(error.help.unwrap().contains("it accepts: publickey"));
    assert!(
        bench
            .text()
            .contains("  login: the login was refused; tried: key "),
        "{}",
        bench.text()
    );
}

#[tokio::test]
async fn a_key_that_ssh_would_refuse_is_explained_before_connecting() {
    let (sshd, bench) = (sshd(), Bench::new());
    let options = |path: &Path| {
        with_key(
            &sshd,
            &[(
                "ssh_private_key_file",
                Value::string(path.to_str().unwrap()),
            )],
        )
    };
    let missing = refused(&bench, options(&bench.path("missing"))).await;
    assert!(
        missing.message.contains("cannot be read"),
        "{}",
        missing.message
    );
    let public = bench.path("public");
    std::fs::write(&public, "ssh-ed25519 AAAA").unwrap();
    std::fs::set_permissions(&public, PermissionsExt::from_mode(0o600)).unwrap();
    let public = refused(&bench, options(&public)).await;
    assert!(
        public.message.contains("is a public key"),
        "{}",
        public.message
    );
    assert_eq!(
        (missing.id, public.id),
        ("run/ssh-key-file", "run/ssh-key-file")
    );
}

#[tokio::test]
async fn an_agent_opens_the_machine() {
    let sshd = sshd();
    let agent = Agent::start(&sshd);
    // The agent is found through the environment of this process, as ssh itself finds it; so a child with its own
    // environment runs the test proper.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "agent_child", "--ignored", "--nocapture"])
        .env("SSH_AUTH_SOCK", &agent.socket)
        .env("IMGC_TEST_PORT", sshd.port().to_string())
        .env("IMGC_TEST_USER", sshd.user())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[tokio::test]
#[ignore = "the second half of an_agent_opens_the_machine"]
async fn agent_child() {
    let socket = std::env::var("SSH_AUTH_SOCK").unwrap();
    let bench = Bench::with_env(&[("SSH_AUTH_SOCK", socket)]);
    let port: u64 = std::env::var("IMGC_TEST_PORT").unwrap().parse().unwrap();
    let options = |more: &[(&'static str, Value)]| {
        let mut options = vec![
            ("ssh_host", Value::string("127.0.0.1")),
            ("ssh_port", Value::number(port)),
            (
                "ssh_username",
                Value::string(std::env::var("IMGC_TEST_USER").unwrap()),
            ),
            ("ssh_agent_auth", Value::bool(true)),
        ];
        options.extend(more.iter().cloned());
        Value::object(options)
    };
    let machine = bench.connect(options(&[])).await.unwrap();
    let forwarded = bench.run(&*machine, "ssh-add -l").await;
    assert_eq!(
        forwarded.0,
        Exit::Code(0),
        "the agent is not there on the machine: {forwarded:?}"
    );
    machine.disconnect().await.unwrap();
    let machine = bench
        .connect(options(&[(
            "ssh_disable_agent_forwarding",
            Value::bool(true),
        )]))
        .await
        .unwrap();
    assert_eq!(bench.run(&*machine, "ssh-add -l").await.0, Exit::Code(2));
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn without_an_agent_the_option_is_explained() {
    let (sshd, bench) = (sshd(), Bench::new());
    let error = refused(
        &bench,
        with_key(&sshd, &[("ssh_agent_auth", Value::bool(true))]),
    )
    .await;
    assert!(error.message.contains("no agent runs"), "{}", error.message);
}

#[tokio::test]
async fn a_bastion_is_passed() {
    let (sshd, bastion, bench) = (sshd(), with_accounts(), Bench::new());
    let options = with_key(
        &sshd,
        &[
            ("ssh_bastion_host", Value::string("127.0.0.1")),
            ("ssh_bastion_port", Value::number(u64::from(bastion.port()))),
            ("ssh_bastion_username", Value::string(ORDINARY_USER)),
            ("ssh_bastion_password", Value::string(PASSWORD)),
        ],
    );
    let machine = bench.connect(options).await.unwrap();
    assert_eq!(bench.run(&*machine, "echo through").await.1, ["through"]);
    assert_eq!((sshd.connections(), bastion.connections()), (1, 1));
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_bastion_that_refuses_is_named() {
    let (sshd, bastion, bench) = (sshd(), sshd(), Bench::new());
    let options = with_key(
        &sshd,
        &[
            ("ssh_bastion_host", Value::string("127.0.0.1")),
            ("ssh_bastion_port", Value::number(u64::from(bastion.port()))),
            ("ssh_bastion_username", Value::string(bastion.user())),
            (
                "ssh_bastion_private_key_file",
                Value::string(sshd.key().to_str().unwrap()),
            ),
            ("ssh_handshake_attempts", Value::number(1)),
        ],
    );
    let error = refused(&bench, options).await;
    assert!(
        error.message.starts_with("the bastion "),
        "{}",
        error.message
    );
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn the_first_key_of_an_unknown_host_is_pinned_and_said() {
    let (mut sshd, bench) = (sshd(), Bench::new());
    let machine = bench.connect(with_key(&sshd, &[])).await.unwrap();
    let fingerprint = fingerprint(&sshd);
    assert!(
        bench
            .lines(Level::Say)
            .iter()
            .any(|line| line.contains("pinned for this run") && line.contains(&fingerprint)),
        "{}",
        bench.text()
    );
    sshd.change_host_key().unwrap();
    let error = machine
        .reconnect(Duration::from_secs(20))
        .await
        .unwrap_err();
    assert_eq!(error.id, "run/ssh-host-key");
    assert!(
        error.message.contains("not the one that is known"),
        "{}",
        error.message
    );
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_known_key_is_enforced_and_a_changed_one_is_an_error() {
    let (mut sshd, bench) = (sshd(), Bench::new());
    let known_hosts = bench.path(".ssh/known_hosts");
    std::fs::create_dir(bench.path(".ssh")).unwrap();
    std::fs::write(&known_hosts, sshd.known_hosts_line()).unwrap();
    for policy in ["verify", "strict"] {
        let machine = bench
            .connect(with_key(&sshd, &[("host_key", Value::string(policy))]))
            .await
            .unwrap();
        machine.disconnect().await.unwrap();
    }
    assert!(!bench.text().contains("pinned"), "{}", bench.text());
    sshd.change_host_key().unwrap();
    let error = refused(&bench, with_key(&sshd, &[])).await;
    assert_eq!(error.id, "run/ssh-host-key");
    assert!(
        error.message.contains(&fingerprint(&sshd)),
        "{}",
        error.message
    );
    assert!(error.help.unwrap().contains("ssh-keygen -R '[127.0.0.1]:"));
    let machine = bench
        .connect(with_key(&sshd, &[("host_key", Value::string("insecure"))]))
        .await
        .unwrap();
    assert!(bench.lines(Level::Warning)[0].contains("host_key = \"insecure\""));
    machine.disconnect().await.unwrap();
    assert_ne!(
        std::fs::read_to_string(&known_hosts).unwrap(),
        sshd.known_hosts_line(),
        "known_hosts was written"
    );
}

#[tokio::test]
async fn strict_refuses_an_unknown_host() {
    let (sshd, bench) = (sshd(), Bench::new());
    let error = refused(
        &bench,
        with_key(&sshd, &[("host_key", Value::string("strict"))]),
    )
    .await;
    assert_eq!(error.id, "run/ssh-host-key");
    assert!(
        error.message.contains("the host key is not known"),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn a_key_the_builder_vouches_for_counts_alone() {
    let (mut sshd, bench) = (sshd(), Bench::new());
    let endpoint = Endpoint {
        host: Some("127.0.0.1".to_owned()),
        port: Some(sshd.port()),
        user: Some(sshd.user()),
        private_key: Some(sshd.key()),
        host_keys: vec![sshd.host_key()],
    };
    let options = Value::object([("ssh_timeout", Value::string("20s"))]);
    // A line left by an earlier machine at the same address does not matter.
    sshd.change_host_key().unwrap();
    std::fs::create_dir(bench.path(".ssh")).unwrap();
    std::fs::write(bench.path(".ssh/known_hosts"), sshd.known_hosts_line()).unwrap();
    let error = match SshCommunicator
        .connect(&bench.cx, &options, &endpoint)
        .await
    {
        Ok(_) => panic!("another key than the vouched one is accepted"),
        Err(error) => error,
    };
    assert_eq!(error.id, "run/ssh-host-key");
    let endpoint = Endpoint {
        host_keys: vec![sshd.host_key()],
        ..endpoint
    };
    std::fs::write(bench.path(".ssh/known_hosts"), "").unwrap();
    let machine = SshCommunicator
        .connect(&bench.cx, &options, &endpoint)
        .await
        .unwrap();
    assert!(!bench.text().contains("pinned"), "{}", bench.text());
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_closed_port_is_waited_for_and_then_named() {
    let bench = Bench::new();
    let sshd = sshd();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = with_key(
        &sshd,
        &[
            ("ssh_port", Value::number(u64::from(port))),
            ("ssh_timeout", Value::string("700ms")),
        ],
    );
    let start = Instant::now();
    let error = refused(&bench, options).await;
    assert_eq!(error.id, "run/ssh-refused");
    assert!(
        error
            .message
            .ends_with("nothing listens on the port (gave up after 700ms)"),
        "{}",
        error.message
    );
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_silent_port_is_named_after_the_timeout() {
    let bench = Bench::new();
    let sshd = sshd();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let options = with_key(
        &sshd,
        &[
            (
                "ssh_port",
                Value::number(u64::from(listener.local_addr().unwrap().port())),
            ),
            ("ssh_timeout", Value::string("1s")),
        ],
    );
    let start = Instant::now();
    let error = refused(&bench, options).await;
    assert_eq!(
        (error.id, error.class),
        ("run/ssh-no-banner", Class::Timeout)
    );
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_without_address_is_named() {
    let (sshd, bench) = (sshd(), Bench::new());
    let options = with_key(
        &sshd,
        &[
            ("ssh_host", Value::string("no-such-host.invalid")),
            ("ssh_timeout", Value::string("500ms")),
        ],
    );
    let error = refused(&bench, options).await;
    assert_eq!(error.id, "run/ssh-name", "{}", bench.text());
}

#[tokio::test]
async fn a_machine_that_wakes_up_is_met_at_once() {
    let bench = Bench::new();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut sshd = Sshd::start(Options {
        port: Some(port),
        ..Options::default()
    })
    .unwrap();
    sshd.stop();
    let options = with_key(&sshd, &[]);
    let waking = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(400));
        sshd.restart().unwrap();
        (sshd, Instant::now())
    });
    let machine = bench.connect(options).await.unwrap();
    let met = Instant::now();
    let (_sshd, awake) = waking.await.unwrap();
    assert!(met - awake < Duration::from_secs(2), "{:?}", met - awake);
    assert!(bench.text().contains("waiting for"), "{}", bench.text());
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_never_wakes_up_is_replaced() {
    // As the user network of QEMU does it: the first connection is accepted and forgotten.
    let (sshd, bench) = (sshd(), Bench::new());
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let target = sshd.address();
    std::thread::spawn(move || {
        let first = listener.accept().unwrap();
        let proxy = DelayProxy::start(target, Duration::ZERO, None).unwrap();
        while let Ok((client, _)) = listener.accept() {
            let server = std::net::TcpStream::connect(proxy.address()).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
        drop(first);
    });
    let start = Instant::now();
    let options = with_key(&sshd, &[("ssh_port", Value::number(u64::from(port)))]);
    let machine = bench.connect(options).await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_wait_is_cancelled_at_once() {
    let bench = Bench::new();
    let sshd = sshd();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = u64::from(listener.local_addr().unwrap().port());
    let options = with_key(&sshd, &[("ssh_port", Value::number(port))]);
    let cancel = bench.cx.cancel.clone();
    let canceller = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
        Instant::now()
    });
    let error = refused(&bench, options).await;
    let ended = Instant::now();
    assert_eq!(error.class, Class::Cancelled);
    assert!(ended - canceller.await.unwrap() < Duration::from_secs(1));
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_wait_that_is_dropped_leaves_nothing() {
    let (sshd, bench) = (sshd(), Bench::new());
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = u64::from(listener.local_addr().unwrap().port());
    let connect = bench.connect(with_key(&sshd, &[("ssh_port", Value::number(port))]));
    let dropped = tokio::time::timeout(Duration::from_millis(300), connect).await;
    assert!(dropped.is_err());
    support::until("the end of all processes", || bench.leftovers().is_empty()).await;
}

#[tokio::test]
async fn the_pause_comes_between_two_connections() {
    let (sshd, bench) = (sshd(), Bench::new());
    let start = Instant::now();
    let options = with_key(
        &sshd,
        &[("pause_before_connecting", Value::string("500ms"))],
    );
    let machine = bench.connect(options).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(500));
    // The server may write it down when it has let in already.
    let logins = || sshd.log().matches("Accepted publickey").count();
    while logins() < 2 && start.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(logins(), 2);
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_terminal_ciphers_and_tunnels_are_had_on_request() {
    let (sshd, bench) = (sshd(), Bench::new());
    let tunnel = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = with_key(
        &sshd,
        &[
            ("ssh_pty", Value::bool(true)),
            ("ssh_ciphers", Value::strings(["aes256-ctr"])),
            (
                "ssh_key_exchange_algorithms",
                Value::strings(["ecdh-sha2-nistp256"]),
            ),
            (
                "ssh_local_tunnels",
                Value::strings([format!("{tunnel}:127.0.0.1:{}", sshd.port())]),
            ),
        ],
    );
    let machine = bench.connect(options).await.unwrap();
    let (exit, lines) = bench
        .run(&*machine, "test -t 1 && echo terminal; exit 7")
        .await;
    assert_eq!((exit, lines), (Exit::Code(7), vec!["terminal".to_owned()]));
    assert_eq!(bench.run(&*machine, "exit 255").await.0, Exit::Code(255));
    let mut banner = [0; 4];
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", tunnel)).unwrap();
    std::io::Read::read_exact(&mut stream, &mut banner).unwrap();
    assert_eq!(&banner, b"SSH-");
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn an_unknown_cipher_is_the_templates_matter() {
    let (sshd, bench) = (sshd(), Bench::new());
    let error = refused(
        &bench,
        with_key(&sshd, &[("ssh_ciphers", Value::strings(["rot13"]))]),
    )
    .await;
    assert_eq!(
        (error.id, error.class),
        ("run/ssh-option", Class::Template),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn what_ssh_does_not_take_is_said_although_nobody_answers() {
    let (sshd, bench) = (sshd(), Bench::new());
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    // A listener that accepts nobody, and then none at all.
    for keeps in [Some(free), None] {
        let options = with_key(
            &sshd,
            &[
                ("ssh_ciphers", Value::strings(["rot13"])),
                ("ssh_port", Value::number(u64::from(port))),
                ("ssh_timeout", Value::string("60s")),
            ],
        );
        let begun = std::time::Instant::now();
        let error = refused(&bench, options).await;
        assert_eq!(error.id, "run/ssh-option", "{}", error.message);
        assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
        drop(keeps);
    }
}

#[tokio::test]
async fn a_socks_proxy_is_passed() {
    let (sshd, bench) = (sshd(), Bench::new());
    let proxy = socks(&[("user", "secret")]);
    let options = |password: &str| {
        with_key(
            &sshd,
            &[
                ("ssh_proxy_host", Value::string("127.0.0.1")),
                ("ssh_proxy_port", Value::number(u64::from(proxy))),
                ("ssh_proxy_username", Value::string("user")),
                ("ssh_proxy_password", Value::string(password)),
                ("ssh_timeout", Value::string("2s")),
            ],
        )
    };
    let machine = bench.connect(options("secret")).await.unwrap();
    assert_eq!(bench.run(&*machine, "echo through").await.1, ["through"]);
    machine.disconnect().await.unwrap();
    let error = refused(&bench, options("wrong")).await;
    assert_eq!(error.id, "run/ssh-proxy", "{}", error.message);
    assert!(
        error.message.ends_with("it refuses user name and password"),
        "{}",
        error.message
    );
}

/// A SOCKS5 proxy that wants a login (RFC 1928, RFC 1929).
fn socks(logins: &'static [(&str, &str)]) -> u16 {
    use std::io::{Read, Write};
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let text = |client: &mut std::net::TcpStream| {
                    let mut length = [0];
                    client.read_exact(&mut length).unwrap();
                    let mut text = vec![0; length[0].into()];
                    client.read_exact(&mut text).unwrap();
                    String::from_utf8(text).unwrap()
                };
                let mut greeting = [0; 3];
                client.read_exact(&mut greeting).unwrap();
                assert_eq!(greeting, [5, 1, 2]);
                client.write_all(&[5, 2]).unwrap();
                client.read_exact(&mut [0]).unwrap();
                let login = (text(&mut client), text(&mut client));
                let known = logins
                    .iter()
                    .any(|(user, password)| login == ((*user).into(), (*password).into()));
                client.write_all(&[1, u8::from(!known)]).unwrap();
                if !known {
                    return;
                }
                client.read_exact(&mut [0; 4]).unwrap();
                let host = text(&mut client);
                let mut port = [0; 2];
                client.read_exact(&mut port).unwrap();
                let server =
                    std::net::TcpStream::connect((host, u16::from_be_bytes(port))).unwrap();
                client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let _ = std::io::copy(&mut &server, &mut &client);
                let _ = client.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    port
}

fn generate_key(path: &Path) {
    let status = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(status.success());
}

fn fingerprint(sshd: &Sshd) -> String {
    let output = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.directory().join("host.pub"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').nth(1).unwrap().to_owned()
}

/// An agent with the server's client key.
struct Agent {
    process: Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(sshd: &Sshd) -> Self {
        use std::io::{BufRead, BufReader};
        let socket = sshd.directory().join("agent");
        let mut process = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It says where it listens once it does.
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let added = Command::new("ssh-add")
            .arg("-q")
            .arg(sshd.key())
            .env("SSH_AUTH_SOCK", &socket)
            .status()
            .unwrap();
        assert!(added.success());
        Self { process, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
