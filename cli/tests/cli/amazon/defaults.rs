//! The safe defaults: each is in the plan, with what it comes to and the option that turns it off.

use std::collections::BTreeMap;
use std::net::TcpListener;

use imgc_testbed::cloud::{Moment, Then, stock};
use imgc_testbed::{Cloud, FOREIGN_KEY};
use serde_json::Value as Json;

use super::family::ALL;
use super::{template, test};
use crate::harness::Test;

/// The template with more options in its source.
fn with(test: &Test, options: &str) {
    let text = test.read("main.pkr.hcl");
    let more = format!("  {options}\n  run_tags");
    assert!(text.contains("  run_tags"), "{text}");
    test.write("main.pkr.hcl", text.replacen("  run_tags", &more, 1));
}

/// The plan with some arguments, for people.
fn plan(test: &Test, arguments: &[&str]) -> String {
    let arguments = [&["plan", "-color=false"], arguments, &["."]].concat();
    let printed = test.run(&arguments);
    assert_eq!(printed.code, 0, "{}", printed.text());
    printed.stdout
}

/// What the plan says of the only build to programs.
fn shown(test: &Test, arguments: &[&str]) -> Json {
    let arguments = [&["plan", "-json"], arguments, &["."]].concat();
    let printed = test.run(&arguments);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let mut json: Json = serde_json::from_str(&printed.stdout).unwrap();
    json["outside"][0].take()
}

/// The guards by what they are about: whether they hold, what is done, and by what.
fn guards(shown: &Json) -> BTreeMap<String, [String; 3]> {
    let guards = shown["guards"].as_array().unwrap().iter();
    guards
        .map(|guard| {
            let text = |name: &str| guard[name].as_str().unwrap().to_owned();
            (text("what"), ["state", "value", "by"].map(text))
        })
        .collect()
}

fn has(text: &str, line: &str) {
    assert!(text.contains(line), "no `{line}` in\n{text}");
}

#[test]
fn what_is_safe_by_default_stands_in_a_line_each() {
    let cloud = Cloud::start().unwrap();
    let test = test(&cloud);
    let port = cloud.ssh_port();
    let lines = [
        &format!("inbound access: port {port} open to 127.0.0.1/32 only"),
        "metadata of the instance: version 2 only",
        "metadata of the image: version 2 only",
        "host key: made here, and no other is accepted",
        "our key: goes from the image, of all users",
        "encryption: not asked for with `encrypt_boot`",
        "tags: the run and when it expires, in the call that makes a thing",
        "shutdown timer: after 24h0m0s",
    ];
    let text = plan(&test, &[]);
    let rows: Vec<&str> = text.lines().map(str::trim).collect();
    let first = rows
        .iter()
        .position(|line| line.starts_with("safe by default "));
    let first = first.unwrap_or_else(|| panic!("{text}"));
    assert!(rows[first].ends_with(lines[0]), "{text}");
    assert_eq!(rows[first + 1..first + 8], lines[1..], "{text}");
    assert!(!text.contains("(off)"), "{text}");
    let found = guards(&shown(&test, &[]));
    assert_eq!(found.len(), 8, "{found:?}");
    for (what, [state, _, by]) in &found {
        let expected = if what == "encryption" { "idle" } else { "on" };
        assert_eq!(
            (state.as_str(), by.as_str()),
            (expected, "default"),
            "{what}"
        );
    }
    assert_eq!(
        found["inbound access"][1],
        format!("port {port} open to 127.0.0.1/32 only")
    );
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
}

