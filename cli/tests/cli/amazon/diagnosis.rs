//! What is said when an instance cannot be reached.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Moment, Then};

use super::{behaviour, test};
use crate::harness::{Printed, Test};

const MARK: &str = "  <-- the first that fails";

/// A test with more lines in its source.
fn with(cloud: &Cloud, lines: &str) -> Test {
    let test = test(cloud);
    let text = test.read("main.pkr.hcl");
    let text = text.replacen("  ami_name", &format!("{lines}\n  ami_name"), 1);
    test.write("main.pkr.hcl", text);
    test
}

/// Fails; gives the line of the list that is marked, without what comes before it.
fn marked(cloud: &Cloud, test: &Test) -> (String, Printed) {
    let printed = test.run(&["build", "-color=false", "-retries=0", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.ends_with(MARK)).collect();
    assert_eq!(lines.len(), 1, "{text}");
    let (_, line) = lines[0].split_once("FAILS  ").unwrap();
    assert_eq!(cloud.left().summary(), "", "{}\n{text}", cloud.left());
    (line.trim_end_matches(MARK).to_owned(), printed)
}

/// Nobody listens behind any instance.
fn closed() -> Behaviour {
    Behaviour {
        machines: None,
        ..behaviour()
    }
}

#[test]
fn an_instance_that_ends_at_its_start() {
    let cloud = std::sync::Arc::new(Cloud::with(behaviour()).unwrap());
    let weak = std::sync::Arc::downgrade(&cloud);
    cloud.hook(move |call, moment| {
        if call.action == "DescribeInstances" && moment == Moment::Before {
            let id = call.parameter("Filter.1.Value.1").to_owned();
            if let Some(cloud) = weak.upgrade()
                && id.starts_with("i-")
            {
                let ids = [("InstanceId.1", id.as_str())];
                let _ = cloud.ec2("us-east-1", "TerminateInstances", &ids);
            }
        }
        Then::GoOn
    });
    let test = test(&cloud);
    let (line, printed) = marked(&cloud, &test);
    assert!(line.starts_with("instance        is "), "{line}");
    assert!(printed.text().contains("its console"), "{}", printed.text());
    cloud.unhook();
}

#[test]
fn an_instance_without_a_public_address() {
    let cloud = Cloud::with(closed()).unwrap();
    let lines = "  ssh_interface = \"public_ip\"\n  associate_public_ip_address = false";
    let (line, _) = marked(&cloud, &with(&cloud, lines));
    assert!(line.starts_with("address         "), "{line}");
    assert!(line.contains("has no public_ip"), "{line}");
}

#[test]
fn a_group_without_a_rule_for_the_port() {
    let cloud = Cloud::with(closed()).unwrap();
    let made = cloud
        .ec2(
            "us-east-1",
            "CreateSecurityGroup",
            &[("GroupName", "shut"), ("GroupDescription", "shut")],
        )
        .unwrap();
    let id = made.split_once("<groupId>").unwrap().1;
    let id = id.split_once('<').unwrap().0.to_owned();
    let lines = format!("  security_group_id = {id:?}\n  ssh_timeout = \"3s\"");
    let test = with(&cloud, &lines);
    let printed = test.run(&["build", "-color=false", "-retries=0", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    // No group of this cloud keeps anybody out, which is seen as well.
    let said = format!(
        "?      security group  no rule of {id} lets anybody in at port {}, and yet the machine answers",
        cloud.ssh_port()
    );
    assert!(text.contains(&said), "no `{said}` in {text}");
    assert_eq!(
        cloud.left().summary(),
        "1 security group",
        "{}",
        cloud.left()
    );
}

#[test]
fn nothing_that_listens() {
    let cloud = Cloud::with(behaviour()).unwrap();
    // The machine is there, and its ssh server on another port.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap().port();
    let test = with(&cloud, "  ssh_timeout = \"3s\"");
    let text = test.read("main.pkr.hcl");
    let own = format!("ssh_port      = {}", cloud.ssh_port());
    test.write(
        "main.pkr.hcl",
        text.replace(&own, &format!("ssh_port      = {port}")),
    );
    let (line, printed) = marked(&cloud, &test);
    assert!(
        line.starts_with(&format!("port            {port}: ")),
        "{line}"
    );
    let text = printed.text();
    for part in [
        "  ok     instance        is running; status checks: ",
        "  ok     address         ",
        "  ok     security group  ",
        "what its console says:",
        "  | [    0.000000] Linux version",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    // The same is in the log of the run.
    let logs = test.run(&["logs"]);
    assert!(logs.text().contains("Linux version"), "{}", logs.text());
}

#[test]
fn another_user_than_the_image_has() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = with(&cloud, "  ssh_handshake_attempts = 1");
    let text = test.read("main.pkr.hcl");
    test.write(
        "main.pkr.hcl",
        text.replace(
            &format!("= {:?}", super::user()),
            "= \"nobody-of-that-name\"",
        ),
    );
    let (line, printed) = marked(&cloud, &test);
    assert!(line.starts_with("login           "), "{line}");
    assert!(line.contains("refuses the login"), "{line}");
    assert!(line.contains("tried: key "), "{line}");
    assert!(
        printed.text().contains("  ok     banner          SSH-2.0-"),
        "{}",
        printed.text()
    );
}

#[test]
fn what_may_not_be_asked_is_left_open() {
    let cloud = Cloud::with(closed()).unwrap();
    cloud.change(|behaviour| {
        behaviour.denied = [
            "ec2:DescribeInstanceStatus",
            "ec2:DescribeNetworkAcls",
            "ec2:DescribeRouteTables",
            "ec2:DescribeSecurityGroups",
            "ec2:GetConsoleOutput",
        ]
        .map(str::to_owned)
        .to_vec();
    });
    let (line, printed) = marked(&cloud, &with(&cloud, "  ssh_timeout = \"3s\""));
    assert!(line.starts_with("port "), "{line}");
    let text = printed.text();
    assert!(
        text.contains("  ?      security group  cannot be asked: "),
        "{text}"
    );
    assert!(
        text.contains("ec2:GetConsoleOutput is not allowed"),
        "{text}"
    );
}
