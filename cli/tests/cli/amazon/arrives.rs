//! What a template says of a build arrives: in the request that it is for, with its value, or in what becomes of the build.
//!
//! In: rows of options. Out: what the cloud has recorded of the builds. That every option is looked at at all is shown elsewhere,
//! in the `coverage.rs` of Amazon's package; host keys and credentials are in `trust.rs`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Call, Calls, Delay, Moment, Then, Waits, stock};

use super::network::{subnet, vpc};
use super::{behaviour, of, user};
use crate::harness::{Printed, Test};

/// A source of `amazon-ebs`, and what its options are to become.
pub(super) struct Row {
    name: &'static str,
    options: String,
    /// An action, a parameter of it, and its value.
    arrives: Vec<(&'static str, &'static str, String)>,
}

pub(super) fn row(
    name: &'static str,
    options: impl Into<String>,
    arrives: &[(&'static str, &'static str, &str)],
) -> Row {
    let arrives = arrives.iter();
    Row {
        name,
        options: options.into(),
        arrives: arrives
            .map(|(action, parameter, value)| (*action, *parameter, (*value).to_owned()))
            .collect(),
    }
}

const RUN: &str = "RunInstances";

/// The tag by which the calls of a source are known.
const ROW: &str = "row";

fn source(cloud: &Cloud, name: &str, options: &str) -> String {
    format!(
        r#"source "amazon-ebs" "{name}" {{
  ami_name      = "web-{name}"
  source_ami    = "{}"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  run_tags      = {{ {ROW} = "{name}" }}
{options}
}}
"#,
        stock::UBUNTU,
        user(),
        cloud.ssh_port()
    )
}

/// All sources in one build.
pub(super) fn template(cloud: &Cloud, rows: &[Row]) -> String {
    let sources = rows.iter();
    let sources: String = sources
        .map(|row| source(cloud, row.name, &row.options))
        .collect();
    let names = rows.iter();
    let names: Vec<String> = names
        .map(|row| format!("\"amazon-ebs.{}\"", row.name))
        .collect();
    format!(
        "{sources}build {{\n  sources = [{}]\n}}\n",
        names.join(", ")
    )
}

/// A template with one source.
pub(super) fn alone(cloud: &Cloud, name: &'static str, options: &str) -> String {
    template(cloud, &[row(name, options, &[])])
}

pub(super) fn build(test: &Test) -> Printed {
    test.run(&["build", "-color=false", "."])
}

pub(super) fn succeeds(test: &Test) -> Printed {
    let printed = build(test);
    assert_eq!(printed.code, 0, "{}", printed.text());
    printed
}

/// The calls that make something for a source.
pub(super) fn calls_of(calls: &Calls, name: &str) -> Calls {
    const KINDS: [&str; 5] = ["image", "instance", "key-pair", "security-group", "volume"];
    calls.only(|call| {
        let mut kinds = KINDS.iter();
        kinds.any(|kind| call.tags(kind).get(ROW) == Some(&name))
    })
}