#[test]
fn each_has_an_option_that_turns_it_off_and_the_plan_names_it() {
    let cloud = Cloud::start().unwrap();
    let port = cloud.ssh_port();
    let wide = format!("port {port} open to 0.0.0.0/0");
    let cases = [
        (
            "temporary_security_group_source_cidrs = [\"0.0.0.0/0\"]",
            "inbound access",
            wide.as_str(),
            "temporary_security_group_source_cidrs",
        ),
        (
            "security_group_ids = [\"sg-0a1b2c3d\"]",
            "inbound access",
            "what the groups of the template let in",
            "security_group_ids",
        ),
        (
            "security_group_filter {\n    filters = { \"tag:Name\" = \"images\" }\n  }",
            "inbound access",
            "what the groups of the template let in",
            "security_group_filter",
        ),
        (
            "metadata_options {\n    http_tokens = \"optional\"\n  }",
            "metadata of the instance",
            "version 1 as well",
            "metadata_options",
        ),
        (
            "imds_support = \"v1.0\"",
            "metadata of the image",
            "version 1 as well",
            "imds_support",
        ),
        (
            "host_key = \"insecure\"",
            "host key",
            "whoever answers is believed",
            "host_key",
        ),
        (
            "ssh_host = \"192.0.2.1\"",
            "host key",
            "the one of known_hosts, or else the first that is seen",
            "ssh_host",
        ),
        (
            "ssh_clear_authorized_keys = false",
            "our key",
            "stays in the image",
            "ssh_clear_authorized_keys",
        ),
        (
            "shutdown_after = \"0s\"",
            "shutdown timer",
            "none",
            "shutdown_after",
        ),
        (
            "user_data = \"{\\\"ignition\\\": {}}\"",
            "shutdown timer",
            "none: cloud-init takes no more beside the user data",
            "user_data",
        ),
    ];
    for (option, what, value, by) in cases {
        let test = test(&cloud);
        with(&test, option);
        let text = plan(&test, &["-offline"]);
        has(&text, &format!("(off) {what}: {value}, by `{by}`\n"));
        assert_eq!(text.matches("(off)").count(), 1, "{option}: {text}");
        let found = guards(&shown(&test, &["-offline"]));
        assert_eq!(found[what], ["off", value, by], "{option}");
        let off = found.values().filter(|[state, ..]| state == "off");
        assert_eq!(off.count(), 1, "{option}: {found:?}");
    }
    assert_eq!(cloud.calls().len(), 0);
}

#[test]
fn an_option_may_also_say_how_it_holds() {
    let cloud = Cloud::start().unwrap();
    let encrypted = "from the first byte on, volumes, snapshots and copies";
    let told = "the one that its console tells, and no other";
    let cases = [
        (
            "encrypt_boot = true",
            "encryption",
            "on",
            encrypted,
            "encrypt_boot",
        ),
        (
            "kms_key_id = \"alias/base\"",
            "encryption",
            "on",
            encrypted,
            "kms_key_id",
        ),
        (
            "encrypt_boot = false\n  kms_key_id = \"alias/base\"",
            "encryption",
            "idle",
            "not asked for with `encrypt_boot`",
            "default",
        ),
        (
            "user_data = \"{\\\"ignition\\\": {}}\"",
            "host key",
            "on",
            told,
            "user_data",
        ),
        (
            "user_data = \"#cloud-config\\nssh_keys:\\n  rsa_private: x\\n\"",
            "host key",
            "on",
            told,
            "user_data",
        ),
        (
            "ssh_host = \"192.0.2.1\"\n  host_key = \"strict\"",
            "host key",
            "on",
            "the one of known_hosts and no other",
            "host_key",
        ),
        (
            "metadata_options {\n    http_endpoint = \"disabled\"\n  }",
            "metadata of the instance",
            "on",
            "there is none",
            "metadata_options",
        ),
    ];
    for (option, what, state, value, by) in cases {
        let test = test(&cloud);
        with(&test, option);
        let found = guards(&shown(&test, &["-offline"]));
        assert_eq!(found[what], [state, value, by], "{option}");
    }
    // Packer's way to say what is done here anyway.
    let same = test(&cloud);
    with(&same, "ssh_clear_authorized_keys = true");
    with(&same, "shutdown_after = \"90m\"");
    let found = guards(&shown(&same, &[]));
    assert_eq!(
        found["our key"],
        ["on", "goes from the image, of all users", "default"]
    );
    assert_eq!(
        found["shutdown timer"],
        ["on", "after 1h30m0s", "shutdown_after"]
    );
    // It waits for a build that may take long.
    let long = test(&cloud);
    let text = long.read("main.pkr.hcl");
    let text = text.replacen("  sources =", "  timeout = \"9h\"\n  sources =", 1);
    long.write("main.pkr.hcl", text);
    let found = guards(&shown(&long, &[]));
    assert_eq!(found["shutdown timer"], ["on", "after 9h0m0s", "default"]);
}

