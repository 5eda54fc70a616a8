//! `ssh_interface = "session_manager"`: a real sshd is reached through a program that stands in for Amazon's plugin.
//!
//! The stand-in is called as the plugin is, refuses what the plugin would, says what it says, and forwards the port; it speaks no
//! protocol of Amazon's.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Moment, Then};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::family::ALL;
use super::rights::held_against_calls;
use super::{behaviour, of, template};
use crate::harness::Test;

/// Its arguments: the answer that began the session (or the variable it is in), region, operation, profile, the request, endpoint.
const STAND_IN: &str = r#"#!/usr/bin/env python3
import json, os, socket, sys, threading
if sys.argv[1:] == ["--version"]:
    print(os.environ.get("PLUGIN_VERSION", "1.2.707.0"))
    sys.exit()
if len(sys.argv) != 7:
    print("Unknown operation")
    sys.exit()
answer, region, operation, profile, asked, endpoint = sys.argv[1:]
if not answer.startswith("AWS_SSM_START_SESSION_RESPONSE"):
    sys.exit("the token is an argument")
answer, asked = json.loads(os.environ[answer]), json.loads(asked)
if operation != "StartSession" or not endpoint.startswith("http"):
    print("Invalid Operation")
    sys.exit()
if asked["DocumentName"] != "AWS-StartPortForwardingSession" or not asked["Target"].startswith("i-"):
    sys.exit("another document or target")
parameters = asked["Parameters"]
assert all(type(value) is list and type(value[0]) is str for value in parameters.values())
print("\nStarting session with SessionId: " + answer["SessionId"], flush=True)
host, port = answer["StreamUrl"].split("/")[2].split(":")
assert port == parameters["portNumber"][0]
server = socket.socket()
try:
    server.bind(("127.0.0.1", int(parameters["localPortNumber"][0])))
except OSError as error:
    print("Cannot perform start session: listen tcp: " + error.strerror)
    sys.exit()
server.listen()
local = server.getsockname()[1]
def note(**more):
    with open(os.environ["HOME"] + "/plugin.log", "a") as log:
        log.write(json.dumps({"pid": os.getpid(), **more}) + "\n")
note(argv=sys.argv, token=answer["TokenValue"], local=local)
print("Port %d opened for sessionId %s." % (local, answer["SessionId"]), end="")
print("\nWaiting for connections...", flush=True)
def copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
while True:
    here, _ = server.accept()
    note(connection=True)
    there = socket.create_connection((host, int(port)))
    for pair in ((here, there), (there, here)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"#;

const WAY: &str = r#"  ssh_interface               = "session_manager"
  associate_public_ip_address = false
"#;

const PROFILE: &str = r#"  temporary_iam_instance_profile_policy_document {
    Statement {
      Action   = ["ssm:*"]
      Resource = ["*"]
    }
  }
"#;

fn test(cloud: &Cloud, script: &str) -> Test {
    let template = template(cloud)
        .replace("  run_tags", &format!("{WAY}{PROFILE}  run_tags"))
        .replace("echo inside the machine", script);
    with_plugin(of(cloud, &template))
}

