//! The key that is made for a build does not stay in the image: it goes from the machine's disk before that is captured.

use imgc_testbed::FOREIGN_KEY;
use imgc_testbed::cloud::{Moment, Then};

use super::family::{ALL, Member};
use crate::harness::Test;

fn member(builder: &str) -> &'static Member {
    ALL.iter().find(|one| one.builder == builder).unwrap()
}

/// Tells where the machine's home is and what its file of keys has in the beginning, then does `more`.
fn steps(more: &str) -> String {
    format!(
        r#"  provisioner "shell" {{
    inline = ["echo $HOME > /PLACE/home", "cat $HOME/.ssh/authorized_keys > /PLACE/before"{more}]
  }}"#
    )
}

/// The file had ours and a foreign key; now it has the foreign one.
fn without_ours(test: &Test, after: &str) {
    let before = test.read("before");
    assert!(before.contains(FOREIGN_KEY), "{before}");
    assert_eq!(before.lines().count(), 2, "{before}");
    assert_eq!(after, format!("{FOREIGN_KEY}\n"));
}

#[test]
fn the_key_of_a_build_is_not_on_the_disk_that_becomes_an_image() {
    let member = member("amazon-ebs");
    let cloud = member.cloud();
    let test = member.test(&cloud, &steps(""));
    let (home, kept) = (test.path("home"), test.path("after"));
    cloud.hook(move |call, moment| {
        if moment == Moment::Before && call.action == "StopInstances" {
            let home = std::fs::read_to_string(&home).unwrap();
            let keys = std::path::Path::new(home.trim()).join(".ssh/authorized_keys");
            std::fs::copy(keys, &kept).unwrap();
        }
        Then::GoOn
    });
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    without_ours(&test, &test.read("after"));
    assert!(
        !printed.text().contains("in the image"),
        "{}",
        printed.text()
    );
    assert!(member.is_finished(&cloud, &cloud.left()));
}

#[test]
fn nor_in_the_bundle_that_becomes_one() {
    let member = member("amazon-instance");
    let cloud = member.cloud();
    let test = member.test(&cloud, &steps(""));
    let place = test.path(".").canonicalize().unwrap();
    let text = test.read("main.pkr.hcl");
    let looks = text.replace(
        "mkdir -p {{.Destination}}",
        &format!(
            "cat $HOME/.ssh/authorized_keys > {}/after && mkdir -p {{{{.Destination}}}}",
            place.display()
        ),
    );
    assert_ne!(looks, text);
    test.write("main.pkr.hcl", looks);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    without_ours(&test, &test.read("after"));
    assert!(member.is_finished(&cloud, &cloud.left()));
}

#[test]
fn a_key_that_cannot_be_removed_is_said_and_the_image_is_made() {
    let member = member("amazon-ebs");
    let cloud = member.cloud();
    let linked = r#", "mv $HOME/.ssh/authorized_keys $HOME/keys", "ln -s $HOME/keys $HOME/.ssh/authorized_keys""#;
    let test = member.test(&cloud, &steps(linked));
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_eq!(printed.code, 0, "{text}");
    for part in [
        "the temporary key `imgc-",
        "` stays in the image: it could not be removed from ",
        "/home/.ssh/authorized_keys; let the login have `sudo` without a password",
    ] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(member.is_finished(&cloud, &cloud.left()));
}

/// What is left of a failed capture can be captured, as `resume.rs` shows; there is no way in for anything else.
#[test]
fn a_machine_that_was_ready_to_be_captured_is_made_anew_for_another_step() {
    let member = member("amazon-ebs");
    let cloud = member.cloud();
    let test = member.test(&cloud, &steps(r#", "echo one >> /PLACE/done""#));
    cloud.change(|behaviour| behaviour.denied = vec!["ec2:CreateImage".to_owned()]);
    let failed = test.run(&["apply", "-color=false", "-on-error=abort", "."]);
    assert_ne!(failed.code, 0, "{}", failed.text());
    assert_eq!(cloud.left().of("instance").len(), 1);
    cloud.change(|behaviour| behaviour.denied.clear());
    let text = test.read("main.pkr.hcl");
    let text = text.trim_end().trim_end_matches('}');
    let more = "  provisioner \"shell\" {\n    inline = [\"echo another\"]\n  }\n}\n";
    test.write("main.pkr.hcl", format!("{text}{more}"));
    let printed = test.run(&["apply", "-color=false", "-resume", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed
            .text()
            .contains("nobody can log in to the machine of run "),
        "{}",
        printed.text()
    );
    assert_eq!(test.read("done"), "one\none\n");
    assert_eq!(cloud.calls().of("RunInstances").len(), 2);
    assert!(member.is_finished(&cloud, &cloud.left()));
    let gone = test.run(&["gc"]);
    assert!(!gone.stdout.contains("aws "), "{}", gone.text());
}