/// What only the image can tell is told when it is known.
#[test]
fn a_windows_is_told_from_the_rest_by_its_image() {
    let cloud = Cloud::start().unwrap();
    let test = test(&cloud);
    let text = test.read("main.pkr.hcl");
    let (before, rest) = text.split_once("  source_ami_filter {").unwrap();
    let (_, after) = rest.split_once("most_recent = true\n  }\n").unwrap();
    let named = format!("  source_ami = \"{}\"\n", stock::WINDOWS);
    test.write("main.pkr.hcl", format!("{before}{named}{after}"));
    let unknown = guards(&shown(&test, &["-offline"]));
    for what in ["host key", "our key", "shutdown timer"] {
        let [state, value, _] = &unknown[what];
        assert_eq!(state, "on", "{what}");
        let but = ", unless the image is one of Windows";
        assert!(value.ends_with(but), "{what}: {value}");
    }
    let known = guards(&shown(&test, &[]));
    assert!(
        known["host key"][1].ends_with(": it is Windows"),
        "{known:?}"
    );
    assert_eq!(known["shutdown timer"][0], "idle", "{known:?}");
    assert!(!known.contains_key("our key"), "{known:?}");
}

#[test]
fn each_builder_shows_the_defaults_it_has() {
    for member in ALL {
        let cloud = member.cloud();
        let test = member.simple(&cloud);
        let found = guards(&shown(&test, &["-offline"]));
        let has = |what: &str| found.contains_key(what);
        for what in [
            "inbound access",
            "metadata of the instance",
            "host key",
            "tags",
            "shutdown timer",
        ] {
            assert_eq!(found[what][0], "on", "{} {what}", member.name());
        }
        let (volumes, store) = (
            member.builder == "amazon-ebsvolume",
            member.builder == "amazon-instance",
        );
        // Where another disk becomes the image, no key of ours is on it.
        let own_disk = member.builder == "amazon-ebs" || store;
        assert_eq!(has("our key"), own_disk, "{}", member.name());
        assert_eq!(has("metadata of the image"), !volumes, "{}", member.name());
        assert_eq!(has("encryption"), !store, "{}", member.name());
    }
}

/// It makes no instance.
#[test]
fn a_volume_on_this_machine_has_what_is_about_images() {
    let cloud = Cloud::start().unwrap();
    let test = super::of(
        &cloud,
        &format!(
            "source \"amazon-chroot\" \"web\" {{\n  ami_name   = \"web-1\"\n  source_ami = \"{}\"\n}}\n\
             build {{\n  sources = [\"amazon-chroot.web\"]\n}}\n",
            stock::UBUNTU
        ),
    );
    let seen = shown(&test, &["-offline"]);
    let found = guards(&seen);
    let about: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(about, ["encryption", "metadata of the image", "tags"]);
    let what = |made: &Json| made["what"] == "volume";
    assert!(seen["makes"].as_array().unwrap().iter().any(what), "{seen}");
    let text = test.read("main.pkr.hcl");
    let sealed = text.replacen("}\n", "  root_volume_encrypt_boot = true\n}\n", 1);
    test.write("main.pkr.hcl", sealed);
    let found = guards(&shown(&test, &["-offline"]));
    assert_eq!(found["encryption"][2], "root_volume_encrypt_boot");
}

