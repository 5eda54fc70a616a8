//! The same template, the same cloud: what Debian's Packer 1.6.6 makes and what imgc makes, and every difference with its reason.

mod shape;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::Calls;
use serde_json::{Value as Json, json};

use super::network::{subnet, vpc};
use super::packer::{for_both, packer};
use super::{of, user};
use shape::{Shape, asked, counts, differences, images};

/// What one of the two has done.
struct Done {
    images: Shape,
    asked: Shape,
    calls: Calls,
}

/// A template with these options of the builder beside the usual ones.
fn template(cloud: &Cloud, options: &Json) -> String {
    let mut builder = json!({
        "type": "amazon-ebs",
        "region": "us-east-1",
        "access_key": "testing",
        "secret_key": "testing",
        "custom_endpoint_ec2": cloud.url(),
        "skip_region_validation": true,
        "skip_metadata_api_check": true,
        "source_ami_filter": {
            "filters": {
                "name": "ubuntu/images/*-noble-24.04-amd64-server-*",
                "root-device-type": "ebs",
                "virtualization-type": "hvm"
            },
            "owners": ["099720109477"],
            "most_recent": true
        },
        "instance_type": "t3.micro",
        "ami_name": "{{user `name`}} 1.4",
        "ssh_username": user(),
        "ssh_port": cloud.ssh_port(),
        "ssh_timeout": "60s"
    });
    let all = builder.as_object_mut().unwrap();
    for (name, value) in options.as_object().unwrap() {
        all.insert(name.clone(), value.clone());
    }
    let template = json!({
        "variables": {"name": "web", "network": "services"},
        "builders": [builder],
        "provisioners": [{"type": "shell", "inline": ["echo inside the machine"]}]
    });
    template.to_string()
}

/// Has both build it, each in a cloud of its own making, and compares. `known` are the differences that there are to be.
fn compare(name: &str, options: &Json, prepare: fn(&Cloud), known: &[Known]) {
    let cloud = Cloud::with(for_both()).unwrap();
    let text = template(&cloud, options);
    let test = of(&cloud, "");
    test.write("template.json", &text);
    let done = |cloud: &Cloud| Done {
        images: images(cloud),
        asked: asked(&cloud.calls()),
        calls: cloud.calls(),
    };

    prepare(&cloud);
    let directory = test.path(".");
    let built = packer(&directory, &["build", "-color=false", "template.json"]);
    let built = { built }.output().unwrap();
    let said = String::from_utf8_lossy(&built.stdout);
    assert!(built.status.success(), "{name}: {said}");
    let packers = done(&cloud);

    cloud.reset().unwrap();
    prepare(&cloud);
    let printed = test.run(&["build", "-color=false", "template.json"]);
    assert_eq!(printed.code, 0, "{name}: {}", printed.text());
    let ours = done(&cloud);
    let dry = cloud.dry_runs().len();

    assert!(!ours.images.is_empty());
    let mut found = differences(&packers.images, &ours.images);
    found.extend(differences(&packers.asked, &ours.asked));
    let changes = |done: &Done| counts(&done.calls.changes());
    found.extend(differences(&changes(&packers), &changes(&ours)));
    let listed = |name: &str, packer: &str, imgc: &str| {
        let mut lists = known.iter().chain(ALWAYS);
        lists.any(|known| known.is(name, packer, imgc))
    };
    let unknown: Vec<String> = found
        .iter()
        .filter(|(name, packer, imgc)| !listed(name, packer, imgc))
        .map(|(name, packer, imgc)| format!("{name}: {packer} | {imgc}"))
        .collect();
    assert!(
        unknown.is_empty(),
        "{name}: Packer | imgc differ in what is not listed:\n{}",
        unknown.join("\n")
    );
    // A reason for what is no longer different is none.
    for known in known {
        let is_met = |(name, packer, imgc): &(String, String, String)| known.is(name, packer, imgc);
        assert!(
            found.iter().any(is_met),
            "{name}: {known:?} is the same now"
        );
    }
    // Dry runs, which ask for rights before anything is made, are calls as well.
    let (theirs, ours) = (&packers.calls, &ours.calls);
    assert!(
        ours.len() + dry <= theirs.len(),
        "{name}: {} calls and {dry} dry runs, Packer {}\n{}\n{}",
        ours.len(),
        theirs.len(),
        ours.sequence(),
        theirs.sequence()
    );
    super::leaks::report(&format!(
        "{name}: Packer {} calls, imgc {} and {dry} dry runs",
        theirs.len(),
        ours.len()
    ));
}

