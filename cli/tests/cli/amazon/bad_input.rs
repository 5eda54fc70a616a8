//! What goes wrong at Amazon for reasons of the template, the account or the day: said clearly, and nothing stays.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::stock::UBUNTU;
use imgc_testbed::cloud::{Moment, Then};

use super::{behaviour, test};
use crate::harness::{Printed, Test};

/// Fails with this in what is said, and leaves nothing.
fn fails(cloud: &Cloud, test: &Test, said: &[&str]) -> Printed {
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    for part in said {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert_eq!(cloud.left().summary(), "", "{}\n{text}", cloud.left());
    printed
}

fn edited(cloud: &Cloud, old: &str, new: &str) -> Test {
    let test = test(cloud);
    let text = test.read("main.pkr.hcl");
    assert!(text.contains(old), "{text}");
    test.write("main.pkr.hcl", text.replace(old, new));
    test
}

#[test]
fn without_credentials_nothing_is_tried() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let mut nobody = Test::new(&test(&cloud).read("main.pkr.hcl"));
    for (name, value) in cloud.environment() {
        if !name.contains("KEY") {
            nobody = nobody.env(name, &value);
        }
    }
    let printed = fails(
        &cloud,
        &nobody,
        &[
            "there are no credentials that can be used",
            "~/.aws/credentials",
            "set AWS_PROFILE",
        ],
    );
    assert!(
        !printed.text().contains("DispatchFailure"),
        "{}",
        printed.text()
    );
    let text = nobody.read("main.pkr.hcl");
    let named = text.replacen("  ami_name", "  profile = \"nope\"\n  ami_name", 1);
    nobody.write("main.pkr.hcl", named);
    nobody.write(".aws/config", "[profile nop]\nregion = us-east-1\n");
    fails(
        &cloud,
        &nobody,
        &[
            "the profile `nope` is neither in ~/.aws/config nor in ~/.aws/credentials",
            "did you mean `nop`?",
        ],
    );
    assert_eq!(cloud.calls().len(), 0);
}

#[test]
fn what_amazon_would_refuse_after_the_work_is_found_by_validate() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let lines = r#"  shutdown_behavior = "hibernate"
  ssh_keypair_name  = "ops"
  temporary_security_group_source_cidrs = ["203.0.113.1"]
  user_data_file = "nowhere.sh"
  metadata_options {
    http_tokens = "maybe"
  }
  ami_name"#;
    let test = edited(&cloud, "  ami_name", lines);
    let text = test.read("main.pkr.hcl");
    let text = text.replace(".SourceAMIName", ".SourceAMINane");
    let post = "  post-processor \"amazon-ssm-parameter\" {\n    parameter = \"/{{ .Nane }}/x\"\n  }\n  provisioner";
    test.write("main.pkr.hcl", text.replacen("  provisioner", post, 1));
    let printed = test.run(&["validate", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    for said in [
        "`shutdown_behavior` is `hibernate`",
        "the key pair `ops` is named, and not where its private half is",
        "`temporary_security_group_source_cidrs` has `203.0.113.1`",
        "`http_tokens` is `maybe`",
        "there is no file `nowhere.sh`",
        "the templates in `tags` know no `.SourceAMINane`",
        "there is one with a similar name: `{{ .SourceAMIName }}`",
        "the templates in `parameter` know no `.Nane`",
    ] {
        assert!(
            printed.text().contains(said),
            "no `{said}` in {}",
            printed.text()
        );
    }
    assert_eq!(cloud.calls().len(), 0);
}

/// An error in a block is shown at its option, not where the source begins.
#[test]
fn what_is_wrong_in_a_block_is_shown_where_it_stands() {
    let cloud = Cloud::with(behaviour()).unwrap();
    for (block, said) in [
        (
            "metadata_options {\n    http_tokens = \"maybe\"",
            "`http_tokens` is `maybe`",
        ),
        (
            "placement {\n    tenancy = \"hosts\"",
            "`tenancy` is `hosts`",
        ),
        (
            "subnet_filter {\n    most_free = true",
            "`most_free` of `subnet_filter` chooses among subnets",
        ),
        (
            "subnet_filter {\n    random = true",
            "`random` of `subnet_filter` chooses among subnets",
        ),
        (
            "aws_polling {\n    delay_seconds = -1",
            "the option `delay_seconds` of `aws_polling`",
        ),
    ] {
        let lines = format!("  {block}\n  }}\n  ami_name");
        let test = edited(&cloud, "  ami_name", &lines);
        let option = block.lines().last().unwrap();
        let text = test.read("main.pkr.hcl");
        let at = text.lines().position(|line| line == option).unwrap();
        let printed = test.run(&["validate", "-color=false", "."]);
        assert_ne!(printed.code, 0, "{}", printed.text());
        for said in [said.to_owned(), format!("main.pkr.hcl:{}:", at + 1)] {
            assert!(
                printed.text().contains(&said),
                "no `{said}` in {}",
                printed.text()
            );
        }
    }
    assert_eq!(cloud.calls().len(), 0);
}

#[test]
fn what_a_reservation_cannot_be_is_said_once() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let both =
        "  capacity_reservation_id        = \"cr-1\"\n  capacity_reservation_group_arn = \"arn:1\"";
    let preference = "  capacity_reservation_preference = \"closed\"";
    for (lines, said) in [
        (both, "exclude each other"),
        (preference, "capacity_reservation_preference"),
    ] {
        let test = edited(&cloud, "  ami_name", &format!("{lines}\n  ami_name"));
        let printed = test.run(&["validate", "-color=false", "."]);
        assert_ne!(printed.code, 0, "{}", printed.text());
        let text = printed.text();
        assert!(text.contains(said), "{text}");
        assert!(!text.contains("check/invalid-option"), "{text}");
    }
}

