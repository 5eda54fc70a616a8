//! A run is killed, or finds the disk full, where something is written down; `gc` cleans up after it, and the next run
//! makes what an undisturbed run makes.
//!
//! `IMGC_EVERY_FAULT=1` tries every point. Without it the first of each kind is tried, then every few, for a while. With
//! `IMGC_FAULT_REPORT=FILE` a line for each table is appended to that file.

use std::io::Write as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use imgc_testbed::{Options, Sshd};

use crate::harness::{Printed, Test};
use crate::images::static_copy;
use crate::machines::copy_example;
use crate::state::nothing_more;

/// How long a test tries points, unless all are asked for. A few are tried however long that takes.
const SAMPLE: Duration = Duration::from_secs(25);
const AT_LEAST: usize = 6;

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Full,
}

/// What was tried and what came of it.
#[derive(Debug, Default)]
struct Tried {
    /// Reached by an undisturbed run.
    points: usize,
    tried: usize,
    /// Runs that died, or were refused, there.
    hit: usize,
    /// Runs that were gone on with, rather than begun again.
    resumed: usize,
}

/// A build that is disturbed.
struct Table<'a> {
    name: &'a str,
    fault: Fault,
    /// Of how many points one is tried unless all are, and of how many when all are.
    stride: usize,
    every: usize,
    fresh: &'a dyn Fn() -> Test,
    /// What the run makes.
    result: &'a dyn Fn(&Test) -> String,
}

/// What `-resume` says of a run that was killed before it was recorded, or after it was recorded as ended well.
const NOTHING_TO_RESUME: [&str; 2] = [
    "there is no run of this template to go on with",
    "ended well: there is nothing to go on with",
];

/// Which points to try, the most telling first: the first of each name, then every few of the rest.
pub(crate) fn choose(names: &[&str], stride: usize, every: usize) -> Vec<usize> {
    if std::env::var_os("IMGC_EVERY_FAULT").is_some() {
        return (1..=names.len()).step_by(every).collect();
    }
    let is_first = |at: usize| !names[..at].contains(&names[at]);
    let (mut chosen, rest): (Vec<usize>, Vec<usize>) =
        (0..names.len()).partition(|at| is_first(*at));
    chosen.extend(rest.into_iter().step_by(stride));
    chosen.into_iter().map(|at| at + 1).collect()
}

