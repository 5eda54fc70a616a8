//! Parameters that name images: written, left alone, set back, read.

use imgc_testbed::Cloud;
use serde_json::Value as Json;

use super::{behaviour, user};
use crate::harness::Test;

pub(super) const NAME: &str = "/common/img-mgr/golden-ami";

/// A template whose image differs with the variable `release`, with these options of the post-processor.
fn template(cloud: &Cloud, options: &str) -> String {
    format!(
        r#"variable "release" {{ default = "1" }}
source "amazon-ebs" "web" {{
  ami_name      = "web-${{var.release}}"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami    = "{}"
}}
build {{
  sources = ["amazon-ebs.web"]
  provisioner "shell" {{
    inline = ["echo release ${{var.release}}"]
  }}
  post-processors {{
    post-processor "shell-local" {{
      inline = ["echo tested"]
    }}
    post-processor "amazon-ssm-parameter" {{
      {options}
    }}
  }}
}}
"#,
        user(),
        cloud.ssh_port(),
        imgc_testbed::cloud::stock::UBUNTU
    )
}

fn test(cloud: &Cloud, options: &str) -> Test {
    let mut test = Test::new(&template(cloud, options));
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

pub(super) fn golden(cloud: &Cloud) -> Test {
    test(cloud, &format!("parameter = {NAME:?}"))
}

/// Applies a release; its image.
fn released(cloud: &Cloud, test: &Test, release: &str) -> String {
    let printed = test.run(&[
        "apply",
        "-color=false",
        "-var",
        &format!("release={release}"),
        ".",
    ]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    image(cloud, release)
}

fn image(cloud: &Cloud, release: &str) -> String {
    let left = cloud.left();
    let images = left.of("image");
    let name = format!("web-{release}");
    let image = images.iter().find(|image| image.name == name);
    image
        .unwrap_or_else(|| panic!("no {name}: {left}"))
        .id
        .clone()
}

fn ask(cloud: &Cloud, operation: &str, body: &str) -> Json {
    let answer = cloud
        .moto()
        .call("ssm", &format!("AmazonSSM.{operation}"), body);
    serde_json::from_str(&answer.unwrap()).unwrap()
}

/// The versions of the parameter: value and description.
fn versions(cloud: &Cloud) -> Vec<(String, String)> {
    let body = format!(r#"{{"Name": {NAME:?}, "WithDecryption": true}}"#);
    let history = ask(cloud, "GetParameterHistory", &body);
    let text = |version: &Json, name: &str| version[name].as_str().unwrap_or_default().to_owned();
    let versions = history["Parameters"].as_array().unwrap().iter();
    versions
        .map(|version| (text(version, "Value"), text(version, "Description")))
        .collect()
}

fn values(cloud: &Cloud) -> Vec<String> {
    versions(cloud)
        .into_iter()
        .map(|(value, _)| value)
        .collect()
}

fn put(cloud: &Cloud, value: &str, kind: &str) {
    let body =
        format!(r#"{{"Name": {NAME:?}, "Value": {value:?}, "Type": {kind:?}, "Overwrite": true}}"#);
    ask(cloud, "PutParameter", &body);
}

#[test]
fn a_parameter_names_the_image_and_goes_back() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(
        &cloud,
        &format!(
            r#"parameter   = {NAME:?}
      description = "web in {{{{ .Region }}}}"
      tags        = {{ image = "{{{{ .ImageID }}}}" }}"#
        ),
    );
    let first = released(&cloud, &test, "1");
    assert_eq!(
        versions(&cloud),
        [(first.clone(), "web in us-east-1".to_owned())]
    );
    let described = ask(&cloud, "GetParameter", &format!(r#"{{"Name": {NAME:?}}}"#));
    assert_eq!(described["Parameter"]["DataType"], "aws:ec2:image");
    let tags = format!(r#"{{"ResourceType": "Parameter", "ResourceId": {NAME:?}}}"#);
    let tags = ask(&cloud, "ListTagsForResource", &tags).to_string();
    assert!(tags.contains(&first) && tags.contains("imgc:run"), "{tags}");
    // Nothing has changed: nothing is asked, nothing is written.
    cloud.forget_calls();
    released(&cloud, &test, "1");
    let calls = cloud.calls();
    assert!(
        calls.iter().all(|call| call.service == "ec2"),
        "{}",
        calls.sequence()
    );
    assert_eq!(values(&cloud), std::slice::from_ref(&first));

    let second = released(&cloud, &test, "2");
    assert_eq!(values(&cloud), [first.clone(), second.clone()]);
    let show = test.run(&["show"]);
    let line = format!("us-east-1: {NAME} = {second} (version 2); version 1 was {first}");
    assert!(show.stdout.contains(&line), "{}", show.text());

    let dry = test.run(&["rollback", "--dry-run"]);
    let road = format!("from {second} (version 2) to {first} (that of version 1)");
    assert_eq!(dry.code, 0, "{}", dry.text());
    assert!(
        dry.stdout.contains(&format!("would go back {road}")),
        "{}",
        dry.text()
    );
    assert_eq!(values(&cloud).len(), 2);
    let back = test.run(&["rollback"]);
    assert_eq!(back.code, 0, "{}", back.text());
    let line = format!("us-east-1: {NAME} went back {road}, now version 3");
    assert!(back.stdout.contains(&line), "{}", back.text());
    let after = versions(&cloud);
    assert_eq!(after[2].0, first);
    assert!(
        after[2]
            .1
            .starts_with("rolled back by imgc from version 2 to that of version 1, run "),
        "{after:?}"
    );
    let history = test.run(&["history"]);
    assert!(history.stdout.contains("rollback"), "{}", history.text());
    let again = test.run(&["rollback"]);
    assert_eq!(again.code, 4, "{}", again.text());
    assert!(
        again.stderr.contains("has been rolled back already"),
        "{}",
        again.text()
    );
    // What has been done is not done again; the next image is written.
    released(&cloud, &test, "2");
    assert_eq!(values(&cloud).len(), 3);
    let third = released(&cloud, &test, "3");
    assert_eq!(values(&cloud)[3], third);
    let json = test.run(&["rollback", "amazon-ebs.web", "--json"]);
    let json: Json = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["parameters"][0]["status"], "rolled back");
    assert_eq!(json["parameters"][0]["to"]["value"], first.as_str());
    assert_eq!(values(&cloud)[4], first);
}

#[test]
fn after_a_rollback_any_version_can_be_gone_to() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = golden(&cloud);
    let [first, second, third] = ["1", "2", "3"].map(|release| released(&cloud, &test, release));
    let back = test.run(&["rollback"]);
    assert_eq!(back.code, 0, "{}", back.text());
    assert_eq!(*values(&cloud).last().unwrap(), second);
    for (words, wanted) in [
        (&["rollback", "-to", "3"] as &[&str], &third),
        (&["rollback", "amazon-ebs.web", "-to", "1"], &first),
        (&["rollback", "--to", "2"], &second),
    ] {
        let went = test.run(words);
        assert_eq!(went.code, 0, "{words:?}: {}", went.text());
        assert_eq!(values(&cloud).last(), Some(wanted), "{words:?}");
    }
    let there = test.run(&["rollback", "-to", "2"]);
    assert_eq!(there.code, 0, "{}", there.text());
    assert!(there.stdout.contains("already"), "{}", there.text());
    let none = test.run(&["rollback", "-to", "99"]);
    assert_eq!(none.code, 4, "{}", none.text());
    for said in ["has no version 99", "it has 1, 2, 3, 4, 5, 6, 7"] {
        assert!(none.stderr.contains(said), "{}", none.text());
    }
    // Without a version the run stays rolled back, and what others write is still not lost.
    let again = test.run(&["rollback"]);
    assert_eq!(again.code, 4, "{}", again.text());
    for said in [
        "has been rolled back already",
        "`imgc rollback --to VERSION`",
    ] {
        assert!(again.stderr.contains(said), "{}", again.text());
    }
    put(&cloud, "ami-0000000000000000f", "String");
    let refused = test.run(&["rollback", "-to", "1"]);
    assert_eq!(refused.code, 4, "{}", refused.text());
    let said = "has written ami-0000000000000000f (version 8)";
    assert!(refused.stderr.contains(said), "{}", refused.text());
}

#[test]
fn an_image_is_listed_once_by_who_made_it_and_as_gone_when_it_is() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = golden(&cloud);
    let first = released(&cloud, &test, "1");
    // Only the post-processor runs again, in a run of its own.
    let template = test.read("main.pkr.hcl");
    test.write("main.pkr.hcl", template.replace(NAME, "/other/ami"));
    assert_eq!(released(&cloud, &test, "1"), first);
    let made = |listed: &str| {
        let lines = listed.lines().filter(|line| line.starts_with("  made "));
        let all: Vec<String> = lines.map(str::to_owned).collect();
        all
    };
    let listed = test.run(&["images"]);
    let lines = made(&listed.stdout);
    assert_eq!(lines.len(), 1, "{}", listed.text());
    assert!(lines[0].ends_with(".capture)"), "{}", listed.text());
    assert!(!listed.stdout.contains("gone"), "{}", listed.text());

    cloud
        .ec2("us-east-1", "DeregisterImage", &[("ImageId", &first)])
        .unwrap();
    let second = released(&cloud, &test, "1");
    assert_ne!(second, first);
    let listed = test.run(&["images"]);
    assert_eq!(made(&listed.stdout).len(), 2, "{}", listed.text());
    let gone: Vec<&str> = listed
        .stdout
        .lines()
        .filter(|line| line.starts_with("  gone, as run "))
        .collect();
    assert_eq!(gone.len(), 1, "{}", listed.text());
    let what = format!(": aws image {first} (us-east-1)");
    assert!(gone[0].ends_with(&what), "{}", listed.text());
    // Nothing was written by finding it.
    let show = test.run(&["show"]);
    assert!(!show.stdout.contains("= gone"), "{}", show.text());
}

#[test]
fn a_path_where_a_run_is_meant_is_told_where_it_belongs() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = golden(&cloud);
    released(&cloud, &test, "1");
    for path in ["main.pkr.hcl", "elsewhere/web.pkr.json", "/tmp"] {
        let printed = test.run(&["rollback", path]);
        assert_eq!(printed.code, 2, "{}", printed.text());
        assert!(
            printed.stderr.contains("`-template PATH`"),
            "{}",
            printed.text()
        );
    }
    let address = test.run(&["rollback", "amazon-ebs.other"]);
    assert!(!address.stderr.contains("-template"), "{}", address.text());
}

#[test]
fn going_back_is_refused_where_others_have_written_or_the_image_is_gone() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = golden(&cloud);
    let first = released(&cloud, &test, "1");
    let none = test.run(&["rollback"]);
    assert_eq!(none.code, 4, "{}", none.text());
    assert!(
        none.stderr.contains("there is no value before it"),
        "{}",
        none.text()
    );
    let second = released(&cloud, &test, "2");
    put(&cloud, "ami-0000000000000000f", "String");
    let refused = test.run(&["rollback"]);
    assert_eq!(refused.code, 4, "{}", refused.text());
    let said = "has written ami-0000000000000000f (version 3) at ";
    assert!(refused.stderr.contains(said), "{}", refused.text());
    assert!(
        refused
            .stderr
            .contains(&format!("wrote {second} (version 2)")),
        "{}",
        refused.text()
    );
    assert_eq!(values(&cloud).len(), 3);
    let history = test.run(&["history"]);
    assert!(!history.stdout.contains("rollback"), "{}", history.text());
    let forced = test.run(&["rollback", "--force"]);
    assert_eq!(forced.code, 0, "{}", forced.text());
    assert_eq!(values(&cloud)[3], first);

    let third = released(&cloud, &test, "3");
    cloud
        .ec2("us-east-1", "DeregisterImage", &[("ImageId", &first)])
        .unwrap();
    let gone = test.run(&["rollback"]);
    assert_eq!(gone.code, 4, "{}", gone.text());
    assert!(
        gone.stderr.contains("does not exist any more"),
        "{}",
        gone.text()
    );
    assert_eq!(*values(&cloud).last().unwrap(), third);
    let other = test.run(&["rollback", "--to", "2"]);
    assert_eq!(other.code, 0, "{}", other.text());
    assert_eq!(*values(&cloud).last().unwrap(), second);
}

#[test]
fn a_refused_parameter_leaves_the_image_and_is_written_by_the_next_run() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.denied = vec!["ssm:PutParameter".to_owned()]);
    let test = golden(&cloud);
    let refused = test.run(&["apply", "-color=false", "."]);
    assert_eq!(refused.code, 4, "{}", refused.text());
    assert!(
        refused.text().contains("ssm:PutParameter"),
        "{}",
        refused.text()
    );
    let made = image(&cloud, "1");
    assert_eq!(
        cloud.left().summary(),
        "1 image, 1 snapshot",
        "{}",
        cloud.left()
    );
    cloud.change(|behaviour| behaviour.denied.clear());
    cloud.forget_calls();
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(values(&cloud), [made]);
    let calls = cloud.calls();
    assert!(calls.of("RunInstances").is_empty(), "{}", calls.sequence());
}