/// The stand-in is the first program of that name.
fn with_plugin(test: Test) -> Test {
    test.write("bin/session-manager-plugin", STAND_IN);
    let plugin = test.path("bin/session-manager-plugin");
    std::fs::set_permissions(plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", test.path("bin").display());
    test.env("PATH", &path)
}

/// With further options of the source.
fn add(test: &Test, options: &str) {
    let text = test.read("main.pkr.hcl");
    assert!(text.contains("  run_tags"));
    test.write(
        "main.pkr.hcl",
        text.replacen("  run_tags", &format!("{options}\n  run_tags"), 1),
    );
}

/// What the stand-in has noted, each time it was started.
fn started(test: &Test) -> Vec<serde_json::Value> {
    let mut noted = noted(test);
    noted.retain(|note| note.get("argv").is_some());
    noted
}

/// How many connections went through it.
fn connections(test: &Test) -> usize {
    let noted = noted(test);
    noted
        .iter()
        .filter(|note| note.get("connection").is_some())
        .count()
}

fn noted(test: &Test) -> Vec<serde_json::Value> {
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
    assert!(connections(&test) > 0, "nothing went through it");
    assert_ended(&test);
}

#[test]
fn every_builder_that_starts_an_instance_takes_this_way() {
    for member in &ALL {
        let cloud = member.cloud();
        let test = with_plugin(member.simple(&cloud));
        add(&test, WAY);
        let printed = test.run(&["build", "-color=false", "."]);
        let name = member.name();
        assert_eq!(printed.code, 0, "{name}: {}", printed.text());
        assert!(
            printed.text().contains("the instance has no profile"),
            "{name}: {}",
            printed.text()
        );
        assert_eq!(cloud.left().summary(), member.makes, "{name}");
        let order = cloud.calls().sequence();
        assert!(
            !order.contains("AuthorizeSecurityGroupIngress"),
            "{name}: {order}"
        );
        assert_eq!(order.matches("TerminateSession").count(), 1, "{name}");
        // What is asked about the machine afterwards needs no way to it.
        let (before, after) = order.split_once("TerminateSession").unwrap();
        assert!(!before.contains("CreateImage"), "{name}: {order}");
        assert!(after.contains("TerminateInstances"), "{name}: {order}");
        assert_eq!(started(&test).len(), 1, "{name}");
        assert!(connections(&test) > 0, "{name}: nothing went through it");
        assert_ended(&test);
    }
}

#[test]
fn the_plan_says_it_and_its_policy_allows_what_is_called() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "true");
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    for shown in [
        "no port open",
        "reached by Session Manager",
        "the program that reaches it is here",
    ] {
        assert!(plan.text().contains(shown), "no {shown}: {}", plan.text());
    }
    assert!(!plan.text().contains("127.0.0.1/32"), "{}", plan.text());
    held_against_calls("session_manager", &cloud, &test);
    let policy = test.run(&["plan", "-iam", "."]).stdout;
    for right in ["ssm:StartSession", "ssm:TerminateSession"] {
        assert!(policy.contains(right), "{policy}");
    }
    assert!(
        !policy.contains("AuthorizeSecurityGroupIngress"),
        "{policy}"
    );
    std::fs::remove_file(test.path("bin/session-manager-plugin")).unwrap();
    let plan = test.run(&["plan", "-color=false", "."]);
    let missing = "takes the program `session-manager-plugin`";
    assert!(plan.text().contains(missing), "{}", plan.text());
}

#[test]
fn the_port_here_and_the_pause_are_as_the_template_says() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let number = port.local_addr().unwrap().port();
    let test = test(&cloud, "true");
    add(
        &test,
        &format!("  session_manager_port = {number}\n  pause_before_ssm = \"1s\""),
    );
    // Somebody has it.
    let taken = test.run(&["build", "-color=false", "."]);
    assert_ne!(taken.code, 0, "{}", taken.text());
    for said in [
        &format!("does not listen on port {number}"),
        "Address already in use",
        "session_manager_port",
    ] {
        assert!(taken.text().contains(said), "no {said}: {}", taken.text());
    }
    assert!(cloud.left().is_empty(), "{}", cloud.left());
    let order = cloud.calls().sequence();
    assert_eq!(order.matches("TerminateSession").count(), 1, "{order}");
    drop(port);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for said in [
        "waiting for 1s before the session",
        &format!("through port {number} of this machine"),
    ] {
        assert!(printed.stdout.contains(said), "{}", printed.text());
    }
    let plugins = started(&test);
    assert_eq!(plugins.len(), 1, "{plugins:?}");
    assert_eq!(plugins[0]["local"], number);
}

#[test]
fn a_session_that_ends_with_a_restart_is_begun_anew() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "echo one");
    // What a restart does to the connection: the program ends, whatever is behind it.
    let log = test.path("plugin.log");
    let restart = format!(
        r#"echo one"]
  }}
  provisioner "shell" {{
    expect_disconnect = true
    inline = ["kill $(grep -o 'pid.: [0-9]*' {} | head -n 1 | grep -o '[0-9]*'); sleep 30"]
  }}
  provisioner "shell" {{
    inline = ["echo two"#,
        log.display()
    );
    let text = test.read("main.pkr.hcl");
    test.write("main.pkr.hcl", text.replace("echo one", &restart));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let plugins = started(&test);
    assert_eq!(plugins.len(), 2, "{plugins:?}\n{}", printed.text());
    // The second is found where the first was.
    assert_eq!(plugins[0]["local"], plugins[1]["local"]);
    assert!(printed.stdout.contains("two"), "{}", printed.text());
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
