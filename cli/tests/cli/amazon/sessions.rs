//! `ssh_interface = "session_manager"`: a real sshd is reached through a program that stands in for Amazon's plugin.
//!
//! The stand-in takes what the plugin takes, says what it says, and forwards the port; it speaks no protocol of Amazon's.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Moment, Then};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{behaviour, of, template};
use crate::harness::Test;

const STAND_IN: &str = r#"#!/usr/bin/env python3
import json, os, socket, sys, threading
if sys.argv[1:] == ["--version"]:
    print(os.environ.get("PLUGIN_VERSION", "1.2.707.0"))
    sys.exit()
answer = json.loads(os.environ[sys.argv[1]])
asked = json.loads(sys.argv[5])
host, port = answer["StreamUrl"].split("/")[2].split(":")
local = int(asked["Parameters"]["localPortNumber"][0])
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", local))
server.listen()
with open(os.environ["HOME"] + "/plugin.log", "a") as log:
    log.write(json.dumps({"pid": os.getpid(), "argv": sys.argv, "token": answer["TokenValue"]}) + "\n")
print("\nStarting session with SessionId: " + answer["SessionId"])
print("Port %d opened for sessionId %s." % (local, answer["SessionId"]))
print("Waiting for connections...", flush=True)
def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
while True:
    here, _ = server.accept()
    there = socket.create_connection((host, int(port)))
    for pair in ((here, there), (there, here)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"#;

fn test(cloud: &Cloud, script: &str) -> Test {
    let template = template(cloud)
        .replace(
            "  run_tags",
            "  ssh_interface               = \"session_manager\"\n  associate_public_ip_address = false\n  temporary_iam_instance_profile_policy_document {\n    Statement {\n      Action   = [\"ssm:*\"]\n      Resource = [\"*\"]\n    }\n  }\n  run_tags",
        )
        .replace("echo inside the machine", script);
    let test = of(cloud, &template);
    test.write("bin/session-manager-plugin", STAND_IN);
    let plugin = test.path("bin/session-manager-plugin");
    std::fs::set_permissions(plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", test.path("bin").display());
    test.env("PATH", &path)
}

/// What the stand-in has noted, each time it was started.
fn started(test: &Test) -> Vec<serde_json::Value> {
    let lines = std::fs::read_to_string(test.path("plugin.log")).unwrap_or_default();
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn assert_ended(test: &Test) {
    let begun = Instant::now();
    for plugin in started(test) {
        let process = format!("/proc/{}/cmdline", plugin["pid"]);
        // A process that has ended and is not collected has no arguments.
        while std::fs::read(&process).is_ok_and(|line| !line.is_empty()) {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{plugin} still runs"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn an_instance_without_a_door_is_reached_by_session_manager() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "echo from $SSH_CONNECTION");
    // The agent takes its time.
    let asked = AtomicUsize::new(0);
    cloud.hook(move |call, moment| {
        let early = call.action == "StartSession"
            && moment == Moment::Before
            && asked.fetch_add(1, Ordering::SeqCst) < 2;
        match early {
            true => Then::Refuse(400, "TargetNotConnected".to_owned(), "not yet".to_owned()),
            false => Then::GoOn,
        }
    });
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed
            .stdout
            .contains("reached by Session Manager, through port"),
        "{}",
        printed.text()
    );
    assert_eq!(cloud.left().summary(), "1 image, 1 snapshot");
    let calls = cloud.calls();
    let order = calls.sequence();
    assert!(!order.contains("AuthorizeSecurityGroupIngress"), "{order}");
    assert!(order.contains("CreateSecurityGroup"), "{order}");
    assert_eq!(order.matches("StartSession").count(), 3, "{order}");
    assert_eq!(order.matches("TerminateSession").count(), 1, "{order}");
    let plugins = started(&test);
    assert_eq!(plugins.len(), 1, "{plugins:?}");
    let argv = plugins[0]["argv"].to_string();
    assert!(!argv.contains("token-of-the-session"), "{argv}");
    assert_eq!(plugins[0]["token"], "token-of-the-session");
    assert_eq!(plugins[0]["argv"][2], "us-east-1");
    assert_eq!(plugins[0]["argv"][3], "StartSession");
    assert_ended(&test);
}

#[test]
fn a_session_that_ends_is_begun_anew() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let script = "echo one\"]\n  }\n  provisioner \"shell-local\" {\n    inline = [\"kill $(sed 's/.*\\\"pid\\\": \\\\([0-9]*\\\\).*/\\\\1/' plugin.log)\", \"sleep 3\"]\n  }\n  provisioner \"shell\" {\n    inline = [\"echo two";
    let test = test(&cloud, script);
    let printed = test.run(&["build", "-color=false", "."]);
    let plugins = started(&test);
    assert_eq!(plugins.len(), 2, "{plugins:?}\n{}", printed.text());
    let order = cloud.calls().sequence();
    assert_eq!(order.matches("StartSession").count(), 2, "{order}");
    assert_ended(&test);
}

#[test]
fn killed_on_the_way_gc_ends_the_program_as_well() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "touch $HOME_OF_THE_TEST/there; sleep 60");
    let there = test.path("there");
    let text = test.read("main.pkr.hcl");
    let place = there.parent().unwrap().to_string_lossy().into_owned();
    test.write("main.pkr.hcl", text.replace("$HOME_OF_THE_TEST", &place));
    let mut child = test.spawn(&["build", "-color=false", "."]);
    let begun = Instant::now();
    while !Path::new(&there).exists() {
        if begun.elapsed() > Duration::from_secs(60) {
            kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
            panic!("{}", test.finish(child).text());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert_eq!(started(&test).len(), 1);
    assert_ended(&test);
    assert!(cloud.left().is_empty(), "{}", cloud.left());
}

#[test]
fn without_the_program_it_is_said_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let said = |test: &Test, what: &str| {
        let printed = test.run(&["build", "-color=false", "."]);
        assert_ne!(printed.code, 0);
        assert!(printed.text().contains(what), "{}", printed.text());
        let calls = cloud.calls();
        assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
    };
    let old = test(&cloud, "true").env("PLUGIN_VERSION", "1.2.463.0");
    said(&old, "has the version `1.2.463.0`");
    let none = test(&cloud, "true");
    std::fs::remove_file(none.path("bin/session-manager-plugin")).unwrap();
    said(
        &none,
        "takes the program `session-manager-plugin`, and there is none in PATH",
    );
}