/// A difference that is meant: the end or beginning (`…*`) of its name, what each has (`*`: whatever it is), and why.
#[derive(Debug)]
struct Known(&'static str, &'static str, &'static str, &'static str);

impl Known {
    fn is(&self, name: &str, packer: &str, imgc: &str) -> bool {
        let Self(own, theirs, ours, why) = self;
        assert!(!why.is_empty());
        let fits = |pattern: &str, text: &str| match pattern.split_once('*') {
            None => pattern == text,
            Some((begin, end)) => {
                text.len() >= begin.len() + end.len()
                    && text.starts_with(begin)
                    && text.ends_with(end)
            }
        };
        fits(own, name) && fits(theirs, packer) && fits(ours, imgc)
    }
}

const OURS: &str = "whose it is, in the call that makes it: `imgc gc --cloud` finds it by that";
const TAGGED: &str = "tags are given in the call that makes the thing; the mark of something unfinished goes at the end";

/// In every template.
const ALWAYS: &[Known] = &[
    Known(
        "* imdsSupport",
        "-",
        "v2.0",
        "instances of the image take version 2 of the metadata service only",
    ),
    Known("* tag imgc:build", "-", "*", OURS),
    Known("* tag imgc:resource", "-", "*", OURS),
    Known("* tag imgc:run", "-", "*", OURS),
    Known(
        "* tag imgc:expires",
        "-",
        "2023-11-15T22:13:20Z",
        "what of the build anybody may remove from then on",
    ),
    Known(
        "instance UserData",
        "",
        "*",
        "the host key that the instance must show, and the dead man's switch",
    ),
    Known(
        "door open for",
        "0.0.0.0/0",
        "127.0.0.1/32",
        "the caller's own address",
    ),
    Known(
        "CreateKeyPair",
        "1",
        "-",
        "the key is made here, and its private part is in no answer",
    ),
    Known("ImportKeyPair", "-", "1", "the same"),
    Known("CreateTags", "*", "-", TAGGED),
    Known("DeleteTags", "-", "*", TAGGED),
    Known(
        "ModifyImageAttribute",
        "*",
        "*",
        "once more for version 2 of the metadata service, which CreateImage cannot ask for",
    ),
];

#[test]
fn a_plain_template_makes_the_same_image() {
    compare("plain", &json!({}), |_| {}, &[]);
}

#[test]
fn tags_and_disks_are_the_same() {
    let options = json!({
        "ami_description": "{{user `name`}} from {{ .SourceAMI }}",
        "ena_support": true,
        "sriov_support": true,
        "ebs_optimized": true,
        "run_tags": {"team": "web", "base": "{{ .SourceAMIName }}"},
        "run_volume_tags": {"disk": "of the build"},
        "tags": {"version": "1.4", "base": "{{ .SourceAMIName }}"},
        "snapshot_tags": {"disk": "of the image", "version": "of the snapshot"},
        "launch_block_device_mappings": [
            {"device_name": "/dev/sda1", "volume_size": 12, "volume_type": "gp2", "delete_on_termination": true},
            {"device_name": "/dev/sdf", "volume_size": 4, "volume_type": "io1", "iops": 200, "delete_on_termination": true}
        ],
        "ami_block_device_mappings": [
            {"device_name": "/dev/sdb", "virtual_name": "ephemeral0"},
            {"device_name": "/dev/sdg", "volume_size": 20, "volume_type": "gp2", "delete_on_termination": true}
        ]
    });
    let known = [Known(
        "us-east-1 * tag team",
        "-",
        "web",
        "`run_tags` are on the image too, as in the plugin's later versions: `skip_ami_run_tags`",
    )];
    compare("tags and disks", &options, |_| {}, &known);
}

#[test]
fn copies_and_who_may_use_them_are_the_same() {
    let options = json!({
        "ami_users": ["111111111111", "222222222222"],
        "ami_regions": ["us-west-2", "eu-west-1"],
        "snapshot_users": ["333333333333"],
        "tags": {"version": "1.4"}
    });
    compare("copies and sharing", &options, |_| {}, &[]);
}

