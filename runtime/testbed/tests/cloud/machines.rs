//! Real machines behind instances.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Machines, stock};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey};

use crate::client::{Client, text};
use crate::record::RUN;

struct Keys(tempfile::TempDir);

impl Keys {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["login", "host"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
                .arg(directory.path().join(name))
                .status();
            assert!(made.unwrap().success());
        }
        Self(directory)
    }

    fn read(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.0.path().join(name)).unwrap();
        text.trim().to_owned()
    }

    fn ssh(&self, address: &str, port: u16) -> Output {
        let known = self.0.path().join("known_hosts");
        std::fs::write(
            &known,
            format!("[{address}]:{port} {}\n", self.read("host.pub")),
        )
        .unwrap();
        Command::new("ssh")
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "ConnectTimeout=10",
            ])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .arg("-i")
            .arg(self.0.path().join("login"))
            .args(["-p", &port.to_string(), address, "echo inside"])
            .output()
            .unwrap()
    }
}

fn address(client: &Client, instance: &str) -> String {
    text(
        &client.ok("DescribeInstances", &[("InstanceId.1", instance)]),
        "ipAddress",
    )
}

#[test]
fn an_instance_is_a_machine_with_the_keys_it_was_given() {
    let cloud = Cloud::with(Behaviour {
        machines: Some(Machines::default()),
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    let keys = Keys::new();
    let public = STANDARD.encode(keys.read("login.pub"));
    client.ok(
        "ImportKeyPair",
        &[("KeyName", "k"), ("PublicKeyMaterial", &public)],
    );
    let indented = keys.read("host").replace('\n', "\n    ");
    let data = STANDARD.encode(format!(
        "#cloud-config\nssh_keys:\n  ed25519_private: |\n    {indented}\n"
    ));
    let run = [
        RUN.as_slice(),
        &[
            ("KeyName", "k"),
            ("UserData", &data),
            ("InstanceInitiatedShutdownBehavior", "terminate"),
        ],
    ]
    .concat();
    let instance = text(&client.ok("RunInstances", &run), "instanceId");
    let other = text(&client.ok("RunInstances", &run), "instanceId");
    let at = address(&client, &instance);
    assert!(
        at.starts_with("127.0.0.") && at != address(&client, &other),
        "{at}"
    );
    let port = cloud.ssh_port();
    let since = Instant::now();
    let console = loop {
        let ssh = keys.ssh(&at, port);
        if ssh.status.success() {
            assert_eq!(ssh.stdout, b"inside\n");
            break client.ok("GetConsoleOutput", &[("InstanceId", &instance)]);
        }
        assert!(
            since.elapsed() < Duration::from_secs(40),
            "{ssh:?}\n{}",
            cloud.machine_log(&instance)
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    let console = STANDARD.decode(text(&console, "output")).unwrap();
    let console = String::from_utf8(console).unwrap();
    let (_, told) = console
        .split_once("-----BEGIN SSH HOST KEY KEYS-----\r\n")
        .unwrap();
    assert!(told.starts_with(&keys.read("host.pub")), "{console}");

    client.ok("StopInstances", &[("InstanceId.1", &instance)]);
    assert!(!keys.ssh(&at, port).status.success());
    assert_eq!(address(&client, &instance), "");
    client.ok("StartInstances", &[("InstanceId.1", &instance)]);
    let again = keys.ssh(&at, port);
    assert!(again.status.success(), "{again:?}");
    cloud.shut_down(&instance);
    assert!(!keys.ssh(&at, port).status.success());
    assert_eq!(cloud.left().of("instance").len(), 1);

    cloud.change(|behaviour| {
        let machines = behaviour.machines.as_mut().unwrap();
        machines.ignore_user_data = true;
        machines.silent_console = true;
    });
    let third = text(&client.ok("RunInstances", &run), "instanceId");
    let since = Instant::now();
    let key = loop {
        if let Some(key) = cloud.machine_key(&third) {
            break key;
        }
        assert!(
            since.elapsed() < Duration::from_secs(40),
            "{}",
            cloud.machine_log(&third)
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_ne!(key, keys.read("host.pub"));
    let console = text(
        &client.ok("GetConsoleOutput", &[("InstanceId", &third)]),
        "output",
    );
    let console = String::from_utf8(STANDARD.decode(console).unwrap()).unwrap();
    assert!(!console.contains("SSH HOST KEY"), "{console}");
}

#[test]
fn the_password_of_windows_is_for_the_key_alone() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    let pair = client.ok("CreateKeyPair", &[("KeyName", "k")]);
    let pair = text(&pair, "keyMaterial").replace("&#13;", "");
    let run = |image| {
        let mut run = [RUN.as_slice(), &[("KeyName", "k")]].concat();
        run[0] = ("ImageId", image);
        text(&client.ok("RunInstances", &run), "instanceId")
    };
    let (windows, linux) = (run(stock::WINDOWS), run(stock::UBUNTU));
    let data = |id: &str| {
        text(
            &client.ok("GetPasswordData", &[("InstanceId", id)]),
            "passwordData",
        )
    };
    assert_eq!(data(&linux), "");
    let cipher = STANDARD.decode(data(&windows)).unwrap();
    let key = RsaPrivateKey::from_pkcs1_pem(&pair).unwrap();
    let password = key.decrypt(Pkcs1v15Encrypt, &cipher).unwrap();
    assert_eq!(password, Behaviour::default().password.as_bytes());
}

#[test]
fn an_instance_is_told_where_it_is() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    let instance = text(&client.ok("RunInstances", &RUN), "instanceId");
    let inside = client.at(&cloud.metadata("us-east-1", &instance).unwrap());
    let get = |path: &str, head: &str| {
        let head = format!("GET /latest/{path} HTTP/1.1\r\n{head}");
        inside.send("", &head, b"").unwrap()
    };
    assert_eq!(get("meta-data/instance-id", "").status, 401);
    let token = inside.send("", "PUT /latest/api/token HTTP/1.1\r\n", b"");
    let token = format!("X-aws-ec2-metadata-token: {}\r\n", token.unwrap().body);
    assert_eq!(get("meta-data/instance-id", &token).body, instance);
    let document = get("dynamic/instance-identity/document", &token).body;
    assert!(document.contains("\"region\":\"us-east-1\""), "{document}");
    assert_eq!(get("meta-data/nothing", &token).status, 404);
    let alias = r#"{"Name": "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id"}"#;
    let alias = client.json("ssm", "AmazonSSM.GetParameter", alias);
    assert!(alias.body.contains(stock::UBUNTU_ARM), "{alias:?}");
}