#[test]
fn a_plan_says_which_parameters_are_written_and_which_cannot_be() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let plan = |options: &str, code: i32, said: &str| {
        let test = test(&cloud, &format!("parameter = {NAME:?}\n      {options}"));
        let text = test.read("main.pkr.hcl");
        let copies = "ami_regions   = [\"eu-west-1\"]\n  instance_type";
        test.write("main.pkr.hcl", text.replace("instance_type", copies));
        let printed = test.run(&["plan", "-color=false", "."]);
        assert_eq!(printed.code, code, "{}", printed.text());
        assert!(printed.stdout.contains(said), "{}", printed.text());
    };
    plan(
        "",
        0,
        &format!("parameter in eu-west-1: {NAME}, a new one (stays)"),
    );
    plan(
        "regions = [\"eu-west-3\"]",
        3,
        "! post-processor `amazon-ssm-parameter` has no image in eu-west-3, only in eu-west-1, us-east-1",
    );
    put(&cloud, "ami-0123", "String");
    plan(
        "",
        0,
        &format!("parameter in us-east-1: {NAME}, after its version 1 (stays)"),
    );
    plan(
        "overwrite = false",
        3,
        &format!("! the parameter {NAME} in us-east-1 is there and holds ami-0123 (version 1)"),
    );
    put(&cloud, "hunter2-of-the-database", "SecureString");
    plan(
        "",
        3,
        &format!("! the parameter {NAME} in us-east-1 holds a secret"),
    );
    let calls = cloud.calls();
    assert!(calls.of("PutParameter").is_empty(), "{}", calls.sequence());
}

