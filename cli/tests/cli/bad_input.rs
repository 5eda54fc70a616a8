//! What is wrong with the surroundings: each a message that names the place and the way out, never a panic.

use std::process::Stdio;

use crate::harness::Test;

const GOOD: &str = "source \"null\" \"base\" {\n  communicator = \"none\"\n}\nbuild {\n  sources = [\"source.null.base\"]\n}\n";

#[test]
fn a_path_that_does_not_exist() {
    let test = Test::new(GOOD);
    insta::assert_snapshot!(test.run(&["validate", "nowhere"]).text(), @"
    [stderr]
    error[load/not-found]: nowhere: there is no such file or directory
      help: check the path

    1 error
    [exit 4]
    ");
    insta::assert_snapshot!(test.run(&["validate", "-var-file=nowhere.hcl", "."]).text(), @"
    [stderr]
    error[load/not-found]: nowhere.hcl: there is no such file or directory
      help: check the path

    1 error
    [exit 4]
    ");
}

#[test]
fn a_directory_without_templates() {
    let test = Test::new("//- notes.txt\nnothing\n");
    insta::assert_snapshot!(test.run(&["build", "."]).text(), @"
    [stderr]
    error[load/no-template]: .: there is no template in this directory
      help: a template's name ends in `.pkr.hcl`, `.pkr.json`, `.imgc.hcl` or `.imgc.toml`

    1 error
    [exit 3]
    ");
}

#[test]
fn a_binary_file() {
    let test = Test::new("");
    test.write("image.pkr.hcl", b"\x7fELF\x00\xff\xfe\x80");
    insta::assert_snapshot!(test.run(&["plan", "image.pkr.hcl"]).text(), @"
    [stderr]
    error[load/not-text]: image.pkr.hcl: this is not a text file: the byte at offset 5 (line 1) is not UTF-8
      help: save the file as UTF-8; a template is text

    1 error
    [exit 3]
    ");
}

#[test]
fn something_that_is_no_file() {
    let test = Test::new("");
    insta::assert_snapshot!(test.run(&["validate", "/dev/null"]).text(), @"
    [stderr]
    error[load/unreadable]: /dev/null: this is neither a file nor a directory
      help: name a template file or a directory of them

    1 error
    [exit 4]
    ");
}

#[test]
fn a_plan_file_that_cannot_be_written() {
    let test = Test::new(GOOD);
    insta::assert_snapshot!(test.run(&["plan", "-out", "no/such/place.plan"]).stderr, @"
    error: cannot write `no/such/place.plan`: there is no such file or directory
      help: check the spelling and the working directory
    ");
    let printed = test.run(&["graph", "-output", "."]);
    assert_eq!(printed.code, 4);
    insta::assert_snapshot!(printed.stderr, @"error: cannot write `.`: it is a directory");
}

#[test]
fn what_cannot_be_remembered_is_not_begun() {
    let test = Test::new(GOOD);
    test.write(".imgc", "a file where the directory belongs");
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 4, "{}", printed.text());
    insta::assert_snapshot!(printed.stderr, @"
    error[run/state]: cannot make the directory of the state `.imgc`: a part of the path is not a directory
      help: move what is in the way, or name another directory with `--state`
    ");
    let printed = test.run(&["build", "--state", "other", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(test.path("other/state.db").exists());
}

#[test]
fn a_full_disk_behind_standard_output() {
    let test = Test::new(GOOD);
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let child = test
        .command(&["plan"])
        .stdout(Stdio::from(full))
        .spawn()
        .unwrap();
    insta::assert_snapshot!(test.finish(child).text(), @"
    [stderr]
    error: cannot write to standard output: the disk is full
    [exit 4]
    ");
}

#[test]
fn a_reader_that_went_away() {
    let test = Test::new(GOOD);
    for (arguments, code) in [(&["plan"][..], 0), (&["explain"], 0), (&["build", "."], 0)] {
        let mut child = test.spawn(arguments);
        drop(child.stdout.take());
        let printed = test.finish(child);
        assert_eq!(
            (printed.code, printed.stderr.as_str()),
            (code, ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_command_line_nobody_understands() {
    let test = Test::new(GOOD);
    let lines: [&[&str]; 6] = [
        &["bild", "."],
        &["build", "-forse", "."],
        &["build", "-parallel-builds=many", "."],
        &["build", "a", "b"],
        &["explain", "check/unknown-varable"],
        &["sbom-generate", "."],
    ];
    let mut text = String::new();
    for arguments in lines {
        text.push_str(&format!(
            "$ imgc {}\n{}\n\n",
            arguments.join(" "),
            test.run(arguments).text()
        ));
    }
    insta::assert_snapshot!(text.trim_end(), @"
    $ imgc bild .
    [stderr]
    error: there is no command `bild`
      help: did you mean `imgc build`?
    [exit 2]

    $ imgc build -forse .
    [stderr]
    error: `imgc build` has no flag `-forse`
      help: did you mean `-force`?
    [exit 2]

    $ imgc build -parallel-builds=many .
    [stderr]
    error: invalid value 'many' for '--parallel-builds <NUMBER>': invalid digit found in string
      help: `imgc help` lists the commands, `imgc help COMMAND` its flags
    [exit 2]

    $ imgc build a b
    [stderr]
    error: unexpected argument 'b' found
      help: `imgc help` lists the commands, `imgc help COMMAND` its flags
    [exit 2]

    $ imgc explain check/unknown-varable
    [stderr]
    error: there is no problem `check/unknown-varable`
      help: did you mean `imgc explain check/unknown-variable`?
    [exit 2]

    $ imgc sbom-generate .
    [stderr]
    error: imgc has no command `sbom-generate`, which Packer has
      help: run a program for bills of materials in a provisioner, or on the finished image
    [exit 2]
    ");
}

#[test]
fn a_temporary_directory_that_is_not_there() {
    let run = GOOD.replace(
        "]\n}",
        "]\n  provisioner \"shell-local\" {\n    inline = [\"true\"]\n  }\n}",
    );
    let test = Test::new(&run);
    let missing = test.path("no/such");
    let test = test.env("TMPDIR", missing.to_str().unwrap());
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 4, "{}", printed.text());
    assert!(
        printed
            .text()
            .contains("cannot use the temporary directory (TMPDIR) `$TEST/no/such`: "),
        "{}",
        printed.text()
    );
    assert!(!missing.exists());
}

#[test]
fn scripts_in_places_with_blanks() {
    let test = Test::new(
        r#"
source "null" "base" {
  communicator = "none"
}
build {
  sources = ["source.null.base"]
  provisioner "shell-local" {
    env    = { "WHO" = "it's me" }
    script = "my $own script.sh"
  }
  provisioner "shell-local" {
    inline = ["echo inline $0 $WHO"]
    env    = { "WHO" = "you" }
  }
  post-processor "shell-local" {
    scripts = ["./it's.sh", "my $own script.sh"]
  }
}
"#,
    );
    test.write("my $own script.sh", b"#!/bin/sh\necho own $WHO\n");
    test.write("it's.sh", b"#!/bin/sh\necho its\n");
    for name in ["my $own script.sh", "it's.sh"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(test.path(name), mode).unwrap();
    }
    let place = test.path("x y");
    std::fs::create_dir(&place).unwrap();
    let test = test.env("TMPDIR", place.to_str().unwrap());
    let printed = test.run(&["build", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for text in [
        "own it's me\n",
        "inline $TEST/x y/imgc-",
        " you\n",
        "its\n",
        "own\n",
    ] {
        assert!(printed.stdout.contains(text), "{text}: {}", printed.text());
    }
}
