//! Older images go, unless something may still start them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::stock::UBUNTU;

use super::{behaviour, user};
use crate::harness::Test;

const REGION: &str = "us-east-1";

fn test(cloud: &Cloud, options: &str) -> Test {
    let template = format!(
        r#"variable "release" {{ default = "1" }}
source "amazon-ebs" "web" {{
  ami_name      = "web-${{var.release}}"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami    = "{UBUNTU}"
}}
build {{
  sources = ["amazon-ebs.web"]
  post-processor "amazon-retention" {{
    {options}
  }}
}}
"#,
        user(),
        cloud.ssh_port(),
    );
    let mut test = Test::new(&template);
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

fn apply(test: &Test, release: &str) -> crate::harness::Printed {
    let release = format!("release={release}");
    test.run(&[
        "apply",
        "-color=false",
        "-auto-approve",
        "-var",
        &release,
        ".",
    ])
}

/// The names of the images that are left, and how many snapshots there are.
fn left(cloud: &Cloud) -> (Vec<String>, usize) {
    let left = cloud.left();
    let names = left
        .of("image")
        .iter()
        .map(|image| image.name.clone())
        .collect();
    (names, left.of("snapshot").len())
}

fn ec2(cloud: &Cloud, action: &str, parameters: &[(&str, &str)]) -> String {
    cloud.ec2(REGION, action, parameters).unwrap()
}

fn tagged(xml: &str, name: &str) -> String {
    let (_, rest) = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("{xml}"));
    rest.split('<').next().unwrap_or_default().to_owned()
}

/// An image of the family `web`, made by somebody else long before imgc was used.
fn image(cloud: &Cloud, instance: &str, name: &str) -> String {
    let made = ec2(
        cloud,
        "CreateImage",
        &[
            ("InstanceId", instance),
            ("Name", name),
            ("TagSpecification.1.ResourceType", "image"),
            ("TagSpecification.1.Tag.1.Key", "imgc:family"),
            ("TagSpecification.1.Tag.1.Value", "web"),
        ],
    );
    tagged(&made, "imageId")
}