#[test]
fn what_only_the_run_may_refuse_it_refuses_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    for (line, said) in [
        (
            "user_data_file = \"big.bin\"",
            "the user data has 20000 bytes",
        ),
        (
            "ami_users = [\"1234\"]",
            "`1234` is not the number of an account",
        ),
    ] {
        let lines = format!("  {line}\n  ami_name");
        let test = edited(&cloud, "  ami_name", &lines);
        test.write("big.bin", vec![b'x'; 20_000]);
        let valid = test.run(&["validate", "."]);
        assert_eq!(valid.code, 0, "{}", valid.text());
        fails(&cloud, &test, &[said]);
    }
    let calls = cloud.calls();
    assert!(
        calls.iter().all(|call| call.action.starts_with("Describe")),
        "{}",
        calls.sequence()
    );
}

/// It is the template's: nobody has made it a moment ago.
#[test]
fn a_group_of_the_template_that_is_not_there_is_asked_for_once() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let groups = cloud.texts("us-east-1", "DescribeSecurityGroups", &[]);
    let group = groups["securityGroupInfo/1/groupId"].clone();
    let message = format!("The security group '{group}' does not exist");
    // Somebody has removed it since it was looked for.
    cloud.hook(move |call, moment| match call.action.as_str() {
        "RunInstances" if moment == Moment::Before => {
            Then::Refuse(400, "InvalidGroup.NotFound".to_owned(), message.clone())
        }
        _ => Then::GoOn,
    });
    let test = edited(
        &cloud,
        "  ami_name",
        &format!("  security_group_ids = [{group:?}]\n  ami_name"),
    );
    fails(&cloud, &test, &["InvalidGroup.NotFound", &group]);
    cloud.unhook();
    let asked = cloud.calls().of("RunInstances").len();
    assert_eq!(asked, 1, "{}", cloud.calls().sequence());
}

#[test]
fn groups_that_are_not_there_are_said_by_the_plan_and_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let groups = cloud.texts("us-east-1", "DescribeSecurityGroups", &[]);
    let group = &groups["securityGroupInfo/1/groupId"];
    let line = format!("  security_group_ids = [{group:?}, \"default\", \"sg-0123\"]\n  ami_name");
    let test = edited(&cloud, "  ami_name", &line);
    let said = "there are no security groups `default`, `sg-0123` in us-east-1";
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    assert!(
        plan.stdout.contains(&format!("! {said}")),
        "{}",
        plan.text()
    );
    fails(
        &cloud,
        &test,
        &[said, "`security_group_filter` finds them by name"],
    );
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
    // Who may not look finds out from the start of the instance.
    cloud.change(|behaviour| behaviour.denied = vec!["ec2:DescribeSecurityGroups".to_owned()]);
    let line = format!("  security_group_ids = [{group:?}]\n  ami_name");
    let blind = edited(&cloud, "  ami_name", &line);
    let plan = blind.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    let printed = blind.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
}

