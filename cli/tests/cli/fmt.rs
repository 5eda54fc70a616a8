//! The formatter as a command: what is written, said and answered.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;

use crate::harness::{Printed, Test};

const MESSY: &str = "locals {\na=1\n}\n";
const TIDY: &str = "locals {\n  a = 1\n}\n";

fn messy() -> Test {
    Test::new(&format!(
        "{MESSY}//- b.pkrvars.hcl\nx=1\n//- tidy.pkr.hcl\n{TIDY}//- other.hcl\n{MESSY}//- sub/c.imgc.hcl\n{MESSY}\
         //- .git/d.pkr.hcl\n{MESSY}//- notes.json\n{{}}\n"
    ))
}

fn with_input(test: &Test, arguments: &[&str], input: &str) -> Printed {
    let mut child = test
        .command(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    test.finish(child)
}

#[test]
fn a_directory_is_formatted_and_its_changed_files_are_named() {
    let test = messy();
    insta::assert_snapshot!(test.run(&["fmt"]).text(), @"
    [stdout]
    b.pkrvars.hcl
    main.pkr.hcl
    [exit 0]
    ");
    assert_eq!(test.read("main.pkr.hcl"), TIDY);
    assert_eq!(test.read("b.pkrvars.hcl"), "x = 1\n");
    assert_eq!(test.read("other.hcl"), MESSY);
    assert_eq!(test.run(&["fmt", "."]).text(), "[exit 0]");
    insta::assert_snapshot!(test.run(&["fmt", "-recursive", "."]).text(), @"
    [stdout]
    sub/c.imgc.hcl
    [exit 0]
    ");
    assert_eq!(test.read(".git/d.pkr.hcl"), MESSY);
}

#[test]
fn a_check_changes_nothing_and_says_so_in_its_exit_code() {
    let test = messy();
    let before = test.files();
    insta::assert_snapshot!(test.run(&["fmt", "-check", "-diff", "main.pkr.hcl", "tidy.pkr.hcl"]).text(), @"
    [stdout]
    main.pkr.hcl
    --- old/main.pkr.hcl
    +++ new/main.pkr.hcl
    @@ -1,3 +1,3 @@
     locals {
    -a=1
    +  a = 1
     }
    [exit 3]
    ");
    assert_eq!(
        test.run(&["fmt", "-check", "tidy.pkr.hcl"]).text(),
        "[exit 0]"
    );
    insta::assert_snapshot!(test.run(&["fmt", "-write=false"]).text(), @"
    [stdout]
    b.pkrvars.hcl
    main.pkr.hcl
    [exit 0]
    ");
    assert_eq!(test.files(), before);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let test = Test::new("");
    assert_eq!(
        with_input(&test, &["fmt", "-"], MESSY).text(),
        format!("[stdout]\n{TIDY}[exit 0]")
    );
    assert_eq!(
        with_input(&test, &["fmt", "-check", "-"], MESSY).text(),
        "[exit 3]"
    );
    assert_eq!(
        with_input(&test, &["fmt", "-check", "-"], TIDY).text(),
        "[exit 0]"
    );
    insta::assert_snapshot!(with_input(&test, &["fmt", "-"], "a = \n").text(), @"
    [stderr]
    error[syntax/expected-expression]: expected an expression after `=`
       ,-[<stdin>:1:4]
     1 | a = 
       :    ^
       :    `-- a value is missing here
       `----

    1 error
    [exit 3]
    ");
}

#[test]
fn a_file_with_errors_is_left_alone_and_the_others_are_formatted() {
    let test = messy();
    test.write("bad.pkr.hcl", "locals {\na=\n}\n");
    test.write("latin.pkr.hcl", b"a=\"\xe9\"\n");
    let printed = test.run(&["fmt", "missing", "."]);
    assert_eq!(test.read("bad.pkr.hcl"), "locals {\na=\n}\n");
    assert_eq!(test.read("main.pkr.hcl"), TIDY);
    insta::assert_snapshot!(printed.text(), @"
    [stdout]
    b.pkrvars.hcl
    main.pkr.hcl
    [stderr]
    error: cannot read `missing`: there is no such file or directory
      help: check the spelling and the working directory
    error: latin.pkr.hcl is not text in UTF-8
      help: save the file as UTF-8; a template is text
    error[syntax/expected-expression]: expected an expression after `=`
       ,-[bad.pkr.hcl:2:3]
     1 | locals {
     2 | a=
       :   ^
       :   `-- a value is missing here
     3 | }
       `----

    1 error
    [exit 4]
    ");
}

#[test]
fn json_of_a_directory_is_only_formatted_when_asked_for() {
    const JSON: &str = "{\"locals\":{\n\"a\":[1, 2]}}\n";
    const TIDY_JSON: &str = "{\n  \"locals\": {\n    \"a\": [1, 2]\n  }\n}\n";
    let test = Test::new(&format!(
        "{TIDY}//- a.pkr.json\n{JSON}//- b.imgc.toml\n [locals]\nb=1\n//- c.pkrvars.json\n{{\"c\":1}}\n//- d.pkrvars.toml\nd=1\n\
         //- legacy.json\n{JSON}//- Cargo.toml\na=1\n//- sub/e.pkr.json\n{JSON}"
    ));
    insta::assert_snapshot!(test.run(&["fmt", "-recursive", "."]).text(), @"
    [stdout]
    b.imgc.toml
    d.pkrvars.toml
    [exit 0]
    ");
    assert_eq!(test.read("b.imgc.toml"), "[locals]\nb = 1\n");
    assert_eq!(test.read("a.pkr.json"), JSON);
    insta::assert_snapshot!(test.run(&["fmt", "-all", "-recursive", "."]).text(), @"
    [stdout]
    a.pkr.json
    c.pkrvars.json
    sub/e.pkr.json
    [exit 0]
    ");
    assert_eq!(test.read("a.pkr.json"), TIDY_JSON);
    assert_eq!(test.read("legacy.json"), JSON);
    assert_eq!(test.read("Cargo.toml"), "a=1\n");
    insta::assert_snapshot!(test.run(&["fmt", "legacy.json", "Cargo.toml"]).text(), @"
    [stdout]
    legacy.json
    Cargo.toml
    [exit 0]
    ");
    assert_eq!(test.read("legacy.json"), TIDY_JSON);
    assert_eq!(
        with_input(&test, &["fmt", "-"], JSON).text(),
        format!("[stdout]\n{TIDY_JSON}[exit 0]")
    );
}

#[test]
fn json_and_toml_with_errors_are_left_alone() {
    let test = Test::new("//- a.json\n{ \"a\" 1 }\n//- b.toml\na  =\n//- c.json\n{ /* x */ }\n");
    let before = test.files();
    insta::assert_snapshot!(test.run(&["fmt", "a.json", "b.toml"]).text(), @r#"
    [stderr]
    error[json/missing-colon]: `a` is not followed by a colon
       ,-[a.json:1:6]
     1 | { "a" 1 }
       :      ^
       `----
      help: write `:` between key and value

    error[toml/expected-value]: a value is missing here
       ,-[b.toml:1:5]
     1 | a  =
       :     ^
       `----
      help: write a text in quotes, a number, `true`, `false`, `[…]` or `{ … }`

    2 errors
    [exit 3]
    "#);
    assert_eq!(test.files(), before);
    // A warning is no error.
    assert_eq!(
        test.run(&["fmt", "c.json"]).text(),
        "[stdout]\nc.json\n[exit 0]"
    );
}

#[test]
fn modes_and_links_stay() {
    let test = messy();
    let path = test.path("main.pkr.hcl");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    symlink("main.pkr.hcl", test.path("link.pkr.hcl")).unwrap();
    assert_eq!(
        test.run(&["fmt", "link.pkr.hcl"]).text(),
        "[stdout]\nlink.pkr.hcl\n[exit 0]"
    );
    assert!(
        std::fs::symlink_metadata(test.path("link.pkr.hcl"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(test.read("main.pkr.hcl"), TIDY);
}