/// Asks auto-scaling for something.
fn autoscaling(cloud: &Cloud, form: &str) {
    let mut stream = TcpStream::connect(cloud.moto().address()).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: autoscaling.{REGION}.amazonaws.com\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/autoscaling/aws4_request, \
         SignedHeaders=host, Signature=none\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn only_the_newest_of_a_family_stay_with_their_snapshots() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "family = \"web\"\nkeep = 2");
    for release in ["1", "2", "3"] {
        let printed = apply(&test, release);
        assert_eq!(printed.code, 0, "{}", printed.text());
        if release == "3" {
            let said = "(web-1, of ";
            assert!(printed.stdout.contains(said), "{}", printed.text());
            assert!(
                printed.stdout.contains("has gone, with 1 snapshot"),
                "{}",
                printed.text()
            );
        }
    }
    let names = vec!["web-2".to_owned(), "web-3".to_owned()];
    assert_eq!(left(&cloud), (names, 2));
    // The plan of the next one says which would go, and asks read-only.
    cloud.forget_calls();
    let plan = test.run(&["plan", "-color=false", "-var", "release=4", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    let left_now = cloud.left();
    let images = left_now.of("image");
    let old = images.iter().find(|image| image.name == "web-2").unwrap();
    let goes = format!("{} (web-2, of ", old.id);
    let line = plan.stdout.lines().find(|line| line.contains(&goes));
    let line = line.unwrap_or_else(|| panic!("{}", plan.text()));
    assert!(line.contains(" goes, with the snapshot snap-"), "{line}");
    assert!(line.contains("retention us-east-1"), "{line}");
    assert!(!plan.stdout.contains("(web-3, of "), "{}", plan.text());
    assert_eq!(cloud.calls().changes().len(), 0);
    // Nothing has changed: nothing is looked at.
    cloud.forget_calls();
    assert_eq!(apply(&test, "3").code, 0);
    let calls = cloud.calls();
    assert!(calls.changes().is_empty(), "{}", calls.sequence());
}

#[test]
fn what_may_still_be_started_stays() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let run = |image: &str| {
        let run = [("ImageId", image), ("MinCount", "1"), ("MaxCount", "1")];
        tagged(&ec2(&cloud, "RunInstances", &run), "instanceId")
    };
    let source = run(UBUNTU);
    let names = [
        "free",
        "running",
        "stopped",
        "template",
        "configuration",
        "group",
        "parameter",
        "shared",
        "protected",
    ];
    let images: Vec<String> = names
        .iter()
        .map(|name| image(&cloud, &source, name))
        .collect();
    let of = |name: &str| {
        let at = names.iter().position(|known| *known == name).unwrap();
        images[at].as_str()
    };
    run(of("running"));
    let stopped = run(of("stopped"));
    ec2(&cloud, "StopInstances", &[("InstanceId.1", &stopped)]);
    let template = |name: &str, image: &str| {
        let data = [
            ("LaunchTemplateName", name),
            ("LaunchTemplateData.ImageId", image),
        ];
        tagged(
            &ec2(&cloud, "CreateLaunchTemplate", &data),
            "launchTemplateId",
        )
    };
    template("fleet", of("template"));
    // Version 1 is neither the default nor the latest one: only the group names it.
    let grouped = template("grouped", of("group"));
    let next = [
        ("LaunchTemplateId", grouped.as_str()),
        ("LaunchTemplateData.ImageId", UBUNTU),
    ];
    ec2(&cloud, "CreateLaunchTemplateVersion", &next);
    let default = [
        ("LaunchTemplateId", grouped.as_str()),
        ("SetDefaultVersion", "2"),
    ];
    ec2(&cloud, "ModifyLaunchTemplate", &default);
    autoscaling(
        &cloud,
        &format!(
            "Action=CreateAutoScalingGroup&Version=2011-01-01&AutoScalingGroupName=web&MinSize=0&MaxSize=0&\
             AvailabilityZones.member.1={REGION}a&LaunchTemplate.LaunchTemplateId={grouped}&LaunchTemplate.Version=1"
        ),
    );
    autoscaling(
        &cloud,
        &format!(
            "Action=CreateLaunchConfiguration&Version=2011-01-01&LaunchConfigurationName=old&InstanceType=t3.micro&\
             ImageId={}",
            of("configuration")
        ),
    );
    let parameter = format!(
        r#"{{"Name": "/golden", "Value": "{}", "Type": "String", "DataType": "aws:ec2:image"}}"#,
        of("parameter")
    );
    cloud
        .moto()
        .call("ssm", "AmazonSSM.PutParameter", &parameter)
        .unwrap();
    ec2(
        &cloud,
        "ModifyImageAttribute",
        &[
            ("ImageId", of("shared")),
            ("LaunchPermission.Add.1.UserId", "111122223333"),
        ],
    );
    ec2(
        &cloud,
        "EnableImageDeregistrationProtection",
        &[("ImageId", of("protected"))],
    );

    let dry = test(&cloud, "family = \"web\"\nkeep = 1\ndry_run = true");
    let dry = apply(&dry, "0");
    assert_eq!(dry.code, 0, "{}", dry.text());
    assert!(dry.stdout.contains("(free, of "), "{}", dry.text());
    assert_eq!(left(&cloud).0.len(), names.len() + 1);
    // Nothing that cannot be looked at goes.
    cloud.change(|behaviour| behaviour.denied = vec!["ssm:DescribeParameters".to_owned()]);
    let test = test(&cloud, "family = \"web\"\nkeep = 1");
    let denied = apply(&test, "1");
    assert_eq!(denied.code, 4, "{}", denied.text());
    assert!(
        denied.text().contains("ssm:DescribeParameters"),
        "{}",
        denied.text()
    );
    assert_eq!(left(&cloud).0.len(), names.len() + 2);
    cloud.change(|behaviour| behaviour.denied.clear());

    let printed = apply(&test, "1");
    assert_eq!(printed.code, 0, "{}", printed.text());
    let (there, _) = left(&cloud);
    // `web-0` joined the family in the dry run.
    for name in &names[1..] {
        assert!(
            there.contains(&(*name).to_owned()),
            "{name}: {}",
            printed.text()
        );
    }
    assert!(there.contains(&"web-1".to_owned()), "{there:?}");
    assert_eq!(there.len(), names.len(), "{there:?}: {}", printed.text());
    for said in [
        format!("the instance {stopped} is of it"),
        "version 1 of the launch template fleet names it".to_owned(),
        "version 1 of the launch template grouped, which an auto-scaling group uses, names it"
            .to_owned(),
        "the launch configuration old names it".to_owned(),
        "the parameter /golden names it".to_owned(),
        "it is shared with 111122223333".to_owned(),
        "it is protected from being deregistered".to_owned(),
    ] {
        assert!(printed.stdout.contains(&said), "{said}: {}", printed.text());
    }
}

