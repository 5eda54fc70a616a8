//! `imgc apply -resume` on the instance that an earlier run has left.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Calls, Moment, Then};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{behaviour, user};
use crate::harness::{Printed, Test};

/// Two steps, each of which leaves a line in a file; the second does so only when the file `mended` is there.
fn test(cloud: &Cloud) -> Test {
    let mut test = Test::new("");
    let place = test.path(".").canonicalize().unwrap();
    let place = place.display();
    test.write(
        "main.pkr.hcl",
        format!(
            r#"source "amazon-ebs" "web" {{
  ami_name      = "web-1"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami    = "{}"
}}
build {{
  sources = ["amazon-ebs.web"]
  provisioner "shell" {{
    inline = ["echo one >> {place}/done"]
  }}
  provisioner "shell" {{
    inline = ["touch {place}/begun", "test -e {place}/mended", "echo two >> {place}/done"]
  }}
}}
"#,
            user(),
            cloud.ssh_port(),
            imgc_testbed::cloud::stock::UBUNTU,
        ),
    );
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

fn instances(calls: &Calls) -> usize {
    calls.of("RunInstances").len()
}

/// Goes on, and checks that the image is made on the same instance, that nothing was done twice, and that nothing is left.
fn resumed(cloud: &Cloud, test: &Test) -> Printed {
    let printed = test.run(&["apply", "-color=false", "-resume", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(test.read("done"), "one\ntwo\n", "{}", printed.text());
    assert_eq!(instances(&cloud.calls()), 1, "{}", cloud.calls().sequence());
    // The machine has ended: what the run before had put on it is nobody's to remove.
    let left = test.run(&["gc", "--dry-run"]);
    let there = format!(" on {}@", user());
    assert!(!left.stdout.contains(&there), "{}", left.text());
    finished(cloud, test);
    printed
}

/// One image, recorded, and nothing that `gc` would find.
fn finished(cloud: &Cloud, test: &Test) {
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    assert!(!left.iter().any(|one| one.tags.contains_key("imgc:expires")));
    let images = test.run(&["images"]);
    assert!(
        images.stdout.contains(&left.of("image")[0].id),
        "{}",
        images.text()
    );
    let gc = test.run(&["gc"]);
    assert!(!gc.stdout.contains("aws "), "{}", gc.text());
    assert_eq!(cloud.left(), left);
    let keys = test.files().into_iter().filter(|(path, _)| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("imgc-") && name.ends_with(".key")
    });
    assert_eq!(keys.count(), 0, "no private key is left");
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs until an action has had its effect, and dies there.
fn killed_at(cloud: &Cloud, test: &Test, action: &'static str) {
    let victim = Arc::new(Mutex::new(None::<Pid>));
    let process = victim.clone();
    let mut holder = victim.lock().unwrap();
    cloud.hook(move |call, moment| {
        if moment == Moment::After && call.action == action {
            kill(process.lock().unwrap().unwrap(), Signal::SIGKILL).unwrap();
        }
        Then::GoOn
    });
    let child = test.spawn(&["apply", "."]);
    *holder = Some(Pid::from_raw(child.id() as i32));
    drop(holder);
    assert_ne!(test.finish(child).code, 0);
    cloud.unhook();
}

/// The second step fails, and the machine is left as it is.
fn aborted(test: &Test) -> Printed {
    let printed = test.run(&["apply", "-color=false", "-on-error=abort", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert_eq!(test.read("done"), "one\n");
    test.write("mended", "");
    printed
}

#[test]
fn a_failed_step_is_mended_and_done_on_the_same_instance() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    aborted(&test);
    let instance = cloud.left().of("instance")[0].id.clone();
    let printed = resumed(&cloud, &test);
    assert!(
        printed.stdout.contains("going on with the machine of run ")
            && printed.stdout.contains("1 step has been done on it"),
        "{}",
        printed.text()
    );
    let calls = cloud.calls();
    let ended = calls.one("TerminateInstances");
    assert_eq!(ended.list("InstanceId"), [instance.as_str()]);
    assert_eq!(calls.of("StartInstances").len(), 0);
    assert_eq!(calls.of("ImportKeyPair").len(), 1);
}

/// Nothing is left to go on with: both runs say so, and the first how it would be otherwise.
#[test]
fn a_machine_that_was_let_go_after_a_failure_is_made_anew_and_that_is_said() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let failed = test.run(&["apply", "-color=false", "."]);
    assert_eq!(failed.code, 1, "{}", failed.text());
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
    let said = "the machine is let go, so the next run begins anew; with `-on-error=abort` it stays for `imgc apply -resume`";
    assert!(failed.text().contains(said), "{}", failed.text());
    test.write("mended", "");
    let again = test.run(&["apply", "-color=false", "-resume", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert!(
        again
            .text()
            .contains(" was let go, so every step runs again on a new one"),
        "{}",
        again.text()
    );
    assert_eq!(test.read("done"), "one\none\ntwo\n");
    assert_eq!(instances(&cloud.calls()), 2);
    finished(&cloud, &test);
}

#[test]
fn a_run_that_was_killed_in_a_step_is_gone_on_with() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let text = test.read("main.pkr.hcl");
    test.write(
        "main.pkr.hcl",
        text.replace("\"test -e", "\"sleep 600 || test -e"),
    );
    let mut child = test.spawn(&["apply", "."]);
    wait_until("the second step has begun", || test.path("begun").exists());
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    test.write("main.pkr.hcl", text);
    test.write("mended", "");
    resumed(&cloud, &test);
}

#[test]
fn a_held_machine_whose_run_was_killed_is_gone_on_with() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let mut child = test.spawn(&["apply", "-on-failure=hold", "."]);
    wait_until("the machine is held", || {
        let machines = std::fs::read_dir(test.path(".")).unwrap();
        let files = machines
            .flatten()
            .filter_map(|one| one.path().read_dir().ok());
        files
            .flatten()
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with("held-"))
    });
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    test.write("mended", "");
    resumed(&cloud, &test);
}

/// The dead man's switch has stopped it, or somebody at the console.
#[test]
fn an_instance_that_has_stopped_is_started_again() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    aborted(&test);
    cloud.shut_down(&cloud.left().of("instance")[0].id);
    let printed = resumed(&cloud, &test);
    assert!(
        printed.stdout.contains("has stopped: starting it again"),
        "{}",
        printed.text()
    );
}