#[test]
fn a_region_that_fails_does_not_touch_the_others() {
    use imgc_testbed::cloud::{Moment, Then};

    let cloud = Cloud::with(behaviour()).unwrap();
    let test = golden(&cloud);
    let template = test.read("main.pkr.hcl");
    let copies = "ami_regions   = [\"us-west-2\", \"eu-west-1\"]\n  instance_type";
    test.write("main.pkr.hcl", template.replace("instance_type", copies));
    cloud.hook(|call, moment| {
        let refused = call.action == "PutParameter" && call.region == "us-west-2";
        match refused && moment == Moment::Before {
            true => Then::Refuse(400, "AccessDeniedException".into(), "not there".into()),
            false => Then::GoOn,
        }
    });
    let refused = test.run(&["apply", "-color=false", "."]);
    cloud.unhook();
    assert_eq!(refused.code, 4, "{}", refused.text());
    assert!(
        refused.text().contains("golden-ami in us-west-2"),
        "{}",
        refused.text()
    );
    let written = |region: &str| {
        let calls = cloud.calls();
        let puts = calls.only(|call| {
            call.action == "PutParameter" && call.region == region && call.status == Some(200)
        });
        puts.len()
    };
    assert_eq!(
        ["us-east-1", "us-west-2", "eu-west-1"].map(written),
        [1, 0, 1]
    );
    let show = test.run(&["show"]);
    for region in ["us-east-1", "eu-west-1"] {
        let line = format!("{region}: {NAME} = ami-");
        assert!(show.stdout.contains(&line), "{}", show.text());
    }
    cloud.forget_calls();
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(
        ["us-east-1", "us-west-2", "eu-west-1"].map(written),
        [0, 1, 0]
    );
    assert!(cloud.calls().of("CopyImage").is_empty());
}

