//! Hosts that go away in the middle of a step, scripts that hang up, and how many connections one host gets.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use imgc_testbed::{DelayProxy, Options, Sshd};

use crate::harness::{Printed, Test};
use crate::state::nothing_more;

const LIMIT: Duration = Duration::from_secs(60);

/// Ends the connection that the script runs over, as a broken network or a careless script does.
const HANG_UP: &str = r#"#!/bin/sh
pid=$$
while [ "$pid" -gt 1 ]; do
  pid=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$pid/status")
  case $(cat "/proc/$pid/comm") in
    sshd*) kill -9 "$pid"; break ;;
  esac
done
sleep 300
"#;

/// A machine behind sshd, or behind a proxy in front of it, with a folder for scripts and one for what they make.
struct Bed {
    sshd: Sshd,
    test: Test,
}

impl Bed {
    fn new() -> Self {
        let sshd = Sshd::start(Options::default()).unwrap();
        for name in ["scripts", "made"] {
            std::fs::create_dir(sshd.home().join(name)).unwrap();
        }
        Self {
            sshd,
            test: Test::new(""),
        }
    }

    /// Writes the template: the source's options beside the usual ones, and the provisioners, where `MADE` and `FOLDER`
    /// stand for places on the machine.
    fn template(&self, port: u16, options: &str, provisioners: &str) {
        let text = format!(
            r#"
source "null" "machine" {{
  ssh_host             = "127.0.0.1"
  ssh_port             = {port}
  ssh_username         = "{user}"
  ssh_private_key_file = "{key}"
{options}
}}
build {{
  sources = ["source.null.machine"]
{provisioners}
}}
"#,
            user = self.sshd.user(),
            key = self.sshd.key().display(),
        );
        let at = |name: &str| self.sshd.home().join(name).display().to_string();
        let text = text
            .replace("FOLDER", &at("scripts"))
            .replace("MADE", &at("made"));
        self.test.write("main.pkr.hcl", text);
    }

    fn apply(&self) -> Child {
        self.test.spawn(&["apply", "-auto-approve", "."])
    }

