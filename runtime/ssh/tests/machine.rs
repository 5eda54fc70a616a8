//! Commands and transfers on a connected machine.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, unreachable_pub)]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgc_compiler::value::Value;
use imgc_runtime::event::Level;
use imgc_runtime::machine::{Attributes, Command, Exit, Machine};
use imgc_testbed::{DelayProxy, ORDINARY_USER, Options, PASSWORD, Sshd, tree};
use support::{Bench, until, with_key};

async fn machine() -> (Sshd, Bench, Arc<dyn Machine>) {
    let sshd = Sshd::start(Options::default()).unwrap();
    let bench = Bench::new();
    let machine = bench.connect(with_key(&sshd, &[])).await.unwrap();
    (sshd, bench, machine)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn plain() -> Attributes {
    Attributes::default()
}

#[tokio::test]
async fn lines_and_exit_codes_come_as_they_are() {
    let (_sshd, bench, machine) = machine().await;
    for code in [0, 1, 127, 255] {
        assert_eq!(
            bench.run(&*machine, &format!("exit {code}")).await.0,
            Exit::Code(code)
        );
    }
    let (_, lines) = bench.run(&*machine, r"printf 'a\n\nb\377c\nlast'").await;
    assert_eq!(lines, ["a", "", "b\u{fffd}c", "last"]);
    let (exit, lines) = bench
        .run(
            &*machine,
            "head -c 300000 /dev/zero | tr '\\0' x; echo; seq 50000",
        )
        .await;
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(lines.len(), 300_000_usize.div_ceil(65_536) + 50_000);
    assert_eq!(bench.run(&*machine, "kill -9 $$").await.0, Exit::Code(128));
    assert!(bench.text().contains("ended by a signal"));
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn input_reaches_the_command_and_queries_are_quiet() {
    let (_sshd, bench, machine) = machine().await;
    let command = Command {
        line: "wc -c; exit 3".to_owned(),
        stdin: vec![b'x'; 3_000_000],
    };
    assert_eq!(
        machine.run(&command, &bench.cx.output).await.unwrap(),
        Exit::Code(3)
    );
    assert_eq!(bench.lines(Level::Stdout), ["3000000"]);
    let unread = Command {
        line: "exit 4".to_owned(),
        ..command
    };
    assert_eq!(
        machine.run(&unread, &bench.cx.output).await.unwrap(),
        Exit::Code(4)
    );
    assert_eq!(
        machine
            .query(&Command::new("printf 'a\\0b'"))
            .await
            .unwrap(),
        b"a\0b"
    );
    let error = machine
        .query(&Command::new("echo no >&2; exit 5"))
        .await
        .unwrap_err();
    assert_eq!(
        error.chain(),
        "a command on the machine ended with exit code 5: no"
    );
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn many_commands_run_at_the_same_time() {
    let (_sshd, bench, machine) = machine().await;
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..24 {
        let (machine, output) = (Arc::clone(&machine), bench.cx.output.clone());
        tasks.spawn(async move {
            let command = Command::new(format!("sleep 0.2; exit {number}"));
            assert_eq!(
                machine.run(&command, &output).await.unwrap(),
                Exit::Code(number)
            );
        });
    }
    tasks.join_all().await;
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_command_that_is_dropped_ends_on_the_machine() {
    let (sshd, bench, machine) = machine().await;
    for line in [
        "sleep 1000; touch after",
        "exec sleep 1000",
        "trap '' TERM; while :; do sleep 1; done",
        "sh -c 'sleep 1000 | cat'",
    ] {
        let command = Command::new(line);
        let run = machine.run(&command, &bench.cx.output);
        let dropped = tokio::time::timeout(Duration::from_millis(300), run).await;
        assert!(dropped.is_err(), "{line} ended by itself");
        assert!(!sshd.commands().is_empty(), "{line} did not run");
        until(&format!("the end of `{line}`"), || {
            sshd.commands().is_empty()
        })
        .await;
    }
    assert!(!sshd.home().join("after").exists());
    assert_eq!(bench.run(&*machine, "echo on").await.1, ["on"]);
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_disconnect_right_after_a_drop_waits_for_its_end() {
    let (sshd, bench, machine) = machine().await;
    let command = Command::new("sleep 1000");
    let run = machine.run(&command, &bench.cx.output);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), run)
            .await
            .is_err()
    );
    machine.disconnect().await.unwrap();
    assert_eq!(sshd.commands(), Vec::<u32>::new());
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_connection_is_no_exit_code_and_can_be_had_again() {
    let (mut sshd, bench, machine) = machine().await;
    let cutting = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        sshd.drop_connections();
    };
    let command = Command::new("sleep 1000");
    let (exit, ()) = tokio::join!(machine.run(&command, &bench.cx.output), cutting);
    assert_eq!(exit.unwrap(), Exit::Disconnected);
    sshd.restart().unwrap();
    machine.reconnect(Duration::from_secs(10)).await.unwrap();
    assert_eq!(bench.run(&*machine, "echo again").await.1, ["again"]);
    // Without being asked, too.
    sshd.restart().unwrap();
    until("the end of the old connection", || sshd.connections() == 0).await;
    assert_eq!(
        machine.query(&Command::new("echo new")).await.unwrap(),
        b"new\n"
    );
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_machine_that_stays_away_is_given_up() {
    let (mut sshd, bench, machine) = machine().await;
    sshd.stop();
    let start = Instant::now();
    let error = machine
        .reconnect(Duration::from_millis(700))
        .await
        .unwrap_err();
    assert_eq!(error.id, "run/ssh-refused");
    assert!(start.elapsed() < Duration::from_secs(4));
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn a_tree_of_2000_files_arrives_and_comes_back() {
    let (sshd, bench, machine) = machine().await;
    let source = bench.path("tree");
    tree::write(&source, 2000, 140).unwrap();
    fs::create_dir_all(source.join("empty/inside")).unwrap();
    fs::set_permissions(source.join("empty"), PermissionsExt::from_mode(0o750)).unwrap();
    fs::write(source.join("it's \"odd\"\n"), "x").unwrap();
    fs::set_permissions(
        source.join("it's \"odd\"\n"),
        PermissionsExt::from_mode(0o701),
    )
    .unwrap();
    std::os::unix::fs::symlink("../nowhere", source.join("link")).unwrap();
    let there = sshd.home().join("deep/there");
    machine
        .upload_tree(&source, "~/deep/there", &plain())
        .await
        .unwrap();
    let expected = tree::listing(&source).unwrap();
    assert_eq!(tree::listing(&there).unwrap(), expected);
    let back = bench.path("back");
    machine.download_tree(text(&there), &back).await.unwrap();
    assert_eq!(tree::listing(&back).unwrap(), expected);
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_large_file_arrives_and_comes_back() {
    let (sshd, bench, machine) = machine().await;
    let source = bench.path("large");
    tree::write_file(&source, 64 << 20).unwrap();
    let there = sshd.home().join("large file");
    machine
        .upload_file(&source, text(&there), &plain())
        .await
        .unwrap();
    machine
        .download_file(text(&there), &bench.path("back"))
        .await
        .unwrap();
    let expected = fs::read(&source).unwrap();
    assert!(fs::read(&there).unwrap() == expected);
    assert!(fs::read(bench.path("back")).unwrap() == expected);
    assert_eq!(
        fs::read_dir(sshd.home()).unwrap().count(),
        1,
        "a temporary file is left"
    );
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_far_machine_gets_compressed_streams() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let proxy = DelayProxy::start(sshd.address(), Duration::from_millis(20), None).unwrap();
    let bench = Bench::new();
    let port = Value::number(u64::from(proxy.port()));
    let machine = bench
        .connect(with_key(&sshd, &[("ssh_port", port)]))
        .await
        .unwrap();
    let source = bench.path("tree");
    fs::create_dir(&source).unwrap();
    fs::write(
        source.join("text"),
        "all work and no play\n".repeat(200_000),
    )
    .unwrap();
    let before = proxy.passed();
    machine
        .upload_tree(&source, "~/tree", &plain())
        .await
        .unwrap();
    machine
        .upload_file(&source.join("text"), "~/text", &plain())
        .await
        .unwrap();
    let has_zstd = machine
        .query(&Command::new("command -v zstd"))
        .await
        .is_ok();
    if has_zstd {
        assert!(
            proxy.passed() - before < 400_000,
            "{} bytes",
            proxy.passed() - before
        );
    }
    assert_eq!(
        tree::listing(&sshd.home().join("tree")).unwrap(),
        tree::listing(&source).unwrap()
    );
    assert_eq!(
        fs::read(sshd.home().join("text")).unwrap(),
        fs::read(source.join("text")).unwrap()
    );
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn attributes_are_set() {
    let (sshd, bench, machine) = machine().await;
    let source = bench.path("tree");
    fs::create_dir_all(source.join("below")).unwrap();
    fs::write(source.join("below/file"), "x").unwrap();
    let attributes = Attributes {
        owner: Some("nobody".to_owned()),
        group: Some("0".to_owned()),
        mode: Some(0o640),
    };
    let seen = |path: &str| format!("cd && stat -c '%U %g %a' {path}");
    machine
        .upload_tree(&source, "~/tree", &attributes)
        .await
        .unwrap();
    machine
        .upload_file(&source.join("below/file"), "~/file", &attributes)
        .await
        .unwrap();
    machine
        .write(b"text", "~/written", &attributes)
        .await
        .unwrap();
    let (_, lines) = bench
        .run(&*machine, &seen("tree/below tree/below/file file written"))
        .await;
    assert_eq!(
        lines,
        [
            "nobody 0 750",
            "nobody 0 640",
            "nobody 0 640",
            "nobody 0 640"
        ]
    );
    // Without a wish: what is there keeps its mode, what is new gets the usual one.
    machine
        .write(b"other", "~/written", &plain())
        .await
        .unwrap();
    machine.write(b"", "~/fresh", &plain()).await.unwrap();
    let (_, lines) = bench.run(&*machine, &seen("written fresh")).await;
    assert_eq!(lines, ["nobody 0 640", "root 0 644"]);
    assert_eq!(fs::read(sshd.home().join("written")).unwrap(), b"other");
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_link_to_a_directory_stays_one_and_a_link_to_a_file_is_written_through() {
    let (sshd, bench, machine) = machine().await;
    let home = sshd.home();
    fs::create_dir_all(home.join("usr/lib")).unwrap();
    std::os::unix::fs::symlink("usr/lib", home.join("lib")).unwrap();
    fs::write(home.join("real"), "old").unwrap();
    std::os::unix::fs::symlink("real", home.join("alias")).unwrap();
    let source = bench.path("tree");
    fs::create_dir_all(source.join("lib")).unwrap();
    fs::write(source.join("lib/new"), "x").unwrap();
    machine.upload_tree(&source, "~", &plain()).await.unwrap();
    assert!(home.join("lib").is_symlink() && home.join("usr/lib/new").exists());
    machine.write(b"new", "~/alias", &plain()).await.unwrap();
    assert!(home.join("alias").is_symlink());
    assert_eq!(fs::read_to_string(home.join("real")).unwrap(), "new");
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_copied_is_explained() {
    let sshd = Sshd::start(Options {
        accounts: true,
        ..Options::default()
    })
    .unwrap();
    let bench = Bench::new();
    let options = with_key(
        &sshd,
        &[
            ("ssh_username", Value::string(ORDINARY_USER)),
            (
                "ssh_private_key_file",
                Value::null(imgc_compiler::types::Type::String),
            ),
            ("ssh_password", Value::string(PASSWORD)),
        ],
    );
    let machine = bench.connect(options).await.unwrap();
    let source = bench.path("file");
    fs::write(&source, "x").unwrap();
    let owner = Attributes {
        owner: Some("root".to_owned()),
        ..plain()
    };
    let failed = |result: imgc_runtime::Result<()>| {
        let error = result.unwrap_err();
        format!("{} {}", error.id, error.message)
    };
    let mut messages = vec![
        failed(machine.upload_file(&source, "/etc/hosts", &plain()).await),
        failed(machine.upload_file(&source, "/tmp", &plain()).await),
        failed(
            machine
                .upload_file(&source, "/no/such/place", &plain())
                .await,
        ),
        failed(machine.upload_file(&source, "file", &owner).await),
        failed(
            machine
                .download_file("/no/such/file", &bench.path("out"))
                .await,
        ),
        failed(
            machine
                .download_file("/etc/shadow", &bench.path("out"))
                .await,
        ),
        failed(
            machine
                .download_tree("/etc/hosts", &bench.path("out-tree"))
                .await,
        ),
    ];
    messages.push(failed(
        machine
            .upload_tree(
                &bench.directory.path().join("scratch"),
                "/etc/new",
                &plain(),
            )
            .await,
    ));
    insta::assert_snapshot!(messages.join("\n"), @r"
    run/ssh-transfer the login user may not write `/etc/hosts`
    run/ssh-transfer `/tmp` is a directory on the machine
    run/ssh-transfer the directory of `/no/such/place` does not exist on the machine
    run/ssh-attributes owner, group or mode of `file` cannot be set
    run/ssh-transfer there is no `/no/such/file` on the machine
    run/ssh-transfer the login user may not read `/etc/shadow`
    run/ssh-transfer `/etc/hosts` is not a directory on the machine
    run/ssh-transfer the login user may not write `/etc/new`
    ");
    assert!(!bench.path("out").exists());
    assert_eq!(bench.run(&*machine, "ls -A").await.1, Vec::<String>::new());
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn without_tar_a_tree_goes_file_by_file() {
    let (sshd, bench, machine) = machine().await;
    // A machine whose PATH has everything these commands need, but no tar.
    let bin = sshd.directory().join("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["sh", "cat", "wc", "chmod", "mv", "rm", "mkdir", "ln", "cp"] {
        std::os::unix::fs::symlink(format!("/bin/{name}"), bin.join(name)).unwrap();
    }
    fs::write(
        sshd.home().join(".bashrc"),
        format!("PATH={}\n", bin.display()),
    )
    .unwrap();
    let is_bash = machine
        .query(&Command::new("command -v tar"))
        .await
        .is_err();
    assert!(
        is_bash,
        "this test wants bash as login shell of the user who runs it"
    );
    let source = bench.path("tree");
    fs::create_dir_all(source.join("a b/empty")).unwrap();
    fs::write(source.join("a b/file"), "x").unwrap();
    std::os::unix::fs::symlink("file", source.join("a b/link")).unwrap();
    machine
        .upload_tree(&source, "~/there", &plain())
        .await
        .unwrap();
    assert!(bench.lines(Level::Warning)[0].contains("no `tar`"));
    assert_eq!(
        tree::listing(&sshd.home().join("there")).unwrap(),
        tree::listing(&source).unwrap()
    );
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_cut_connection_leaves_the_old_file() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let proxy = DelayProxy::start(sshd.address(), Duration::ZERO, Some(8 << 20)).unwrap();
    let bench = Bench::new();
    let port = Value::number(u64::from(proxy.port()));
    let machine = bench
        .connect(with_key(&sshd, &[("ssh_port", port)]))
        .await
        .unwrap();
    let source = bench.path("large");
    tree::write_file(&source, 32 << 20).unwrap();
    let there = sshd.home().join("file");
    fs::write(&there, "old").unwrap();
    let error = machine
        .upload_file(&source, text(&there), &plain())
        .await
        .unwrap_err();
    assert_eq!(error.id, "run/ssh-disconnected");
    until("the end of the upload", || {
        fs::read_dir(sshd.home()).unwrap().count() == 1
    })
    .await;
    assert_eq!(fs::read_to_string(&there).unwrap(), "old");
    machine.disconnect().await.unwrap();
}

#[tokio::test]
async fn an_upload_that_is_dropped_leaves_no_file_and_no_process() {
    let sshd = Sshd::start(Options::default()).unwrap();
    // A long way, so that the upload is still under way when it is dropped.
    let proxy = DelayProxy::start(sshd.address(), Duration::from_millis(200), None).unwrap();
    let bench = Bench::new();
    let port = Value::number(u64::from(proxy.port()));
    let machine = bench
        .connect(with_key(&sshd, &[("ssh_port", port)]))
        .await
        .unwrap();
    let source = bench.path("large");
    tree::write_file(&source, 64 << 20).unwrap();
    let there = sshd.home().join("file");
    let upload = {
        let (machine, there) = (Arc::clone(&machine), text(&there).to_owned());
        tokio::spawn(async move { machine.upload_file(&source, &there, &plain()).await })
    };
    until("the start of the upload", || {
        fs::read_dir(sshd.home()).unwrap().count() > 0
    })
    .await;
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    until("the end of the upload", || {
        fs::read_dir(sshd.home()).unwrap().count() == 0 && sshd.commands().is_empty()
    })
    .await;
    machine.disconnect().await.unwrap();
    assert_eq!(bench.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn when_imgc_is_killed_its_connection_ends() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_child", "--ignored", "--nocapture"])
        .env("IMGC_TEST_PORT", sshd.port().to_string())
        .env("IMGC_TEST_KEY", sshd.key())
        .env("IMGC_TEST_USER", sshd.user())
        .env("TMPDIR", scratch.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the connection", || !sshd.commands().is_empty()).await;
    child.kill().unwrap();
    child.wait().unwrap();
    until("the end of the connection", || sshd.connections() == 0).await;
    let scratch = scratch.path().to_str().unwrap();
    until("the end of its processes", || {
        support::processes(scratch).is_empty()
    })
    .await;
}

#[tokio::test]
#[ignore = "the process that when_imgc_is_killed_its_connection_ends kills"]
async fn killed_child() {
    let bench = Bench::new();
    let options = Value::object([
        ("ssh_host", Value::string("127.0.0.1")),
        (
            "ssh_port",
            Value::number(
                std::env::var("IMGC_TEST_PORT")
                    .unwrap()
                    .parse::<u64>()
                    .unwrap(),
            ),
        ),
        (
            "ssh_username",
            Value::string(std::env::var("IMGC_TEST_USER").unwrap()),
        ),
        (
            "ssh_private_key_file",
            Value::string(std::env::var("IMGC_TEST_KEY").unwrap()),
        ),
    ]);
    let machine = bench.connect(options).await.unwrap();
    bench.run(&*machine, "sleep 1000").await;
}