/// Where nothing names a region an account looks for one in the metadata of the machine, which is a question as well.
#[test]
fn offline_not_even_the_metadata_of_this_machine_is_asked() {
    let cloud = Cloud::start().unwrap();
    let metadata = TcpListener::bind("127.0.0.1:0").unwrap();
    metadata.set_nonblocking(true).unwrap();
    let place = format!("http://{}", metadata.local_addr().unwrap());
    let test = Test::new(&template(&cloud)).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &place);
    let text = plan(&test, &["-offline"]);
    has(
        &text,
        "region           (unknown) neither the source nor AWS_REGION nor a profile names one",
    );
    has(&text, "image in an unknown region: web-1 (stays)");
    let asked = metadata.accept().unwrap_err();
    assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
    // A profile has it.
    test.write("config", "[default]\nregion = eu-west-1\n");
    let file = test.path("config").canonicalize().unwrap();
    let test = test.env("AWS_CONFIG_FILE", file.to_str().unwrap());
    has(
        &plan(&test, &["-offline"]),
        "image in eu-west-1: web-1 (stays)",
    );
    assert!(metadata.accept().is_err());
}

#[test]
fn offline_what_comes_after_the_image_is_shown_as_well() {
    let cloud = Cloud::start().unwrap();
    let test = test(&cloud);
    let text = test.read("main.pkr.hcl");
    let text = text.trim_end().trim_end_matches('}');
    test.write(
        "main.pkr.hcl",
        format!(
            "{text}  post-processor \"amazon-ssm-parameter\" {{\n    parameter = \"/golden/web\"\n  }}\n  post-processor \
             \"amazon-retention\" {{\n    family = \"web\"\n    keep   = 2\n  }}\n}}\n"
        ),
    );
    let text = plan(&test, &["-offline"]);
    has(
        &text,
        "parameter in the regions of the image: /golden/web (stays)",
    );
    has(
        &text,
        "retention        (unknown) which images go: Amazon is not asked: -offline",
    );
    assert_eq!(cloud.calls().len() + cloud.dry_runs().len(), 0);
}

/// Only where the template says so itself: without a word it goes, whatever Packer's default is.
#[test]
fn our_key_stays_in_the_image_of_a_template_that_wants_it() {
    let member = ALL.iter().find(|one| one.builder == "amazon-ebs").unwrap();
    let cloud = member.cloud();
    let step = r#"  provisioner "shell" {
    inline = ["echo $HOME > /PLACE/home", "cat $HOME/.ssh/authorized_keys > /PLACE/before"]
  }"#;
    let test = member.test(&cloud, step);
    with(&test, "ssh_clear_authorized_keys = false");
    let (home, kept) = (test.path("home"), test.path("after"));
    cloud.hook(move |call, moment| {
        if moment == Moment::Before && call.action == "StopInstances" {
            let home = std::fs::read_to_string(&home).unwrap();
            let keys = std::path::Path::new(home.trim()).join(".ssh/authorized_keys");
            std::fs::copy(keys, &kept).unwrap();
        }
        Then::GoOn
    });
    let printed = test.run(&["apply", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let before = test.read("before");
    assert_eq!(before.lines().count(), 2, "{before}");
    assert!(before.contains(FOREIGN_KEY), "{before}");
    assert_eq!(test.read("after"), before);
    assert!(member.is_finished(&cloud, &cloud.left()));
    // It is another image without the option.
    let text = test.read("main.pkr.hcl");
    test.write(
        "main.pkr.hcl",
        text.replace("  ssh_clear_authorized_keys = false\n", ""),
    );
    has(&plan(&test, &[]), "ssh_clear_authorized_keys");
}

/// A machine that is not made has nothing to guard.
#[test]
fn of_a_build_that_is_up_to_date_no_default_is_shown() {
    let member = ALL.iter().find(|one| one.builder == "amazon-ebs").unwrap();
    let cloud = member.cloud();
    let test = member.simple(&cloud);
    assert_eq!(test.run(&["apply", "-color=false", "."]).code, 0);
    let text = plan(&test, &["-offline"]);
    has(&text, "Amazon is not asked: -offline");
    assert!(!text.contains("safe by default"), "{text}");
    assert_eq!(shown(&test, &[])["guards"].as_array().unwrap().len(), 0);
}