#[test]
fn what_others_keep_in_a_parameter_is_not_lost() {
    let cloud = Cloud::with(behaviour()).unwrap();
    put(&cloud, "hunter2-of-the-database", "SecureString");
    let secret = golden(&cloud).run(&["apply", "-color=false", "."]);
    assert_eq!(secret.code, 4, "{}", secret.text());
    assert!(
        secret.text().contains("holds a secret"),
        "{}",
        secret.text()
    );
    assert!(!secret.text().contains("hunter2"), "{}", secret.text());

    cloud.reset().unwrap();
    put(&cloud, "ami-00000000000000001", "String");
    let test = test(&cloud, &format!("parameter = {NAME:?}\noverwrite = false"));
    let kept = test.run(&["apply", "-color=false", "."]);
    assert_eq!(kept.code, 4, "{}", kept.text());
    let said = "is there and holds ami-00000000000000001 (version 1)";
    assert!(kept.text().contains(said), "{}", kept.text());
    assert_eq!(values(&cloud).len(), 1);
}

#[test]
fn wrong_options_are_said_before_anything_runs() {
    let cloud = Cloud::start().unwrap();
    for (options, said) in [
        ("parameter = \"golden/ami\"", "write `/golden/ami`"),
        ("parameter = \"/aws/x\"", "begin with `aws` or `ssm`"),
        (
            "parameter = \"/x\"\nkey_id = \"k\"",
            "`key_id` is for a parameter that is encrypted",
        ),
        (
            "parameter = \"/x\"\ntype = \"SecureString\"\ndata_type = \"aws:ec2:image\"",
            "no `SecureString` of the data type",
        ),
        ("parameter = \"/x\"\ntype = \"Text\"", "SecureString"),
        ("paramter = \"/x\"", "parameter"),
    ] {
        let printed = test(&cloud, options).run(&["validate", "-color=false", "."]);
        assert_eq!(printed.code, 3, "{options}: {}", printed.text());
        assert!(
            printed.text().contains(said),
            "{options}: {}",
            printed.text()
        );
    }
    let elsewhere = format!("parameter = {NAME:?}\nregions = [\"eu-west-3\"]");
    cloud.change(|behaviour| *behaviour = super::behaviour());
    let printed = test(&cloud, &elsewhere).run(&["apply", "-color=false", "."]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    let said = "has no image in eu-west-3, only in us-east-1";
    assert!(printed.text().contains(said), "{}", printed.text());
}

#[test]
fn killed_at_the_parameter_gc_leaves_none_that_nobody_knows_of() {
    use imgc_testbed::cloud::{Moment, Then};
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use std::sync::{Arc, Mutex};

    let cloud = Cloud::with(behaviour()).unwrap();
    let test = golden(&cloud);
    let process = Arc::new(Mutex::new(None::<Pid>));
    let victim = process.clone();
    let mut holder = process.lock().unwrap();
    cloud.hook(move |call, moment| {
        if moment == Moment::After && call.action == "PutParameter" {
            if let Some(pid) = *victim.lock().unwrap() {
                kill(pid, Signal::SIGKILL).unwrap();
            }
            return Then::HangUp;
        }
        Then::GoOn
    });
    let child = test.spawn(&["apply", "."]);
    *holder = Some(Pid::from_raw(child.id() as i32));
    drop(holder);
    assert_ne!(test.finish(child).code, 0);
    cloud.unhook();
    assert_eq!(values(&cloud).len(), 1);
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert_eq!(
        cloud.left().summary(),
        "1 image, 1 snapshot",
        "{}",
        gone.text()
    );
    // The image is there: only the parameter is written.
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(values(&cloud), [image(&cloud, "1")]);
    assert_eq!(cloud.left().of("image").len(), 1);
}

#[test]
fn a_parameter_is_read_and_a_decrypted_one_is_secret() {
    let cloud = Cloud::start().unwrap();
    put(&cloud, "ami-00000000000000001", "String");
    put(&cloud, "ami-00000000000000002", "String");
    let secret = r#"{"Name": "/web/token", "Value": "s3cret-t0ken", "Type": "SecureString"}"#;
    ask(&cloud, "PutParameter", secret);
    let mut test = Test::new(&format!(
        r#"data "amazon-parameterstore" "golden" {{
  name = {NAME:?}
}}
data "amazon-parameterstore" "before" {{
  name = "{NAME}:1"
}}
data "amazon-parameterstore" "token" {{
  name            = "/web/token"
  with_decryption = true
}}
source "null" "here" {{
  communicator = "none"
}}
build {{
  sources = ["null.here"]
  provisioner "shell-local" {{
    env    = {{ TOKEN = data.amazon-parameterstore.token.value }}
    inline = [
      "echo ${{data.amazon-parameterstore.before.value}} ${{data.amazon-parameterstore.golden.value}}",
      "echo version ${{data.amazon-parameterstore.golden.version}} $${{#TOKEN}} $TOKEN",
    ]
  }}
}}
"#
    ));
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for said in [
        "ami-00000000000000001 ami-00000000000000002",
        "version 2 12 <sensitive>",
    ] {
        assert!(printed.stdout.contains(said), "{}", printed.text());
    }
    test.write(
        "main.pkr.hcl",
        "data \"amazon-parameterstore\" \"x\" {\n  name = \"/no\"\n}\nlocals {\n  x = data.amazon-parameterstore.x.value\n}\n\
         source \"null\" \"here\" {\n  communicator = local.x\n}\nbuild {\n  sources = [\"null.here\"]\n}\n",
    );
    let missing = test.run(&["build", "-color=false", "."]);
    assert_ne!(missing.code, 0);
    for said in [
        "there is no parameter `/no` in us-east-1",
        "cannot read the parameter `/no`",
        "aws ssm describe-parameters --region us-east-1",
    ] {
        assert!(missing.text().contains(said), "{}", missing.text());
    }
}

