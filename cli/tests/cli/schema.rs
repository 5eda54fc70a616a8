//! `imgc schema`: what components accept.

use crate::harness::Test;

#[test]
fn a_component_in_a_terminal() {
    insta::assert_snapshot!(
        Test::new("")
            .run(&["schema", "provisioner/windows-restart"])
            .stdout
    );
}

#[test]
fn a_component_for_programs() {
    let run = Test::new("").run(&["schema", "-json", "amazon-ami"]);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json[0]["kind"], "datasource");
    assert_eq!(json[0]["outputs"]["id"], "string");
    let names = json[0]["attributes"].as_array().unwrap();
    assert!(names.iter().any(|option| option["name"] == "most_recent"));
}

#[test]
fn all_of_a_kind() {
    let run = Test::new("").run(&["schema", "provisioners"]);
    assert!(run.stdout.contains("\n* shell\n"), "{}", run.text());
    assert!(
        run.stdout.contains("\n  puppet-masterless\n"),
        "{}",
        run.text()
    );
    assert!(!run.stdout.contains("amazon-ebs"), "{}", run.text());
}

#[test]
fn a_slip_is_answered_with_the_name() {
    let run = Test::new("").run(&["schema", "amazon-ebz"]);
    assert_eq!(run.code, 2);
    assert!(
        run.text().contains("imgc schema amazon-ebs"),
        "{}",
        run.text()
    );
}