/// Everything that rows ask for has come in; else all of what has not is named.
fn assert_arrived(calls: &Calls, rows: &[Row]) {
    let mut lost = Vec::new();
    for row in rows {
        let own = calls_of(calls, row.name);
        for (action, parameter, wanted) in &row.arrives {
            let found = own.one(action).parameters.get(*parameter).cloned();
            if found.as_ref() != Some(wanted) {
                lost.push(format!(
                    "{}: {action} has {found:?} for {parameter}, not {wanted:?}",
                    row.name
                ));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

/// What the program `base64` makes of a text.
fn base64(arguments: &[&str], text: &str) -> String {
    let mut command = Command::new("base64");
    let command = command.args(arguments);
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = streams.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    String::from_utf8(output.stdout).unwrap()
}

/// A parameter that goes over the line in base64.
fn decoded(call: &Call, parameter: &str) -> String {
    base64(&["-d"], call.parameter(parameter))
}

/// The user data of a source's instance.
pub(super) fn user_data(calls: &Calls, name: &str) -> String {
    decoded(&calls_of(calls, name).one(RUN), "UserData")
}

/// A new pair of keys: the private half in a file, the public one beside it.
pub(super) fn make_key(file: &Path) {
    let mut command = Command::new("ssh-keygen");
    let command = command.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
    assert!(command.arg(file).status().unwrap().success());
}

/// A security group of that name, in the network that new ones are in unless somebody says another.
fn group(cloud: &Cloud, name: &str) -> String {
    let asked = [("GroupName", name), ("GroupDescription", "of the company")];
    let made = cloud.texts("us-east-1", "CreateSecurityGroup", &asked);
    made["groupId"].clone()
}

#[test]
fn where_an_instance_is_put_and_who_reaches_it() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let other = vpc(&cloud, "10.8.0.0/16", "other");
    let ours = vpc(&cloud, "10.9.0.0/16", "services");
    subnet(&cloud, &other, "10.8.0.0/24", "public");
    subnet(&cloud, &ours, "10.9.0.0/24", "private");
    let public = ["10.9.1.0/24", "10.9.2.0/24"];
    let public = public.map(|block| subnet(&cloud, &ours, block, "public"));
    let [web, builds] = ["web", "builds"].map(|name| group(&cloud, name));
    let here = format!("  vpc_id = \"{ours}\"\n");
    let within = format!("{here}  subnet_id = \"{}\"\n", public[0]);
    let rows = [
        row(
            "subnet",
            &*within,
            &[
                (RUN, "SubnetId", &public[0]),
                ("CreateSecurityGroup", "VpcId", &ours),
            ],
        ),
        row(
            "any",
            format!(
                "{here}  subnet_filter {{\n    filters = {{ \"tag:Tier\" = \"public\" }}\n    random = true\n  }}"
            ),
            &[("CreateSecurityGroup", "VpcId", &ours)],
        ),
        row(
            "zone",
            "  availability_zone = \"us-east-1b\"",
            &[(RUN, "Placement.AvailabilityZone", "us-east-1b")],
        ),
        row(
            "groups",
            format!("  security_group_ids = [\"{web}\", \"{builds}\"]"),
            &[
                (RUN, "SecurityGroupId.1", &web),
                (RUN, "SecurityGroupId.2", &builds),
            ],
        ),
        row(
            "group",
            format!("  security_group_id = \"{builds}\""),
            &[(RUN, "SecurityGroupId.1", &builds)],
        ),
        row(
            "found",
            "  security_group_filter {\n    filters = { group-name = \"builds\" }\n  }",
            &[(RUN, "SecurityGroupId.1", &builds)],
        ),
        row(
            "public",
            format!("{within}  associate_public_ip_address = true"),
            &[
                (RUN, "NetworkInterface.1.AssociatePublicIpAddress", "true"),
                (RUN, "NetworkInterface.1.SubnetId", &public[0]),
            ],
        ),
        row(
            "hidden",
            format!("{within}  associate_public_ip_address = false"),
            &[(RUN, "NetworkInterface.1.AssociatePublicIpAddress", "false")],
        ),
    ];
    succeeds(&of(&cloud, &template(&cloud, &rows)));
    let calls = cloud.calls();
    assert_arrived(&calls, &rows);
    // One of those of the filter, in the VPC that is named.
    let any = calls_of(&calls, "any").one(RUN);
    let taken = any.parameter("SubnetId");
    assert!(public.iter().any(|id| id == taken), "{any:?}");
    for name in ["groups", "group", "found"] {
        let own = calls_of(&calls, name);
        let count = if name == "groups" { 2 } else { 1 };
        assert_eq!(own.one(RUN).list("SecurityGroupId").len(), count, "{name}");
        let made = own.of("CreateSecurityGroup");
        assert_eq!(made.len(), 0, "{name}: {}", own.sequence());
    }
}

/// Makes an instance profile; moto starts no instance with one that is not there.
fn make_profile(cloud: &Cloud, name: &str) {
    let address = cloud.moto().address();
    let form =
        format!("Action=CreateInstanceProfile&Version=2010-05-08&InstanceProfileName={name}");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=testing/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none\r\n\r\n{form}",
        form.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The snapshot of the image that the tests start from.
fn stock_snapshot(cloud: &Cloud) -> String {
    let image = cloud.texts(
        "us-east-1",
        "DescribeImages",
        &[("ImageId.1", stock::UBUNTU)],
    );
    image["imagesSet/1/blockDeviceMapping/1/ebs/snapshotId"].clone()
}

/// Disks with everything that can be said of one; the second list is of the image alone.
const DISKS: &str = r#"  launch_block_device_mappings {
    device_name = "/dev/sdf"
    volume_size = 20
    volume_type = "gp3"
    throughput  = 250
    iops        = 4000
  }
  launch_block_device_mappings {
    device_name = "/dev/sdg"
    volume_size = 2
    encrypted   = true
    kms_key_id  = "alias/web"
  }
  launch_block_device_mappings {
    device_name = "/dev/sdh"
    snapshot_id = "SNAPSHOT"
  }
  launch_block_device_mappings {
    device_name = "/dev/sdb"
    no_device   = true
  }
  ami_block_device_mappings {
    device_name = "/dev/sdi"
    volume_size = 7
    volume_type = "gp3"
    throughput  = 200
  }"#;

fn disks(cloud: &Cloud) -> Row {
    let snapshot = stock_snapshot(cloud);
    row(
        "disks",
        DISKS.replace("SNAPSHOT", &snapshot),
        &[
            (RUN, "BlockDeviceMapping.1.DeviceName", "/dev/sdf"),
            (RUN, "BlockDeviceMapping.1.Ebs.VolumeSize", "20"),
            (RUN, "BlockDeviceMapping.1.Ebs.VolumeType", "gp3"),
            (RUN, "BlockDeviceMapping.1.Ebs.Throughput", "250"),
            (RUN, "BlockDeviceMapping.1.Ebs.Iops", "4000"),
            (RUN, "BlockDeviceMapping.2.Ebs.Encrypted", "true"),
            (RUN, "BlockDeviceMapping.2.Ebs.KmsKeyId", "alias/web"),
            (RUN, "BlockDeviceMapping.3.Ebs.SnapshotId", &snapshot),
            (RUN, "BlockDeviceMapping.4.DeviceName", "/dev/sdb"),
            (RUN, "BlockDeviceMapping.4.NoDevice", ""),
            ("CreateImage", "BlockDeviceMapping.1.DeviceName", "/dev/sdi"),
            ("CreateImage", "BlockDeviceMapping.1.Ebs.VolumeSize", "7"),
            ("CreateImage", "BlockDeviceMapping.1.Ebs.Throughput", "200"),
        ],
    )
}

#[test]
fn what_an_instance_is_started_with() {
    let cloud = Cloud::with(behaviour()).unwrap();
    make_profile(&cloud, "images");
    let rows = [
        row(
            "usual",
            "",
            &[(RUN, "MetadataOptions.HttpTokens", "required")],
        ),
        row(
            "profile",
            "  iam_instance_profile = \"images\"\n  ebs_optimized = true",
            &[
                (RUN, "IamInstanceProfile.Name", "images"),
                (RUN, "EbsOptimized", "true"),
            ],
        ),
        row(
            "metadata",
            r#"  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "optional"
    http_put_response_hop_limit = 2
    instance_metadata_tags      = "enabled"
  }"#,
            &[
                (RUN, "MetadataOptions.HttpEndpoint", "enabled"),
                (RUN, "MetadataOptions.HttpTokens", "optional"),
                (RUN, "MetadataOptions.HttpPutResponseHopLimit", "2"),
                (RUN, "MetadataOptions.InstanceMetadataTags", "enabled"),
            ],
        ),
        row(
            "ends",
            "  shutdown_behavior = \"terminate\"\n  run_volume_tags = { disk = \"root\" }",
            &[(RUN, "InstanceInitiatedShutdownBehavior", "terminate")],
        ),
        row(
            "named",
            "  temporary_key_pair_name = \"key-of-a-build\"",
            &[
                ("ImportKeyPair", "KeyName", "key-of-a-build"),
                (RUN, "KeyName", "key-of-a-build"),
            ],
        ),
        disks(&cloud),
    ];
    succeeds(&of(&cloud, &template(&cloud, &rows)));
    let calls = cloud.calls();
    assert_arrived(&calls, &rows);
    let ends = calls_of(&calls, "ends").one(RUN);
    assert_eq!(ends.tags("volume").get("disk"), Some(&"root"), "{ends:?}");
    let key = calls_of(&calls, "usual").one("ImportKeyPair");
    let public = decoded(&key, "PublicKeyMaterial");
    assert!(public.starts_with("ssh-ed25519 "), "{public}");
    // Every image says that its instances take the second version of the metadata service only.
    let guards = calls.only(|call| call.parameter("ImdsSupport.Value") == "v2.0");
    assert_eq!(guards.len(), rows.len(), "{}", calls.sequence());
}

/// When the machine of a build without a time limit ends itself: after a day.
const DAY: &str = "\nshutdown -P +1440\n";

#[test]
fn user_data_has_the_script_of_the_template_beside_ours() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let script = "  user_data      = \"#!/bin/sh\\ntouch /ready\\n\"\n  shutdown_after = \"90m\"";
    let rows = [
        row("usual", "", &[]),
        row("script", script, &[]),
        row("file", "  user_data_file = \"boot.sh\"", &[]),
        row("lasting", "  shutdown_after = \"0s\"", &[]),
    ];
    let test = of(&cloud, &template(&cloud, &rows));
    test.write("boot.sh", "#!/bin/sh\ntouch /booted\n");
    succeeds(&test);
    let calls = cloud.calls();
    for (name, parts) in [
        ("usual", &[DAY] as &[&str]),
        ("script", &["\nshutdown -P +90\n", "\ntouch /ready\n"]),
        ("file", &[DAY, "\ntouch /booted\n"]),
        ("lasting", &[]),
    ] {
        let data = user_data(&calls, name);
        let mut from = 0;
        for part in ["ssh_keys:"].iter().chain(parts) {
            let at = data[from..].find(part);
            from += at.unwrap_or_else(|| panic!("{name}: no {part:?} in its place: {data}"));
        }
        let scripts = data.matches("#!/bin/sh").count();
        assert_eq!(scripts, parts.len(), "{name}: {data}");
        let ends = data.contains("shutdown");
        assert_eq!(ends, name != "lasting", "{name}: {data}");
    }
}

#[test]
fn a_key_pair_of_the_account_lets_one_in_and_none_is_brought() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let rows = [row(
        "own",
        "  ssh_keypair_name     = \"ops\"\n  ssh_private_key_file = \"ops\"",
        &[(RUN, "KeyName", "ops")],
    )];
    let test = of(&cloud, &template(&cloud, &rows));
    make_key(&test.path("ops"));
    let public = base64(&[], &test.read("ops.pub"));
    let public: String = public.split_whitespace().collect();
    let pair = [("KeyName", "ops"), ("PublicKeyMaterial", public.as_str())];
    cloud.ec2("us-east-1", "ImportKeyPair", &pair).unwrap();
    succeeds(&test);
    let calls = cloud.calls();
    assert_arrived(&calls, &rows);
    for action in ["ImportKeyPair", "CreateKeyPair", "DeleteKeyPair"] {
        assert_eq!(calls.of(action).len(), 0, "{}", calls.sequence());
    }
    let left = cloud.left();
    assert_eq!(left.of("key pair").len(), 1, "{left}");
}