impl Table<'_> {
    /// Disturbs a run at its points, one after the other, and checks what follows each time.
    fn try_all(&self) -> Tried {
        let test = (self.fresh)();
        let trace = test.path("points");
        let test = test.env("IMGC_FAULT_TRACE", trace.to_str().unwrap());
        let printed = test.run(&["apply", "-auto-approve", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
        let names = test.read("points");
        let names: Vec<&str> = names.lines().collect();
        let expected = (self.result)(&test);
        let mut tried = Tried {
            points: names.len(),
            ..Tried::default()
        };
        let every = std::env::var_os("IMGC_EVERY_FAULT").is_some();
        let begun = Instant::now();
        for point in choose(&names, self.stride, self.every) {
            if !every && tried.tried >= AT_LEAST && begun.elapsed() > SAMPLE {
                break;
            }
            tried.tried += 1;
            self.try_one(point, &expected, &mut tried);
        }
        self.report(&tried, begun.elapsed());
        tried
    }

    fn try_one(&self, point: usize, expected: &str, tried: &mut Tried) {
        let fault = match self.fault {
            Fault::Kill => "kill",
            Fault::Full => "full",
        };
        let what = format!("{}, {fault} at point {point}", self.name);
        let test = (self.fresh)().env("IMGC_FAULT", &format!("{fault}@*#{point}"));
        let output = test
            .command(&["apply", "-auto-approve", "."])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match self.fault {
            Fault::Kill => tried.hit += usize::from(killed(output.status)),
            Fault::Full => {
                tried.hit += usize::from(!output.status.success());
                let code = output.status.code();
                assert!(
                    code.is_some_and(|code| code != 101),
                    "{what}: {:?}: {said}",
                    output.status
                );
            }
        }
        let test = test.env("IMGC_FAULT", "");
        let printed = test.run(&["gc"]);
        assert_eq!(printed.code, 0, "{what}: {}", printed.text());
        assert_eq!(
            left(&test),
            Vec::<String>::new(),
            "{what}: {said}{}",
            printed.text()
        );
        nothing_more(&test, &format!("{what}: {}", printed.text()));
        let (printed, resumed) = go_on(&test);
        tried.resumed += usize::from(resumed);
        assert_eq!(printed.code, 0, "{what}: {said}{}", printed.text());
        assert_eq!((self.result)(&test), expected, "{what}");
        assert_eq!(left(&test), Vec::<String>::new(), "{what}");
    }

    /// Most points must have been died at, and some gone on from. What is only kept for later runs may fail without harm.
    fn survived(&self) {
        let tried = self.try_all();
        assert!(tried.points > 20, "{}: {tried:?}", self.name);
        let enough = match self.fault {
            Fault::Kill => tried.hit * 2 > tried.tried && tried.resumed > 0,
            Fault::Full => tried.hit > 2,
        };
        assert!(enough, "{}: {tried:?}", self.name);
    }

    fn report(&self, tried: &Tried, took: Duration) {
        let Some(path) = std::env::var_os("IMGC_FAULT_REPORT") else {
            return;
        };
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(
            file,
            "{} ({:?}): {tried:?}, all as undisturbed, in {} s",
            self.name,
            self.fault,
            took.as_secs()
        )
        .unwrap();
    }
}

/// Goes on with the run, or begins it again where there is none; whether it was gone on with.
fn go_on(test: &Test) -> (Printed, bool) {
    let printed = test.run(&["apply", "-resume", "-auto-approve", "."]);
    let nothing = NOTHING_TO_RESUME
        .iter()
        .any(|text| printed.stderr.contains(text));
    match nothing {
        true => (test.run(&["apply", "-auto-approve", "."]), false),
        false => (printed, true),
    }
}

fn killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}

/// Directories, mounts and processes of runs of this test.
pub(crate) fn left(test: &Test) -> Vec<String> {
    let begin = std::time::Instant::now();
    loop {
        let left = left_now(test);
        // What has been killed may take a moment to be gone.
        let dying = left.iter().all(|one| one.starts_with("process "));
        if left.is_empty() || !dying || begin.elapsed() > std::time::Duration::from_secs(5) {
            return left;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn left_now(test: &Test) -> Vec<String> {
    let here = test.path("").display().to_string();
    let here = here.trim_end_matches('/');
    let mut left: Vec<String> = std::fs::read_dir(test.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("imgc-") || name.contains(".imgc-"))
        .collect();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    left.extend(
        mounts
            .lines()
            .filter(|line| line.contains(here))
            .map(str::to_owned),
    );
    let home = format!("HOME={here}");
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|one| one == home.as_bytes())
        {
            left.push(format!("process {}", entry.file_name().to_string_lossy()));
        }
    }
    left
}

/// Two builds that need no machine.
fn plain() -> Test {
    Test::new(
        r#"
source "null" "base" {
  communicator = "none"
}
source "file" "note" {
  content = "made\n"
  target  = "note.txt"
}
build {
  sources = ["source.null.base", "source.file.note"]
  provisioner "shell-local" {
    only   = ["null.base"]
    inline = ["echo done > proof"]
  }
}
"#,
    )
}

fn plain_result(test: &Test) -> String {
    test.read("note.txt") + &test.read("proof")
}

#[test]
fn a_build_without_a_machine_survives_a_kill_at_any_point() {
    let table = Table {
        name: "null and file",
        fault: Fault::Kill,
        stride: 11,
        every: 1,
        fresh: &plain,
        result: &plain_result,
    };
    table.survived();
}

#[test]
fn a_build_without_a_machine_survives_a_full_disk_at_any_point() {
    let table = Table {
        name: "null and file",
        fault: Fault::Full,
        stride: 11,
        every: 1,
        fresh: &plain,
        result: &plain_result,
    };
    table.survived();
}

/// A root file system with a shell.
fn small_base() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    for program in ["sh", "chmod", "rm", "mkdir", "cat"] {
        static_copy(program, base.path());
    }
    base
}