#[test]
fn without_a_region_the_plan_says_that_the_build_would_fail() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let mut test = Test::new(&test(&cloud).read("main.pkr.hcl"));
    for (name, value) in cloud.environment() {
        if !name.contains("REGION") {
            test = test.env(name, &value);
        }
    }
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    for said in ["! no region is set", "AWS_REGION"] {
        assert!(plan.stdout.contains(said), "{}", plan.text());
    }
    assert_eq!(cloud.calls().len(), 0);
}

/// What a post-processor cannot do with what its source makes follows from the template.
#[test]
fn a_post_processor_that_stands_behind_the_wrong_source_is_found_by_validate() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let behind = |source: &str, post: &str| {
        let text = format!(
            "{source}\nbuild {{\n  sources = [\"x.y\"]\n  post-processors {{\n    post-processor \"shell-local\" {{\n      \
             inline = [\"true\"]\n    }}\n    {post}\n  }}\n}}\n"
        );
        let builder = source.split('"').nth(1).unwrap();
        super::of(&cloud, &text.replace("x.y", &format!("{builder}.y")))
    };
    let parameter = "post-processor \"amazon-ssm-parameter\" {\n      parameter = \"/golden\"\n      regions   = \
                     [\"eu-west-1\"]\n    }";
    let retention =
        "post-processor \"amazon-retention\" {\n      family = \"web\"\n      keep   = 2\n    }";
    let import = "post-processor \"amazon-import\" {\n      s3_bucket_name = \"images\"\n      format         = \"raw\"\n    }";
    let ebs = |more: &str| {
        format!(
            "source \"amazon-ebs\" \"y\" {{\n  region = \"us-east-1\"\n  ami_name = \"web\"\n  instance_type = \"t3.micro\"\n  \
             ssh_username = \"root\"\n  source_ami = \"ami-1\"\n  {more}\n}}"
        )
    };
    let volumes = "source \"amazon-ebsvolume\" \"y\" {\n  region = \"us-east-1\"\n  instance_type = \"t3.micro\"\n  \
                   ssh_username = \"root\"\n  source_ami = \"ami-1\"\n}";
    let file = "source \"file\" \"y\" {\n  content = \"x\"\n  target = \"disk.raw\"\n}";
    for (source, post, said) in [
        (
            ebs("ami_regions = [\"us-west-2\"]"),
            parameter,
            "has no image in eu-west-1, only in us-east-1, us-west-2",
        ),
        (
            ebs("skip_create_ami = true"),
            retention,
            "has no image to work with: `skip_create_ami` is set",
        ),
        (
            volumes.to_owned(),
            parameter,
            "has no image to work with: `amazon-ebsvolume` makes none",
        ),
        (
            file.to_owned(),
            retention,
            "has no image to work with: `file` makes none",
        ),
        (
            ebs(""),
            import,
            "has no file to import: `amazon-ebs` makes none",
        ),
    ] {
        let printed = behind(&source, post).run(&["validate", "-color=false", "."]);
        assert_ne!(printed.code, 0, "{said}: {}", printed.text());
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    for (source, post) in [
        (ebs("ami_regions = [\"eu-west-1\"]"), parameter),
        (ebs(""), retention),
        (file.to_owned(), import),
        // Where it is made the environment says.
        (ebs("").replace("  region = \"us-east-1\"\n", ""), parameter),
    ] {
        let printed = behind(&source, post).run(&["validate", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
    // What is between them makes another artifact, of which nobody knows.
    let other = format!(
        "post-processor \"artifice\" {{\n      files = [\"disk.raw\"]\n    }}\n    {import}"
    );
    let printed = behind(&ebs(""), &other).run(&["validate", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(cloud.calls().len(), 0);
}

#[test]
fn a_region_that_is_none() {
    let cloud = Cloud::with(behaviour()).unwrap();
    for (region, said) in [
        ("us-east-1b", "`us-east-1b` is not the name of a region"),
        ("useast1", "`useast1` is not the name of a region"),
    ] {
        let lines = format!("  region = {region:?}\n  ami_name");
        fails(&cloud, &edited(&cloud, "  ami_name", &lines), &[said]);
    }
    assert_eq!(cloud.calls().len(), 0);
}

/// Also where it is not Amazon that is asked.
#[test]
fn a_region_that_is_misspelt_is_found_by_validate() {
    let cloud = Cloud::with(behaviour()).unwrap();
    for lines in [
        "region = \"us-wst-2\"",
        "ami_regions = [\"eu-west-1\", \"us-wst-2\"]",
    ] {
        let test = edited(&cloud, "  ami_name", &format!("  {lines}\n  ami_name"));
        let printed = test.run(&["validate", "-color=false", "."]);
        assert_ne!(printed.code, 0, "{}", printed.text());
        for said in ["there is no region `us-wst-2`", "did you mean us-west-2?"] {
            assert!(printed.text().contains(said), "{}", printed.text());
        }
        let lines = format!("  skip_region_validation = true\n  {lines}\n  ami_name");
        let test = edited(&cloud, "  ami_name", &lines);
        let printed = test.run(&["validate", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
    assert_eq!(cloud.calls().len(), 0);
}

#[test]
fn a_filter_that_finds_nothing_or_too_much() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let nothing = edited(&cloud, "noble-24.04", "nonesuch-99.04");
    fails(
        &cloud,
        &nothing,
        &[
            "`source_ami_filter` finds no image in us-east-1: name = ubuntu/images/*-nonesuch-99.04-amd64-server-*",
            "owners 099720109477",
        ],
    );
    let many = edited(&cloud, "most_recent = true", "most_recent = false");
    let text = many.read("main.pkr.hcl");
    many.write(
        "main.pkr.hcl",
        text.replace("*-noble-24.04-amd64-server-*", "*"),
    );
    let printed = fails(
        &cloud,
        &many,
        &["`source_ami_filter` finds ", "most_recent = true"],
    );
    assert!(
        printed.text().contains(" images in us-east-1: ami-"),
        "{}",
        printed.text()
    );
    let absent = edited(
        &cloud,
        "  run_tags",
        "  subnet_id = \"subnet-0123\"\n  run_tags",
    );
    fails(&cloud, &absent, &["subnet-0123"]);
}

#[test]
fn a_subnet_that_is_none_or_one_of_many() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let filter = |filter: &str| {
        let lines = format!("  subnet_filter {{\n    filters = {{ {filter} }}\n  }}\n  ami_name");
        edited(&cloud, "  ami_name", &lines)
    };
    fails(
        &cloud,
        &filter("state = \"available\""),
        &[
            "`subnet_filter` finds ",
            " subnets in us-east-1: subnet-",
            "`most_free = true` or `random = true`",
        ],
    );
    fails(
        &cloud,
        &filter("\"tag:Tier\" = \"nowhere\""),
        &[
            "`subnet_filter` finds no subnet in us-east-1: tag:Tier = nowhere",
            "check `region`, the filters, and the account",
        ],
    );
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
}

#[test]
fn a_filter_of_groups_that_finds_none() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let lines =
        "  security_group_filter {\n    filters = { \"group-name\" = \"nobody\" }\n  }\n  ami_name";
    let test = edited(&cloud, "  ami_name", lines);
    let said = "`security_group_filter` finds no security group in us-east-1: group-name = nobody";
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    assert!(
        plan.stdout.contains(&format!("! {said}")),
        "{}",
        plan.text()
    );
    fails(&cloud, &test, &[said]);
    assert_eq!(cloud.calls().of("RunInstances").len(), 0);
}

/// Its id means nothing there.
#[test]
fn an_image_of_another_region() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let run = [("ImageId", UBUNTU), ("MinCount", "1"), ("MaxCount", "1")];
    let started = cloud.texts("us-east-1", "RunInstances", &run);
    let instance = &started["instancesSet/1/instanceId"];
    let make = [("InstanceId", instance.as_str()), ("Name", "here")];
    let made = cloud.texts("us-east-1", "CreateImage", &make);
    let image = &made["imageId"];
    let lines = format!("  region = \"us-west-2\"\n  source_ami = {image:?}\n  ami_name");
    let test = edited(&cloud, "  ami_name", &lines);
    let text = test.read("main.pkr.hcl");
    let (start, rest) = text.split_once("  source_ami_filter {").unwrap();
    let (_, end) = rest.split_once("  run_tags").unwrap();
    test.write("main.pkr.hcl", format!("{start}  run_tags{end}"));
    let said = format!("there is no image `{image}` in us-west-2");
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    assert!(plan.stdout.contains(&said), "{}", plan.text());
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    for said in [said.as_str(), "ids differ from region to region"] {
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
    // Where it is it is found.
    let here = test.read("main.pkr.hcl").replace("us-west-2", "us-east-1");
    test.write("main.pkr.hcl", here);
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
}

#[test]
fn a_type_without_capacity() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.no_capacity = vec!["t3.micro".to_owned()]);
    let test = test(&cloud);
    let printed = test.run(&["build", "-color=false", "--retries=0", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    assert!(text.contains("InsufficientInstanceCapacity"), "{text}");
    assert!(
        text.contains("take another instance type or subnet"),
        "{text}"
    );
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn a_quota_that_is_reached() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.vcpus = Some(1));
    fails(
        &cloud,
        &test(&cloud),
        &[
            "VcpuLimitExceeded",
            "current vCPU limit of 1",
            "Service Quotas",
        ],
    );
}

#[test]
fn a_name_with_characters_that_no_image_may_have() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = edited(&cloud, "\"web-1\"", "\"web:1 #2\"");
    fails(
        &cloud,
        &test,
        &[
            "the image's name `web:1 #2` has `:`, `#`",
            "clean_resource_name",
        ],
    );
    assert_eq!(cloud.calls().len(), 0);
    let valid = test.run(&["validate", "."]);
    assert_ne!(valid.code, 0, "{}", valid.text());
}

#[test]
fn credentials_that_end_in_the_middle() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.expires_after = Some(9));
    let test = test(&cloud);
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    assert!(text.contains("the credentials have expired"), "{text}");
    assert!(text.contains("`imgc apply -resume`"), "{text}");
    // Somebody logs in again.
    cloud.change(|behaviour| behaviour.expires_after = None);
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn credentials_that_are_renewed_in_the_middle() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let mut test = Test::new(&test(&cloud).read("main.pkr.hcl"));
    for (name, value) in cloud.environment() {
        if !name.contains("KEY") {
            test = test.env(name, &value);
        }
    }
    let profile = |key: &str| {
        format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = testing\n")
    };
    test.write(".aws/credentials", profile("first"));
    let file = test.path(".aws/credentials");
    let fresh = profile("second");
    // A tool beside us logs in again when the instance has been asked for.
    cloud.hook(move |call, moment| {
        if call.action == "RunInstances" && moment == Moment::After {
            std::fs::write(&file, &fresh).unwrap();
        }
        Then::GoOn
    });
    cloud.change(|behaviour| behaviour.expires_after = Some(12));
    let printed = test.run(&["build", "-color=false", "."]);
    cloud.unhook();
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let expired = calls.only(|call| call.error.as_deref() == Some("RequestExpired"));
    assert!(!expired.is_empty(), "{}", calls.sequence());
    assert_eq!(
        cloud.left().summary(),
        "1 image, 1 snapshot",
        "{}",
        cloud.left()
    );
}

#[test]
fn a_data_source_that_takes_anybodys_image() {
    let template = |owners: &str| {
        format!(
            "data \"amazon-ami\" \"ubuntu\" {{\n  filters     = {{ name = \"ubuntu/*\" }}\n  most_recent = true\n{owners}}}\n\
             source \"null\" \"here\" {{\n  communicator = \"none\"\n}}\nbuild {{\n  sources = [\"null.here\"]\n  \
             provisioner \"shell-local\" {{\n    inline = [\"echo ${{data.amazon-ami.ubuntu.id}}\"]\n  }}\n}}\n"
        )
    };
    let validated = |owners: &str| {
        Test::new(&template(owners))
            .env("AWS_REGION", "us-east-1")
            .run(&["validate", "."])
    };
    for owners in ["", "  owners = []\n"] {
        let printed = validated(owners);
        assert_ne!(printed.code, 0, "{}", printed.text());
        for said in [
            "`amazon-ami` needs `owners`: anybody may publish an image of that name",
            "`aws-marketplace`",
        ] {
            assert!(printed.text().contains(said), "{}", printed.text());
        }
    }
    let printed = validated("  owners = [\"099720109477\"]\n");
    assert_eq!(printed.code, 0, "{}", printed.text());
}