#[test]
fn a_temporary_key_is_of_the_kind_that_is_asked_for() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = "  temporary_key_pair_type = \"rsa\"\n  temporary_key_pair_bits = 2048";
    succeeds(&of(&cloud, &alone(&cloud, "rsa", options)));
    let key = cloud.calls().one("ImportKeyPair");
    let public = decoded(&key, "PublicKeyMaterial");
    let (kind, key) = public.split_once(' ').unwrap();
    assert_eq!(kind, "ssh-rsa");
    // A modulus of 2048 bits, an exponent of three bytes, and what is around them: 279 bytes.
    assert_eq!(key.trim_end().trim_end_matches('=').len(), 372, "{public}");
}

#[test]
fn who_may_use_an_image_and_what_its_instances_may_ask() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let unit = "arn:aws:organizations::123456789012:ou/o-1/ou-1";
    let options = format!(
        r#"  ami_groups      = ["all"]
  ami_ou_arns     = ["{unit}"]
  snapshot_groups = ["all"]
  imds_support    = "v1.0""#
    );
    succeeds(&of(&cloud, &alone(&cloud, "shared", &options)));
    let calls = cloud.calls();
    // The only one: nothing is said of the metadata service.
    let shared = calls.one("ModifyImageAttribute");
    let snapshot = calls.one("ModifySnapshotAttribute");
    for (call, parameter, wanted) in [
        (&shared, "LaunchPermission.Add.1.Group", "all"),
        (
            &shared,
            "LaunchPermission.Add.2.OrganizationalUnitArn",
            unit,
        ),
        (&snapshot, "Attribute", "createVolumePermission"),
        (&snapshot, "OperationType", "add"),
        (&snapshot, "UserGroup.1", "all"),
    ] {
        assert_eq!(call.parameter(parameter), wanted, "{parameter}: {call:?}");
    }
}