#[test]
fn a_version_that_is_missing_is_told_from_a_name_that_is() {
    let cloud = Cloud::start().unwrap();
    put(&cloud, "ami-00000000000000001", "String");
    let secret = r#"{"Name": "app/db", "SecretString": "{\"user\": \"root\"}", "ClientRequestToken": "00000000-0000-0000-0000-000000000001"}"#;
    let moto = cloud.moto();
    moto.call("secretsmanager", "CreateSecret", secret).unwrap();
    let other = "00000000-0000-0000-0000-000000000002";
    for (ty, lines, said) in [
        (
            "parameterstore",
            format!("name = \"{NAME}:7\""),
            vec![
                format!("the parameter `{NAME}` in us-east-1 has no version 7"),
                format!("aws ssm get-parameter-history --name {NAME} --region us-east-1"),
            ],
        ),
        (
            "parameterstore",
            format!("name = \"{NAME}:live\""),
            vec![format!(
                "the parameter `{NAME}` in us-east-1 has no version with the label `live`"
            )],
        ),
        (
            "parameterstore",
            "name = \"/no:7\"".to_owned(),
            vec!["there is no parameter `/no` in us-east-1".to_owned()],
        ),
        (
            "secretsmanager",
            "name = \"app/db\"\n  version_stage = \"NOPE\"".to_owned(),
            vec![
                "the secret `app/db` in us-east-1 has no version with the stage `NOPE`".to_owned(),
                "aws secretsmanager list-secret-version-ids --secret-id app/db".to_owned(),
            ],
        ),
        (
            "secretsmanager",
            format!("name = \"app/db\"\n  version_id = \"{other}\""),
            vec![format!(
                "the secret `app/db` in us-east-1 has no version `{other}`"
            )],
        ),
        (
            "secretsmanager",
            "name = \"app/none\"\n  version_stage = \"NOPE\"".to_owned(),
            vec!["there is no secret `app/none` in us-east-1".to_owned()],
        ),
    ] {
        let mut test = Test::new(&format!(
            "data \"amazon-{ty}\" \"x\" {{\n  {lines}\n}}\nsource \"null\" \"here\" {{\n  communicator = \"none\"\n}}\n\
             build {{\n  sources = [\"null.here\"]\n  provisioner \"shell-local\" {{\n    env    = {{ X = data.amazon-{ty}.x.value }}\n    \
             inline = [\"true\"]\n  }}\n}}\n"
        ));
        for (name, value) in cloud.environment() {
            test = test.env(name, &value);
        }
        let printed = test.run(&["build", "-color=false", "."]);
        assert_ne!(printed.code, 0, "{}", printed.text());
        for said in said {
            assert!(printed.text().contains(&said), "{said}: {}", printed.text());
        }
    }
}
