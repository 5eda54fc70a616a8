//! A run is killed at every point where something is written down, `gc` cleans up after it, and `apply -resume` makes what
//! an undisturbed run makes.
//!
//! `IMGC_EVERY_FAULT=1` tries every point; without it every few.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use imgc_testbed::{Options, Sshd};

use crate::harness::Test;
use crate::images::static_copy;
use crate::state::nothing_more;

/// What was tried and what came of it.
#[derive(Debug, Default)]
struct Tried {
    points: usize,
    killed: usize,
    resumed: usize,
}

/// What `-resume` says of a run that was killed before it was recorded, or after it was recorded as ended well.
const NOTHING_TO_RESUME: [&str; 2] = [
    "there is no run of this template to go on with",
    "ended well: there is nothing to go on with",
];

/// Kills a run at its points, `stride` apart, and checks what follows each time. `result` is what the run makes.
fn torture(fresh: impl Fn() -> Test, stride: usize, result: impl Fn(&Test) -> String) -> Tried {
    let test = fresh();
    let trace = test.path("points");
    let test = test.env("IMGC_FAULT_TRACE", trace.to_str().unwrap());
    let printed = test.run(&["apply", "-auto-approve", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let points = test.read("points").lines().count();
    let expected = result(&test);
    let stride = match std::env::var_os("IMGC_EVERY_FAULT") {
        Some(_) => 1,
        None => stride,
    };
    let mut tried = Tried {
        points,
        ..Tried::default()
    };
    for point in (1..=points).step_by(stride) {
        let test = fresh().env("IMGC_FAULT", &format!("kill@*#{point}"));
        let mut command = test.command(&["apply", "-auto-approve", "."]);
        let status = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        tried.killed += usize::from(killed(status.status().unwrap()));
        let test = test.env("IMGC_FAULT", "");
        let printed = test.run(&["gc"]);
        assert_eq!(printed.code, 0, "point {point}: {}", printed.text());
        assert_eq!(
            left(&test),
            Vec::<String>::new(),
            "point {point}: {}",
            printed.text()
        );
        nothing_more(&test, &format!("point {point}: {}", printed.text()));
        let mut printed = test.run(&["apply", "-resume", "-auto-approve", "."]);
        let nothing = NOTHING_TO_RESUME
            .iter()
            .any(|text| printed.stderr.contains(text));
        tried.resumed += usize::from(!nothing);
        if nothing {
            printed = test.run(&["apply", "-auto-approve", "."]);
        }
        assert_eq!(printed.code, 0, "point {point}: {}", printed.text());
        assert_eq!(result(&test), expected, "point {point}");
        assert_eq!(left(&test), Vec::<String>::new(), "point {point}");
    }
    tried
}

/// Most points must have been died at, and gone on from.
fn survived(what: &str, tried: &Tried) {
    assert!(tried.points > 20, "{what}: {tried:?}");
    assert!(tried.killed > 2 && tried.resumed > 2, "{what}: {tried:?}");
}

fn killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    status.signal() == Some(9)
}

/// Directories, mounts and processes of runs of this test.
pub(crate) fn left(test: &Test) -> Vec<String> {
    let here = test.path("").display().to_string();
    let here = here.trim_end_matches('/');
    let mut left: Vec<String> = std::fs::read_dir(test.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("imgc-") || name.starts_with(".imgc-"))
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

#[test]
fn a_build_without_a_machine_survives_a_kill_at_any_point() {
    let fresh = || {
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
    };
    let result = |test: &Test| test.read("note.txt") + &test.read("proof");
    let tried = torture(fresh, 11, result);
    survived("null and file", &tried);
}

#[test]
fn an_image_survives_a_kill_at_any_point() {
    let base = tempfile::tempdir().unwrap();
    for program in ["sh", "chmod", "rm", "mkdir", "cat"] {
        static_copy(program, base.path());
    }
    let fresh = || {
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
    };
    let result = |test: &Test| {
        let index = test.read("out/small.oci/index.json");
        let index: serde_json::Value = serde_json::from_str(&index).unwrap();
        index["manifests"][0]["digest"].as_str().unwrap().to_owned()
    };
    let tried = torture(fresh, 29, result);
    survived("rootfs", &tried);
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
    let tried = torture(fresh, 23, result);
    survived("null behind sshd", &tried);
}
