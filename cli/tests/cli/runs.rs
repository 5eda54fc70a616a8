//! `build` and `apply` with components that need nothing but this machine.

use crate::harness::Test;

const HELLO: &str = r#"
source "null" "base" {
  communicator = "none"
}
build {
  sources = ["source.null.base"]
  provisioner "shell-local" {
    inline = ["echo hello from $PACKER_BUILD_NAME"]
  }
}
"#;

const NOTE: &str = r#"
source "file" "note" {
  content = "new\n"
  target  = "out/note.txt"
}
build {
  sources = ["source.file.note"]
  post-processor "manifest" {}
}
"#;

#[test]
fn a_build_has_packers_log() {
    let test = Test::new(HELLO);
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(printed.stderr, "");
    insta::assert_snapshot!(printed.log(), @"
    ==> null.base: Running local shell script: inline
        null.base: hello from base
    Build 'null.base' finished after TIME

    ==> Wait completed after TIME

    ==> Builds finished. The artifacts of successful builds are:
    --> null.base: Did not export anything. This is the null builder
    ");
    assert!(
        printed.stdout.contains("\nStep times\n"),
        "{}",
        printed.stdout
    );
    assert!(
        printed
            .stdout
            .contains("\nLogs: .imgc/logs/20231114T221320Z-"),
        "{}",
        printed.stdout
    );
}

#[test]
fn each_build_has_a_log_file() {
    let test = Test::new(HELLO);
    test.run(&["build", "."]);
    let logs: Vec<String> = test
        .files()
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "log"))
        .map(|(path, bytes)| {
            assert!(path.ends_with("null.base.log"), "{}", path.display());
            String::from_utf8(bytes).unwrap()
        })
        .collect();
    assert_eq!(logs.len(), 1);
    assert!(logs[0].contains("hello from base"), "{}", logs[0]);
}