#[test]
fn without_an_image_the_build_ends_well_and_nothing_is_left() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = of(
        &cloud,
        &alone(
            &cloud,
            "tried",
            "  skip_create_ami = true\n  ami_users = [\"111111111111\"]",
        ),
    );
    let printed = succeeds(&test);
    let said = "--> amazon-ebs.tried: no AMI was made: `skip_create_ami`";
    assert!(printed.stdout.contains(said), "{}", printed.text());
    for part in ["AMIs were created", "us-east-1: ami-"] {
        assert!(!printed.stdout.contains(part), "{}", printed.text());
    }
    let calls = cloud.calls();
    for action in ["CreateImage", "ModifyImageAttribute"] {
        assert_eq!(calls.of(action).len(), 0, "{}", calls.sequence());
    }
    let left = cloud.left();
    assert_eq!(left.summary(), "", "{left}");
}

#[test]
fn a_machine_that_stops_by_itself_is_waited_for_and_not_stopped() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = of(
        &cloud,
        &alone(&cloud, "quiet", "  disable_stop_instance = true"),
    );
    let (ask, asked) = channel();
    let (answer, answered) = channel::<()>();
    let (ask, answered) = (Mutex::new(Some(ask)), Mutex::new(answered));
    cloud.hook(move |call, moment| {
        // The first look at its state: whether it has stopped.
        if moment == Moment::Before
            && call.action == "DescribeInstanceStatus"
            && let Some(ask) = ask.lock().unwrap().take()
        {
            ask.send(()).unwrap();
            answered.lock().unwrap().recv().unwrap();
        }
        Then::GoOn
    });
    let child = test.spawn(&["build", "-color=false", "."]);
    asked.recv_timeout(Duration::from_secs(60)).unwrap();
    let left = cloud.left();
    assert_eq!(left.of("image").len(), 0, "{left}");
    let instances = left.of("instance");
    cloud.shut_down(&instances[0].id);
    answer.send(()).unwrap();
    let printed = test.finish(child);
    cloud.unhook();
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let stops = calls.of("StopInstances");
    assert_eq!(stops.len(), 0, "{}", calls.sequence());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
}

#[test]
fn an_image_that_takes_longer_than_the_template_waits_is_given_up() {
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            image: Delay::Time(Duration::from_secs(3600)),
            ..behaviour().waits
        },
        ..behaviour()
    })
    .unwrap();
    let options = "  aws_polling {\n    delay_seconds = 1\n    max_attempts  = 1\n  }";
    let printed = build(&of(&cloud, &alone(&cloud, "slow", options)));
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    for part in ["waited ", " to become available", "aws_polling"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let left = cloud.left();
    assert_eq!(left.summary(), "", "{left}");
}