#[test]
fn limits_that_say_nothing_are_refused_before_the_run() {
    let cloud = Cloud::start().unwrap();
    for (options, said) in [
        ("family = \"web\"", "keep"),
        ("family = \"web\"\nkeep = 0", "at least 1"),
        (
            "family = \"web\"\nolder_than = \"soon\"",
            "an age such as `90d`",
        ),
        ("keep = 3", "family"),
    ] {
        let printed = test(&cloud, options).run(&["validate", "-color=false", "."]);
        assert_eq!(printed.code, 3, "{options}: {}", printed.text());
        assert!(
            printed.text().contains(said),
            "{options}: {}",
            printed.text()
        );
    }
}

#[test]
fn what_is_older_than_the_limit_goes_and_what_is_not_stays() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let day = test(&cloud, "family = \"web\"\nolder_than = \"1d\"");
    for release in ["1", "2"] {
        let printed = apply(&day, release);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
    let both = vec!["web-1".to_owned(), "web-2".to_owned()];
    assert_eq!(left(&cloud), (both, 2), "nothing is a day old");
    // Dates have seconds.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let short = test(&cloud, "family = \"web\"\nolder_than = \"1s\"");
    let printed = apply(&short, "3");
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(
        printed.stdout.matches("has gone, with 1 snapshot").count(),
        2,
        "{}",
        printed.text()
    );
    assert_eq!(left(&cloud), (vec!["web-3".to_owned()], 1));
}

#[test]
fn what_would_go_is_listed_and_asked_about_and_marked_when_it_has_gone() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "family = \"web\"\nkeep = 1");
    let asking = |release: &str| {
        let release = format!("release={release}");
        test.run(&["apply", "-color=false", "-var", &release, "."])
    };
    // Nothing goes yet: nobody is asked.
    let first = asking("1");
    assert_eq!(first.code, 0, "{}", first.text());
    let old = cloud.left().of("image")[0].id.clone();
    cloud.forget_calls();
    let asked = asking("2");
    assert_eq!(asked.code, 8, "{}", asked.text());
    for said in [
        "1 image would be removed",
        &format!("us-east-1: {old} (web-1, of "),
        ", with the snapshot snap-",
        "(by build.amazon-ebs.web.post-processor[0][0])",
        "-auto-approve",
    ] {
        assert!(asked.text().contains(said), "{said}: {}", asked.text());
    }
    assert_eq!(cloud.calls().changes().len(), 0);
    let listed = test.run(&["images"]);
    assert!(!listed.stdout.contains("removed"), "{}", listed.text());
    let agreed = apply(&test, "2");
    assert_eq!(agreed.code, 0, "{}", agreed.text());
    assert_eq!(left(&cloud), (vec!["web-2".to_owned()], 1));
    let listed = test.run(&["images"]);
    let marked = listed.stdout.lines().find(|line| line.contains("removed"));
    let marked = marked.unwrap_or_else(|| panic!("{}", listed.text()));
    assert!(
        marked.ends_with(&format!(
            "(build.amazon-ebs.web.post-processor[0][0]): aws image {old} (us-east-1)"
        )),
        "{marked}"
    );
    let json = test.run(&["images", "-json"]);
    let images: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let removed: Vec<&str> = images
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|image| image["removed"].as_array().unwrap())
        .filter_map(|one| one["id"].as_str())
        .collect();
    assert!(!removed.is_empty(), "{images}");
    assert!(removed.iter().all(|id| *id == old), "{images}");
    // Which cannot be taken back.
    let back = test.run(&["rollback", "--dry-run"]);
    assert_ne!(back.code, 0, "{}", back.text());
}