fn image(base: &tempfile::TempDir) -> Test {
    Test::new(&format!(
        r#"
source "rootfs" "small" {{
  from             = "dir:{}"
  output_directory = "out"
}}
build {{
  sources = ["rootfs.small"]
  provisioner "shell" {{
    inline = ["echo one > /one"]
  }}
  provisioner "shell" {{
    inline = ["echo two > /two"]
  }}
}}
"#,
        base.path().display()
    ))
    .env("SOURCE_DATE_EPOCH", "1700000000")
}

/// The digest of the image in a layout.
fn digest(test: &Test, layout: &str) -> String {
    let index = test.read(&format!("{layout}/index.json"));
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    index["manifests"][0]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn an_image_survives_a_kill_at_any_point() {
    let base = small_base();
    let table = Table {
        name: "rootfs",
        fault: Fault::Kill,
        stride: 29,
        every: 1,
        fresh: &|| image(&base),
        result: &|test| digest(test, "out/small.oci"),
    };
    table.survived();
}

#[test]
fn an_image_survives_a_full_disk_at_any_point() {
    let base = small_base();
    let table = Table {
        name: "rootfs",
        fault: Fault::Full,
        stride: 29,
        every: 1,
        fresh: &|| image(&base),
        result: &|test| digest(test, "out/small.oci"),
    };
    table.survived();
}

/// The quickstart fetches a Debian system for each run that begins anew.
#[test]
#[ignore = "takes hours: with IMGC_EVERY_FAULT=1, as docs/reliability.md says"]
fn the_quickstart_survives_a_kill_at_any_point() {
    // Points of the same kind come again and again: every few of them, unless somebody has the time.
    let every = std::env::var("IMGC_QUICKSTART_STRIDE").map_or(1, |text| text.parse().unwrap());
    let fresh = || {
        let test = Test::new("");
        copy_example("quickstart", &test);
        for name in ["web.pkr.hcl", "site/index.html.pkrtpl"] {
            let text = test.read(&format!("example/{name}"));
            test.write(name, text);
        }
        std::fs::remove_dir_all(test.path("example")).unwrap();
        test.env("SOURCE_DATE_EPOCH", "1700000000")
    };
    let table = Table {
        name: "quickstart",
        fault: Fault::Kill,
        stride: every,
        every,
        fresh: &fresh,
        result: &|test| digest(test, "output-debian/debian.oci"),
    };
    table.survived();
}

#[test]
fn a_machine_behind_sshd_survives_a_kill_at_any_point() {
    let sshd = Sshd::start(Options::default()).unwrap();
    let (made, folder) = (sshd.home().join("made"), sshd.home().join("scripts"));
    let fresh = || {
        for directory in [&made, &folder] {
            let _ = std::fs::remove_dir_all(directory);
            std::fs::create_dir(directory).unwrap();
        }
        let test = Test::new(&format!(
            r#"
source "null" "machine" {{
  ssh_host             = "127.0.0.1"
  ssh_port             = {port}
  ssh_username         = "{user}"
  ssh_private_key_file = "{key}"
}}
build {{
  sources = ["source.null.machine"]
  provisioner "shell" {{
    remote_folder = "{folder}"
    inline        = ["echo one > {made}/one"]
  }}
  provisioner "file" {{
    source      = "tree"
    destination = "{made}"
  }}
  provisioner "shell" {{
    remote_folder = "{folder}"
    inline        = ["cat {made}/one {made}/tree/page > {made}/both"]
  }}
}}
"#,
            port = sshd.port(),
            user = sshd.user(),
            key = sshd.key().display(),
            folder = folder.display(),
            made = made.display(),
        ));
        test.write("tree/page", "page\n");
        test
    };
    let result = |_: &Test| {
        // What the machine itself removes when a connection ends takes a moment.
        let begun = Instant::now();
        while std::fs::read_dir(&folder).unwrap().next().is_some() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "scripts are left"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::read_to_string(made.join("both")).unwrap()
    };
    let table = Table {
        name: "null behind sshd",
        fault: Fault::Kill,
        stride: 23,
        every: 1,
        fresh: &fresh,
        result: &result,
    };
    table.survived();
}