    fn made(&self, name: &str) -> bool {
        self.sshd.home().join("made").join(name).exists()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.sshd.home().join("made").join(name)).unwrap()
    }

    /// Scripts that are on the machine.
    fn scripts(&self) -> Vec<String> {
        names(&self.sshd.home().join("scripts"))
    }

    /// Nothing of the run is left on this machine.
    fn clean_here(&self) {
        let left: Vec<String> = names(&self.test.path("."))
            .into_iter()
            .filter(|name| name.starts_with("imgc-"))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < LIMIT, "{what} within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the end of a run, which must come within the limit.
fn ended(bed: &Bed, mut child: Child) -> Printed {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > LIMIT {
            child.kill().unwrap();
            let printed = bed.test.finish(child);
            panic!("it goes on after {LIMIT:?}: {}", printed.text());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bed.test.finish(child)
}

/// Two steps; the second hangs until the file `back` is there.
const HANGS: &str = r#"
  provisioner "shell" {
    remote_folder = "FOLDER"
    inline        = ["echo one >> MADE/one"]
  }
  provisioner "shell" {
    remote_folder = "FOLDER"
    inline        = ["touch MADE/started", "while [ ! -e MADE/back ]; do sleep 300; done", "echo two > MADE/two"]
  }
"#;

#[test]
fn a_host_that_falls_silent_ends_the_step_and_is_gone_on_with_when_it_is_back() {
    let bed = Bed::new();
    let proxy = DelayProxy::start(bed.sshd.address(), Duration::ZERO, None).unwrap();
    let options = "  ssh_keep_alive_interval = \"1s\"\n  ssh_read_write_timeout = \"3s\"";
    bed.template(proxy.port(), options, HANGS);
    let child = bed.apply();
    wait_until("the second script runs", || bed.made("started"));
    proxy.silence();
    let printed = ended(&bed, child);
    assert_ne!(printed.code, 0, "{}", printed.text());
    let host = format!("{}@127.0.0.1:{}", bed.sshd.user(), proxy.port());
    let said = printed.text();
    assert!(
        said.contains(&format!("{host} has not answered for 3s")),
        "{said}"
    );
    // What could not be removed there is said, and stays recorded.
    assert!(
        said.contains("these things are left behind:") && said.contains(&format!("on {host}")),
        "{said}"
    );
    bed.clean_here();

    std::fs::write(bed.sshd.home().join("made/back"), "").unwrap();
    proxy.wake();
    wait_until("the machine removes the scripts itself", || {
        bed.scripts().is_empty()
    });
    let printed = bed.test.run(&["apply", "-resume", "-auto-approve", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(bed.read("one"), "one\n", "the first step ran once");
    assert_eq!(bed.read("two"), "two\n");
    assert_eq!(bed.scripts(), Vec::<String>::new());
    assert_eq!(bed.test.run(&["gc"]).code, 0);
    nothing_more(&bed.test, "");
}

#[test]
fn the_time_limit_of_a_step_ends_it_on_a_silent_host() {
    let bed = Bed::new();
    let proxy = DelayProxy::start(bed.sshd.address(), Duration::ZERO, None).unwrap();
    let limited = HANGS.replace(
        "inline        = [\"touch",
        "timeout = \"4s\"\n    inline = [\"touch",
    );
    bed.template(proxy.port(), "", &limited);
    let child = bed.apply();
    wait_until("the second script runs", || bed.made("started"));
    proxy.silence();
    let printed = ended(&bed, child);
    assert_ne!(printed.code, 0, "{}", printed.text());
    let said = printed.text();
    assert!(
        said.contains("longer than its timeout of 4s, waiting for `inline` on 127.0.0.1"),
        "{said}"
    );
    bed.clean_here();
    proxy.wake();
    wait_until("the machine removes the scripts itself", || {
        bed.scripts().is_empty()
    });
    assert_eq!(bed.test.run(&["gc"]).code, 0);
    nothing_more(&bed.test, "");
}

#[test]
fn a_script_that_hangs_up_fails_and_its_files_go() {
    let bed = Bed::new();
    bed.test.write("hang-up.sh", HANG_UP);
    let provisioner = r#"
  provisioner "shell" {
    remote_folder = "FOLDER"
    script        = "hang-up.sh"
  }
"#;
    bed.template(bed.sshd.port(), "", provisioner);
    let printed = ended(&bed, bed.apply());
    assert_ne!(printed.code, 0, "{}", printed.text());
    let said = printed.text();
    assert!(
        said.contains("the connection was lost while `hang-up.sh` ran: ")
            && said.contains(" has closed the connection"),
        "{said}"
    );
    // The machine is there, so it is known that nothing is.
    assert_eq!(bed.scripts(), Vec::<String>::new(), "{said}");
    assert!(!said.contains("left behind"), "{said}");
    bed.clean_here();
    nothing_more(&bed.test, "");
}

#[test]
fn a_script_that_hangs_up_as_expected_is_followed_by_the_next() {
    let bed = Bed::new();
    bed.test.write("hang-up.sh", HANG_UP);
    let provisioners = r#"
  provisioner "shell" {
    remote_folder     = "FOLDER"
    script            = "hang-up.sh"
    expect_disconnect = true
  }
  provisioner "shell" {
    remote_folder = "FOLDER"
    inline        = ["echo next > MADE/next"]
  }
"#;
    bed.template(bed.sshd.port(), "", provisioners);
    let printed = ended(&bed, bed.apply());
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(bed.read("next"), "next\n");
    assert_eq!(bed.scripts(), Vec::<String>::new(), "{}", printed.text());
    assert!(
        !printed.text().contains("left behind"),
        "{}",
        printed.text()
    );
    bed.clean_here();
    nothing_more(&bed.test, "");
}

#[test]
fn what_a_rebooting_machine_has_kept_is_removed_when_it_is_back() {
    let mut bed = Bed::new();
    let provisioner = r#"
  provisioner "shell" {
    remote_folder       = "FOLDER"
    inline              = ["touch MADE/started", "sleep 300"]
    expect_disconnect   = true
    start_retry_timeout = "30s"
  }
"#;
    bed.template(bed.sshd.port(), "", provisioner);
    let child = bed.apply();
    wait_until("the script runs", || bed.made("started"));
    // All processes end, the janitor's with them; files stay.
    bed.sshd.stop();
    assert_eq!(bed.scripts().len(), 1);
    std::thread::sleep(Duration::from_secs(1));
    bed.sshd.restart().unwrap();
    let printed = ended(&bed, child);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(bed.scripts(), Vec::<String>::new());
    assert!(
        !printed.text().contains("left behind"),
        "{}",
        printed.text()
    );
}

#[test]
fn what_stays_on_a_machine_that_does_not_come_back_is_said_and_recorded() {
    let mut bed = Bed::new();
    let provisioner = r#"
  provisioner "shell" {
    remote_folder = "FOLDER"
    inline        = ["touch MADE/started", "sleep 300"]
  }
"#;
    bed.template(bed.sshd.port(), "", provisioner);
    let child = bed.apply();
    wait_until("the script runs", || bed.made("started"));
    bed.sshd.stop();
    let printed = ended(&bed, child);
    assert_ne!(printed.code, 0, "{}", printed.text());
    let left = bed.scripts();
    assert_eq!(left.len(), 1);
    assert!(
        printed.text().contains("left behind") && printed.text().contains(&left[0]),
        "{}",
        printed.text()
    );
    bed.clean_here();
    let listed = bed.test.run(&["gc", "--dry-run"]);
    assert!(listed.stdout.contains(&left[0]), "{}", listed.text());
}

/// Builds `number` from the machine behind `host`, each of which does the same.
fn many(sshd: &Sshd, hosts: &[&str], lines: &str) -> String {
    let mut text = String::new();
    let mut sources = Vec::new();
    for (number, host) in hosts.iter().enumerate() {
        text.push_str(&format!(
            "source \"null\" \"n{number}\" {{\n  ssh_host = \"{host}\"\n  ssh_port = {}\n  ssh_username = \"{}\"\n  \
             ssh_private_key_file = \"{}\"\n}}\n",
            sshd.port(),
            sshd.user(),
            sshd.key().display(),
        ));
        sources.push(format!("\"source.null.n{number}\""));
    }
    let home = sshd.home().display().to_string();
    format!(
        "{text}build {{\n  sources = [{}]\n  provisioner \"shell\" {{\n    inline = [{}]\n  }}\n}}\n",
        sources.join(", "),
        lines.replace("MADE", &format!("{home}/made")),
    )
}

#[test]
fn a_host_gets_as_many_builds_at_once_as_it_may_and_all_of_them_in_the_end() {
    let bed = Bed::new();
    // Each says how many are there with it.
    let lines = r#""mkdir MADE/in-$PACKER_BUILD_NAME", "ls -d MADE/in-* | wc -l > MADE/seen-$PACKER_BUILD_NAME", "sleep 0.5", "rmdir MADE/in-$PACKER_BUILD_NAME""#;
    let template = many(&bed.sshd, &["127.0.0.1"; 6], lines);
    bed.test.write("main.pkr.hcl", template);
    let mut child = bed.test.spawn(&["build", "-parallel-per-host=2", "."]);
    // A connection that ends is there a moment longer for the server than for who has ended it.
    let (mut longest, mut above, begin) = (Duration::ZERO, None, Instant::now());
    while child.try_wait().unwrap().is_none() {
        above = match bed.sshd.connections() > 2 {
            true => Some(above.unwrap_or_else(Instant::now)),
            false => None,
        };
        longest = longest.max(above.map_or(Duration::ZERO, |since| since.elapsed()));
        assert!(begin.elapsed() < LIMIT, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let printed = bed.test.finish(child);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let said = printed.text();
    let counts: Vec<String> = (0..6)
        .map(|number| {
            let seen = format!("seen-n{number}");
            assert!(bed.made(&seen), "no {seen}: {said}");
            bed.read(&seen).trim().to_owned()
        })
        .collect();
    assert!(
        counts.iter().all(|count| count == "1" || count == "2"),
        "{counts:?}"
    );
    assert!(
        counts.iter().any(|count| count == "2"),
        "one at a time: {counts:?}"
    );
    // Each build sleeps for half a second.
    let bearable = Duration::from_millis(400);
    assert!(longest < bearable, "three connections for {longest:?}");
}

#[test]
fn hosts_do_not_wait_for_each_other() {
    let bed = Bed::new();
    // Each waits for the other, which comes only when both are there at once.
    let lines = r#""touch MADE/$PACKER_BUILD_NAME", "for turn in $(seq 200); do [ $(ls MADE | wc -l) = 2 ] && exit 0; sleep 0.1; done; exit 1""#;
    let template = many(&bed.sshd, &["127.0.0.1", "localhost"], lines);
    bed.test.write("main.pkr.hcl", template);
    let child = bed.test.spawn(&["build", "-parallel-per-host=1", "."]);
    let printed = ended(&bed, child);
    assert_eq!(printed.code, 0, "{}", printed.text());
}

#[test]
fn builds_on_one_host_end_only_their_own_commands_and_keep_their_own_files() {
    let bed = Bed::new();
    // All begin at once and do the same, so what is numbered for each connection alone has the same numbers.
    let template = many(&bed.sshd, &["127.0.0.1"; 4], r#""true""#);
    let steps = (0..4).map(|number| {
        let only = format!("    only = [\"null.n{number}\"]\n");
        let content = number.to_string().repeat(100_000);
        bed.test.write(&format!("content-{number}"), content);
        format!(
            "  provisioner \"file\" {{\n{only}    source = \"content-{number}\"\n    destination = \"MADE/content-{number}\"\n  }}\n  \
             provisioner \"shell\" {{\n{only}{}  }}\n",
            if number == 0 {
                "    timeout = \"3s\"\n    inline = [\"touch MADE/started-0\", \"sleep 300\"]\n".to_owned()
            } else {
                format!(
                    "    inline = [\"touch MADE/started-{number}\", \"while [ ! -e MADE/go ]; do sleep 0.1; done\", \
                     \"touch MADE/done-{number}\"]\n"
                )
            }
        )
    });
    let steps = steps.collect::<String>();
    let steps = steps.replace("MADE", &bed.sshd.home().join("made").display().to_string());
    let template = template.trim_end().strip_suffix('}').unwrap().to_owned() + &steps + "}\n";
    bed.test.write("main.pkr.hcl", template);
    let child = bed.test.spawn(&["build", "-on-error=cleanup", "."]);
    wait_until("all of them run", || {
        (0..4).all(|number| bed.made(&format!("started-{number}")))
    });
    // Longer than the first may take.
    std::thread::sleep(Duration::from_secs(4));
    std::fs::write(bed.sshd.home().join("made/go"), "").unwrap();
    let printed = ended(&bed, child);
    let said = printed.text();
    assert_ne!(printed.code, 0, "{said}");
    assert!(said.contains("longer than its timeout of 3s"), "{said}");
    for number in 1..4 {
        assert!(bed.made(&format!("done-{number}")), "{number}: {said}");
    }
    for number in 0..4 {
        let content = bed.read(&format!("content-{number}"));
        assert!(
            content == number.to_string().repeat(100_000),
            "{number}: {said}"
        );
    }
    assert!(!said.contains("did not arrive whole"), "{said}");
}