#[test]
fn a_network_that_is_found_by_its_tags_is_the_same() {
    let options = json!({
        "vpc_filter": {"filters": {"tag:Name": "{{user `network`}}", "isDefault": "false"}},
        "subnet_filter": {"filters": {"tag:Tier": "public"}, "most_free": true},
        "associate_public_ip_address": true
    });
    let prepare = |cloud: &Cloud| {
        vpc(cloud, "10.8.0.0/16", "other");
        let wanted = vpc(cloud, "10.9.0.0/16", "services");
        subnet(cloud, &wanted, "10.9.0.0/20", "private");
        subnet(cloud, &wanted, "10.9.64.0/26", "public");
        subnet(cloud, &wanted, "10.9.128.0/22", "public");
        cloud.forget_calls();
    };
    compare("network by tags", &options, prepare, &[]);
}

#[test]
fn an_encrypted_image_is_the_same_by_another_way() {
    let options = json!({
        "encrypt_boot": true,
        "ami_regions": ["us-west-2"],
        "region_kms_key_ids": {"us-west-2": "alias/web"},
        "tags": {"version": "1.4"}
    });
    const WAY: &str =
        "the volume is encrypted from the start, where Packer copies an open image and removes it";
    let known = [
        Known("us-east-1 image sourceImageRegion", "us-east-1", "-", WAY),
        Known(
            "us-east-1 snapshot of /dev/sda1 kmsKeyId",
            "*:alias/aws/ebs",
            "-",
            "the account's own key either way: the tests' cloud names it only for copies",
        ),
        Known("instance asks /dev/sda1 *", "-", "*", WAY),
        Known("CopyImage", "2", "1", WAY),
        Known("DeregisterImage", "1", "-", WAY),
        Known("DeleteSnapshot", "1", "-", WAY),
    ];
    compare("encrypted", &options, |_| {}, &known);
}

/// The lines about the artifact and the last ones for people, without their times and with the regions for the images' ids.
fn about_images(printed: &str, cloud: &Cloud) -> Vec<String> {
    let mut printed = printed.to_owned();
    let left = cloud.left();
    for image in left.of("image") {
        printed = printed.replace(&image.id, &format!("ami-of-{}", image.region));
    }
    let lines = printed.lines().filter_map(|line| line.split_once(','));
    let lines = lines.filter(|(time, line)| {
        assert!(time.parse::<u64>().is_ok(), "{time},{line}");
        line.starts_with("amazon-ebs,artifact") || line.starts_with(",ui,say,-->")
    });
    lines.map(|(_, line)| line.to_owned()).collect()
}

/// By the id scripts know which image is where.
#[test]
fn the_lines_about_images_in_several_regions_are_the_same() {
    let cloud = Cloud::with(for_both()).unwrap();
    let regions = json!({"ami_regions": ["us-west-2", "us-east-1", "eu-west-1"]});
    let test = of(&cloud, "");
    test.write("template.json", template(&cloud, &regions));
    let arguments = ["-machine-readable", "build", "template.json"];
    let built = packer(&test.path("."), &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&built.stdout);
    assert!(built.status.success(), "{said}");
    let packers = about_images(&said, &cloud);
    cloud.reset().unwrap();
    let printed = test.run(&arguments);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let ours = about_images(&printed.stdout, &cloud);
    assert_eq!(ours, packers);
    // By the names of the regions, in whatever order they are written and made.
    let [eu, east, west] = ["eu-west-1", "us-east-1", "us-west-2"];
    let comma = "%!(PACKER_COMMA)";
    let made = format!(
        "AMIs were created:\\n{eu}: ami-of-{eu}\\n{east}: ami-of-{east}\\n{west}: ami-of-{west}\\n"
    );
    assert_eq!(
        ours,
        [
            "amazon-ebs,artifact-count,1".to_owned(),
            "amazon-ebs,artifact,0,builder-id,mitchellh.amazonebs".to_owned(),
            format!(
                "amazon-ebs,artifact,0,id,{eu}:ami-of-{eu}{comma}{east}:ami-of-{east}{comma}{west}:ami-of-{west}"
            ),
            format!("amazon-ebs,artifact,0,string,{made}"),
            "amazon-ebs,artifact,0,files-count,0".to_owned(),
            "amazon-ebs,artifact,0,end".to_owned(),
            format!(",ui,say,--> amazon-ebs: {made}"),
        ]
    );
}