#[test]
fn a_failed_capture_is_done_again_from_the_stopped_instance() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    test.write("mended", "");
    cloud.change(|behaviour| behaviour.denied = vec!["ec2:CreateImage".to_owned()]);
    let failed = test.run(&["apply", "-color=false", "-on-error=abort", "."]);
    assert_ne!(failed.code, 0);
    assert_eq!(test.read("done"), "one\ntwo\n");
    cloud.change(|behaviour| behaviour.denied.clear());
    resumed(&cloud, &test);
}

/// At any moment of the capture: an unfinished image does not keep its name from the next one.
#[test]
fn a_run_that_was_killed_in_its_capture_is_gone_on_with() {
    for action in ["StopInstances", "CreateImage", "DeleteTags"] {
        let cloud = Cloud::with(behaviour()).unwrap();
        let test = test(&cloud);
        test.write("mended", "");
        killed_at(&cloud, &test, action);
        resumed(&cloud, &test);
    }
}

#[test]
fn a_run_that_was_killed_while_it_started_its_instance_leaves_nothing_when_it_is_gone_on_with() {
    for action in [
        "ImportKeyPair",
        "AuthorizeSecurityGroupIngress",
        "RunInstances",
    ] {
        let cloud = Cloud::with(behaviour()).unwrap();
        let test = test(&cloud);
        test.write("mended", "");
        killed_at(&cloud, &test, action);
        let printed = test.run(&["apply", "-color=false", "-resume", "."]);
        assert_eq!(printed.code, 0, "{action}: {}", printed.text());
        assert_eq!(test.read("done"), "one\ntwo\n");
        finished(&cloud, &test);
    }
}

#[test]
fn where_the_instance_is_gone_that_is_said_and_it_is_made_anew() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    aborted(&test);
    let instance = cloud.left().of("instance")[0].id.clone();
    let asked = [("InstanceId.1", instance.as_str())];
    cloud
        .ec2("us-east-1", "TerminateInstances", &asked)
        .unwrap();
    let printed = test.run(&["apply", "-color=false", "-resume", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed
            .stdout
            .contains(&format!("the instance {instance} is gone"))
            && printed.text().contains("it is made anew"),
        "{}",
        printed.text()
    );
    assert_eq!(test.read("done"), "one\none\ntwo\n");
    finished(&cloud, &test);
}

#[test]
fn an_instance_that_would_be_another_one_now_is_made_anew() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    aborted(&test);
    let text = test.read("main.pkr.hcl");
    test.write("main.pkr.hcl", text.replace("t3.micro", "t3.small"));
    let printed = test.run(&["apply", "-color=false", "-resume", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(test.read("done"), "one\none\ntwo\n");
    finished(&cloud, &test);
}

/// Nobody who looks by the old run's name takes the instance away.
#[test]
fn what_is_gone_on_with_belongs_to_the_new_run() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    aborted(&test);
    let tag = |name: &str| {
        let left = cloud.left();
        let mut tags: Vec<String> = left.iter().map(|one| one.tags[name].clone()).collect();
        tags.dedup();
        assert_eq!(tags.len(), 1, "{left}");
        tags.remove(0)
    };
    let old = tag("imgc:run");
    std::fs::remove_file(test.path("mended")).unwrap();
    let again = test.run(&["apply", "-color=false", "-on-error=abort", "-resume", "."]);
    assert_eq!(again.code, 1, "{}", again.text());
    assert_eq!(test.read("done"), "one\n");
    assert_ne!(tag("imgc:run"), old);
    assert_eq!(instances(&cloud.calls()), 1);
    // And once more, from the second run.
    test.write("mended", "");
    resumed(&cloud, &test);
}
