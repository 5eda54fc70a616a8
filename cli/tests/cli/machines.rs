//! Machines over SSH: a real sshd on loopback, provisioned by the example and by trees of files.

use std::time::Duration;

use imgc_testbed::{DelayProxy, Options, Sshd, tree};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::Test;

/// The template of a machine behind `sshd`, with the body of its build.
fn template(sshd: &Sshd, build: &str) -> String {
    format!(
        "source \"null\" \"machine\" {{\n  ssh_host = \"127.0.0.1\"\n  ssh_port = {}\n  ssh_username = \"{}\"\n  \
         ssh_private_key_file = \"{}\"\n  ssh_timeout = \"20s\"\n}}\nbuild {{\n  sources = [\"null.machine\"]\n{build}}}\n",
        sshd.port(),
        sshd.user(),
        sshd.key().display(),
    )
}

fn no_masters(test: &Test) {
    // The directory a master's socket is in lies below the test's own temporary directory.
    let left: Vec<_> = std::fs::read_dir(test.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("imgc"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn the_example_configures_a_machine_and_keeps_its_secret() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new("");
    copy_example("ssh-machine", &test);
    let destination = sshd.home().join("app");
    let set = |name: &str, value: &str| format!("{name}={value}");
    let vars = [
        set("host", "127.0.0.1"),
        set("port", &sshd.port().to_string()),
        set("user", &sshd.user()),
        set("key", &sshd.key().display().to_string()),
        set("destination", &destination.display().to_string()),
        set("token", "s3cret-t0ken"),
    ];
    let mut arguments = vec!["apply"];
    for var in &vars {
        arguments.extend(["-var", var]);
    }
    arguments.push("example");
    let printed = test.run(&arguments);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("configured 1.0 for"),
        "{}",
        printed.text()
    );
    assert_eq!(
        std::fs::read_to_string(destination.join("token")).unwrap(),
        "s3cret-t0ken"
    );
    assert_eq!(
        std::fs::read_to_string(destination.join("version")).unwrap(),
        "1.0\n"
    );
    let all = printed.text();
    assert!(!all.contains("s3cret-t0ken"), "{all}");
    for (path, bytes) in test.files() {
        let found = bytes.windows(12).any(|part| part == b"s3cret-t0ken");
        assert!(!found, "{} has the secret", path.display());
    }
    no_masters(&test);
}

#[test]
fn a_tree_of_2000_files_and_a_large_one_arrive_as_they_are() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new("");
    tree::write(&test.path("tree"), 2_000, 140).unwrap();
    tree::write_file(&test.path("large"), 64 << 20).unwrap();
    let home = sshd.home();
    let home = home.display();
    let build = format!(
        "  provisioner \"file\" {{\n    source = \"tree/\"\n    destination = \"{home}/copy\"\n  }}\n  \
           provisioner \"file\" {{\n    source = \"tree\"\n    destination = \"{home}/inside\"\n  }}\n  \
           provisioner \"file\" {{\n    source = \"large\"\n    destination = \"{home}/large\"\n  }}\n  \
           provisioner \"file\" {{\n    direction = \"download\"\n    source = \"{home}/large\"\n    destination = \"back\"\n  }}\n"
    );
    test.write("main.pkr.hcl", template(&sshd, &build));
    let printed = test.run(&["build", "main.pkr.hcl"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let sent = tree::listing(&test.path("tree")).unwrap();
    assert_eq!(
        sent.iter().filter(|line| line.starts_with("file")).count(),
        2_000
    );
    assert_eq!(tree::listing(&sshd.home().join("copy")).unwrap(), sent);
    // Without the slash the directory itself arrives, as with Packer.
    assert_eq!(
        tree::listing(&sshd.home().join("inside/tree")).unwrap(),
        sent
    );
    let large = std::fs::read(test.path("large")).unwrap();
    assert!(
        std::fs::read(sshd.home().join("large")).unwrap() == large,
        "the upload differs"
    );
    assert!(
        std::fs::read(test.path("back")).unwrap() == large,
        "the download differs"
    );
}

#[test]
fn ctrl_c_in_a_remote_command_leaves_nothing_on_either_side() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new("");
    let build = "  provisioner \"shell\" {\n    inline = [\"echo at work\", \"sleep 300\"]\n  }\n";
    test.write("main.pkr.hcl", template(&sshd, build));
    let mut child = test.spawn(&["build", "main.pkr.hcl"]);
    let seen = crate::signals::read_until(&mut child, "at work");
    assert!(!sshd.commands().is_empty(), "{seen}");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let printed = test.finish(child);
    assert_eq!(printed.code, 130, "{seen}{}", printed.text());
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !sshd.commands().is_empty() || sshd.connections() > 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "{:?} still run",
            sshd.commands()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    no_masters(&test);
}

#[test]
fn a_machine_that_cannot_be_reached_is_said_to_be_so() {
    let mut sshd = Sshd::start(Options::default()).unwrap();
    let test = Test::new("");
    let text = template(
        &sshd,
        "  provisioner \"shell\" {\n    inline = [\"true\"]\n  }\n",
    );
    let refused = text.replace("\"20s\"", "\"1s\"");
    test.write("main.pkr.hcl", &refused);
    sshd.stop();
    let printed = test.run(&["build", "main.pkr.hcl"]);
    assert_ne!(printed.code, 0);
    assert!(
        printed.text().contains("nothing listens") || printed.text().contains("refuse"),
        "{}",
        printed.text()
    );

    sshd.restart().unwrap();
    let other = Sshd::start(Options::default()).unwrap();
    let key = sshd.key().display().to_string();
    let wrong_key = text.replace(&key, &other.key().display().to_string());
    test.write("main.pkr.hcl", wrong_key);
    let printed = test.run(&["build", "main.pkr.hcl"]);
    assert_ne!(printed.code, 0);
    assert!(
        printed.text().contains("refuses the login") || printed.text().contains("authenticat"),
        "{}",
        printed.text()
    );
    no_masters(&test);
}

#[test]
fn a_connection_cut_in_the_middle_fails_the_build_and_no_more() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let proxy = DelayProxy::start(sshd.address(), Duration::ZERO, Some(6 << 20)).unwrap();
    let test = Test::new("");
    tree::write_file(&test.path("large"), 32 << 20).unwrap();
    let home = sshd.home();
    let build = format!(
        "  provisioner \"file\" {{\n    source = \"large\"\n    destination = \"{}/large\"\n  }}\n",
        home.display()
    );
    let port = format!("ssh_port = {}", sshd.port());
    let text = template(&sshd, &build).replace(&port, &format!("ssh_port = {}", proxy.port()));
    test.write("main.pkr.hcl", text);
    let printed = test.run(&["build", "main.pkr.hcl"]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(
        !home.join("large").exists(),
        "half a file stands where a whole one should"
    );
    no_masters(&test);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            if !path.ends_with(".imgc") {
                copy(&path, &target);
            }
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// For the other tests of real counterparts.
pub(crate) fn copy_example(name: &str, test: &Test) {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name);
    copy(&example, &test.path("example"));
}