#[test]
fn apply_shows_the_plan_and_then_runs() {
    let test = Test::new(NOTE);
    let printed = test.run(&["apply"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let plan = printed.stdout.find("Plan: 1 build").unwrap();
    let log = printed.stdout.find("==> Builds finished").unwrap();
    assert!(plan < log);
    assert!(
        printed
            .stdout
            .contains("--> file.note: Stored file: out/note.txt"),
        "{}",
        printed.text()
    );
    assert_eq!(test.read("out/note.txt"), "new\n");
}

#[test]
fn what_exists_is_replaced_only_when_somebody_agrees() {
    let test = Test::new(NOTE);
    test.write("out/note.txt", "old\n");
    let printed = test.run(&["apply"]);
    assert_eq!(
        (printed.code, test.read("out/note.txt").as_str()),
        (8, "old\n")
    );
    insta::assert_snapshot!(printed.stderr, @"
    error: 1 existing output would be replaced
      out/note.txt (by build.file.note)
      help: add `-auto-approve` to go on without being asked
    ");
    assert_eq!(test.run(&["apply", "-auto-approve"]).code, 0);
    assert_eq!(test.read("out/note.txt"), "new\n");
    test.write("out/note.txt", "old\n");
    assert_eq!(test.run(&["build", "."]).code, 0, "build never asks");
    assert_eq!(test.read("out/note.txt"), "new\n");
}

#[test]
fn a_failing_script_ends_its_build_and_not_the_others() {
    let test = Test::new(
        r#"
source "null" "bad" {
  communicator = "none"
}
source "null" "good" {
  communicator = "none"
}
build {
  sources = ["source.null.bad", "source.null.good"]
  provisioner "shell-local" {
    only   = ["null.bad"]
    inline = ["exit 7"]
  }
}
"#,
    );
    let printed = test.run(&["build", "-parallel-builds=1", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    let log = printed.log();
    for part in [
        "Build 'null.bad' errored after TIME: the script `inline` ended with exit code 7",
        "Build 'null.good' finished after TIME",
        "==> Some builds didn't complete successfully and had errors:\n--> null.bad: the script",
        "==> Builds finished. The artifacts of successful builds are:\n--> null.good: ",
    ] {
        assert!(log.contains(part), "{part}\n{log}");
    }
}

#[test]
fn a_missing_script_is_the_templates_matter() {
    let test = Test::new(&HELLO.replace(
        "inline = [\"echo hello from $PACKER_BUILD_NAME\"]",
        "script = \"missing.sh\"",
    ));
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    assert!(printed.stderr.contains("missing.sh"), "{}", printed.text());
}

#[test]
fn machine_readable_lines() {
    let test = Test::new(HELLO);
    let printed = test.run(&["-machine-readable", "build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for line in printed.stdout.lines() {
        let fields: Vec<&str> = line.splitn(4, ',').collect();
        assert!(
            fields.len() >= 3 && fields[0].parse::<u64>().is_ok(),
            "{line}"
        );
    }
    assert!(
        printed
            .stdout
            .contains(",,ui,message,    null.base: hello from base\n"),
        "{}",
        printed.stdout
    );
}

#[test]
fn events_for_programs() {
    let test = Test::new(HELLO);
    let printed = test.run(&["apply", "--json"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let mut names = Vec::new();
    for line in printed.stdout.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        names.extend(object["event"].as_str().map(str::to_owned));
    }
    assert_eq!(names.first().unwrap(), "run_started");
    assert_eq!(names.last().unwrap(), "run_finished");
}

#[test]
fn the_time_stands_before_each_line_when_asked_for() {
    let test = Test::new(HELLO);
    let printed = test.run(&["build", "-timestamp-ui", "."]);
    let line = printed
        .stdout
        .lines()
        .find(|line| line.contains("hello from"))
        .unwrap();
    let (time, rest) = line.split_at("2023-11-14T22:13:20Z".len());
    assert!(
        time.ends_with('Z') && rest.starts_with(":     null.base: "),
        "{line}"
    );
}

#[test]
fn a_debug_log_goes_where_it_is_asked_to_go() {
    let test = Test::new(HELLO)
        .env("PACKER_LOG", "1")
        .env("PACKER_LOG_PATH", "debug.log");
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.stderr, "");
    assert!(test.read("debug.log").contains("\"step_started\""));
}

#[test]
fn a_chain_of_post_processors_finds_what_the_chains_before_it_wrote() {
    let test = Test::new(
        r#"
source "file" "note" {
  content = "new\n"
  target  = "out/note.txt"
}
build {
  sources = ["source.file.note"]
  post-processor "shell-local" {
    inline = ["sleep 0.2", "echo first > out/first.txt"]
  }
  post-processor "shell-local" {
    inline = ["cat out/first.txt"]
  }
}
"#,
    );
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("file.note (shell-local): first\n"),
        "{}",
        printed.stdout
    );
}

/// Sixty-four builds at the same time, of which the one called `n17` runs `failing` and all others `other`.
fn sixty_four(failing: &str, other: &str) -> Test {
    let mut text = String::new();
    for number in 0..64 {
        text.push_str(&format!(
            "source \"null\" \"n{number}\" {{\n  communicator = \"none\"\n}}\n"
        ));
    }
    let sources: Vec<String> = (0..64)
        .map(|number| format!("\"source.null.n{number}\""))
        .collect();
    text.push_str(&format!(
        "build {{\n  sources = [{}]\n  provisioner \"shell-local\" {{\n    only = [\"null.n17\"]\n    inline = [\"{failing}\"]\n  }}\n  \
         provisioner \"shell-local\" {{\n    except = [\"null.n17\"]\n    inline = [\"{other}\"]\n  }}\n}}\n",
        sources.join(", "),
    ));
    Test::new(&text)
}

#[test]
fn sixty_three_of_sixty_four_builds_succeed_where_they_go_on() {
    let test = sixty_four("exit 3", "touch made-$PACKER_BUILD_NAME");
    let printed = test.run(&["build", "-keep-going", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    let made = (0..64)
        .filter(|number| test.path(&format!("made-n{number}")).exists())
        .count();
    assert_eq!(made, 63, "{}", printed.text());
    assert_eq!(printed.stdout.matches(" finished after ").count(), 63);
    let history = test.run(&["history"]).stdout;
    assert!(history.contains("  failed  "), "{history}");
    assert_eq!(crate::faults::left(&test), Vec::<String>::new());
    crate::state::nothing_more(&test, "");
}

#[test]
fn the_first_failure_of_sixty_four_builds_stops_the_others_where_that_is_wished() {
    let test = sixty_four("exit 3", "sleep 100; touch made");
    let begin = std::time::Instant::now();
    let printed = test.run(&["build", "-fail-fast", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert!(
        begin.elapsed().as_secs() < 60,
        "they were waited for: {:?}",
        begin.elapsed()
    );
    assert_eq!(
        printed
            .stdout
            .matches("stopped because `build.null.n17` failed")
            .count()
            / 2,
        63,
        "{}",
        printed.text()
    );
    assert!(
        !printed.stdout.contains("interrupted"),
        "{}",
        printed.text()
    );
    assert!(!test.path("made").exists());
    assert_eq!(crate::faults::left(&test), Vec::<String>::new());
    crate::state::nothing_more(&test, "");
}

#[test]
fn an_override_may_use_what_only_the_run_knows() {
    let template = |says: &str| {
        format!(
            r#"source "null" "web" {{ communicator = "none" }}
source "null" "db" {{ communicator = "none" }}
build {{
  sources = ["null.web", "null.db"]
  provisioner "shell-local" {{
    inline   = ["echo plain >> said"]
    override = {{ web = {{ inline = ["echo {says} ${{build.PackerRunUUID}} >> said"] }} }}
  }}
}}
"#
        )
    };
    let test = Test::new(&template("ran in"));
    let run_this = |template: String| {
        test.write("main.pkr.hcl", template);
        test.write("said", "");
        let printed = test.run(&["apply", "-color=false", "-parallel-builds=1", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
        test.read("said")
    };
    let run = |says: &str| run_this(template(says));
    let said = run("ran in");
    let (mut plain, own): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| *line == "plain");
    assert_eq!(plain.pop(), Some("plain"), "{said}");
    assert!(plain.is_empty(), "{said}");
    assert_eq!(own.len(), 1, "{said}");
    assert!(own[0].starts_with("ran in "), "{said}");
    assert_eq!(own[0].len(), "ran in ".len() + 36, "{said}");
    // Each run is another one, and what is written there is an input.
    assert!(run("ran in").starts_with("ran in "));
    let changed = run("went in");
    assert!(changed.starts_with("went in "), "{changed}");
    assert!(!changed.contains("plain"), "{changed}");
    // Also where it is not written out what is overridden.
    let merged = template("came to").replace("web = {", "web = merge({}, {");
    let merged = merged.replace("] } }", "] }) }");
    for _ in 0..2 {
        let said = run_this(merged.clone());
        assert!(said.starts_with("came to "), "{said}");
    }
}