#[test]
fn snapshots_go_also_where_the_server_leaves_them() {
    let cloud = Cloud::with(imgc_testbed::cloud::Behaviour {
        keeps_snapshots: true,
        ..behaviour()
    })
    .unwrap();
    let test = test(&cloud, "family = \"web\"\nkeep = 1");
    assert_eq!(apply(&test, "1").code, 0);
    let printed = apply(&test, "2");
    assert_eq!(printed.code, 0, "{}", printed.text());
    let said = "has gone, with 1 snapshot";
    assert!(printed.stdout.contains(said), "{}", printed.text());
    assert_eq!(left(&cloud), (vec!["web-2".to_owned()], 1));
    // What cannot be deleted is named.
    let snapshot = cloud.left().of("snapshot")[0].id.clone();
    cloud.change(|behaviour| behaviour.denied = vec!["ec2:DeleteSnapshot".to_owned()]);
    let printed = apply(&test, "3");
    assert_eq!(printed.code, 0, "{}", printed.text());
    let said = format!("the snapshot {snapshot} of ");
    assert!(printed.text().contains(&said), "{}", printed.text());
    assert!(
        printed.text().contains("is still there: "),
        "{}",
        printed.text()
    );
    assert_eq!(left(&cloud), (vec!["web-3".to_owned()], 2));
}

/// What the parameter names now is not what it names when retention looks.
#[test]
fn the_plan_knows_that_a_parameter_is_written_before_images_go() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "family = \"web\"\nkeep = 1");
    let alone = test.read("main.pkr.hcl");
    let (source, _) = alone.split_once("build {").unwrap();
    let with = |parameter: &str| {
        format!(
            "{source}build {{\n  sources = [\"amazon-ebs.web\"]\n  post-processors {{\n    post-processor \
             \"amazon-ssm-parameter\" {{\n      parameter = \"{parameter}\"\n    }}\n    post-processor \
             \"amazon-retention\" {{\n      family = \"web\"\n      keep   = 1\n    }}\n  }}\n}}\n"
        )
    };
    test.write("main.pkr.hcl", with("/web/{{ .BuildRegion }}/golden"));
    let printed = apply(&test, "1");
    assert_eq!(printed.code, 0, "{}", printed.text());
    let plan = || {
        let printed = test.run(&["plan", "-color=false", "-var", "release=2", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
        let line = printed
            .stdout
            .lines()
            .find(|line| line.contains("(web-1, of "));
        line.unwrap_or_else(|| panic!("{}", printed.text()))
            .to_owned()
    };
    let line = plan();
    assert!(line.contains(" goes, with the snapshot snap-"), "{line}");
    // Another parameter does not take anything from this one.
    test.write("main.pkr.hcl", with("/web/other"));
    let line = plan();
    assert!(
        line.contains("stays: the parameter /web/us-east-1/golden names it"),
        "{line}"
    );
    test.write("main.pkr.hcl", with("/web/{{ .BuildRegion }}/golden"));
    let printed = apply(&test, "2");
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(left(&cloud), (vec!["web-2".to_owned()], 1));
}

/// As people write it: first the parameter, then what nobody needs any more.
#[test]
fn behind_a_parameter_a_dry_run_names_what_would_go() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "family = \"web\"\nkeep = 2\ndry_run = true");
    let text = test.read("main.pkr.hcl");
    let chain = text.replace(
        "  post-processor \"amazon-retention\" {",
        "  post-processors {\n  post-processor \"amazon-ssm-parameter\" {\n    parameter = \"/web/golden\"\n  }\n  \
         post-processor \"amazon-retention\" {",
    );
    let chain = chain.trim_end().strip_suffix('}').unwrap().to_owned() + "}\n}\n";
    test.write("main.pkr.hcl", chain);
    let mut last = None;
    for release in ["1", "2", "3"] {
        let printed = apply(&test, release);
        assert_eq!(printed.code, 0, "{}", printed.text());
        last = Some(printed);
    }
    let printed = last.unwrap();
    let named: Vec<&str> = printed
        .stdout
        .lines()
        .filter(|line| line.ends_with(" would go"))
        .collect();
    assert_eq!(named.len(), 1, "{}", printed.text());
    assert!(named[0].contains("(web-1, of "), "{named:?}");
    assert_eq!(left(&cloud).0.len(), 3);
    // The parameter is written before anything is let go.
    let calls = cloud.calls();
    let place = |action: &str| calls.iter().rposition(|call| call.action == action);
    let family = calls.iter().rposition(|call| {
        call.action == "CreateTags" && call.tags("image").contains_key("imgc:family")
    });
    assert!(place("PutParameter").is_some() && place("PutParameter") < family);
}
