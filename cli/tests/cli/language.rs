//! The pages about the language say what is true: their templates are valid, and their commands print what they show.
//!
//! In `docs/language`, an `hcl` block is a template; `hcl file=NAME` adds a file to the one before it. A `console` block runs in
//! the directory of the last template: lines that begin with `$ ` are commands (`imgc …`, or `cat FILE`), and each line
//! after one must be a part of what it prints, in that order. Commands succeed.

use std::path::Path;

use crate::harness::Test;

#[test]
fn pages_about_the_language_hold() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language");
    let mut pages: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    assert!(!pages.is_empty());
    for page in pages {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&page).unwrap();
        let mut templates = 0;
        let mut test = None;
        // A template is looked at when its files are there.
        let mut pending: Option<String> = None;
        for (info, block) in fences(&text) {
            let mut words = info.split_whitespace();
            let (kind, file) = (words.next(), words.next());
            if file.is_none()
                && let (Some(test), Some(template)) = (&test, pending.take())
            {
                validate(test, &name, &template);
            }
            match (kind, file) {
                (Some("hcl"), None) => {
                    templates += 1;
                    test = Some(Test::new(&block));
                    pending = Some(block);
                }
                (Some(_), Some(file)) => {
                    let file = file.strip_prefix("file=").unwrap();
                    test.as_ref().unwrap().write(file, &block);
                }
                (Some("console"), None) => console(test.as_ref().unwrap(), &name, &block),
                _ => {}
            }
        }
        if let (Some(test), Some(template)) = (&test, pending.take()) {
            validate(test, &name, &template);
        }
        assert!(templates > 0, "{name} has no template");
    }
}

/// The fenced blocks of a page: what stands behind the fence, and the text.
fn fences(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let block: String = lines
                .by_ref()
                .take_while(|line| *line != "```")
                .map(|line| format!("{line}\n"))
                .collect();
            found.push((info.to_owned(), block));
        }
    }
    found
}

fn validate(test: &Test, page: &str, block: &str) {
    let printed = test.run(&["validate", "."]);
    let complaints = printed.text();
    assert_eq!(printed.code, 0, "{page}:\n{block}\n{complaints}");
    // A page may show a component that cannot run here.
    assert!(
        !complaints.contains("check/"),
        "{page}:\n{block}\n{complaints}"
    );
}

fn console(test: &Test, page: &str, block: &str) {
    let mut rest = String::new();
    let mut command = "";
    for line in block.lines() {
        if let Some(given) = line.strip_prefix("$ ") {
            command = given;
            let words = words(given);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            rest = match &words[..] {
                ["imgc", arguments @ ..] => {
                    let printed = test.run(arguments);
                    assert_eq!(printed.code, 0, "{page}: {given}\n{}", printed.text());
                    printed.text()
                }
                ["cat", file] => test.read(file),
                _ => panic!("{page}: `{given}` is not a command of these pages"),
            };
            continue;
        }
        let Some(at) = rest.find(line.trim()) else {
            panic!(
                "{page}: `{command}` does not print `{line}`, or not there; what follows is\n{rest}"
            );
        };
        rest.drain(..at + line.trim().len());
    }
}

/// Words between blanks; single quotes keep some together.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in text.split('\'').enumerate() {
        if at % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        for (at, piece) in part.split(' ').enumerate() {
            if at > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(piece);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_example_of_modules_hands_artifacts_on() {
    let test = Test::new("");
    crate::machines::copy_example("modules", &test);
    let printed = test.run(&["apply", "example"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(test.read("out/web.txt"), "base 12\nweb on port 80\n");
    assert_eq!(test.read("out/db.txt"), "base 12\ndb on port 5432\n");
    let printed = test.run(&["output", "-json", "-template=example", "images"]);
    assert!(
        printed.stdout.contains(r#""db": "out/db.txt""#),
        "{}",
        printed.text()
    );
}

#[test]
fn the_example_of_variations_makes_its_files() {
    let test = Test::new("");
    crate::machines::copy_example("variations", &test);
    let printed = test.run(&["apply", "example"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(test.read("out/de.text"), "Hallo, Welt\n");
    assert_eq!(test.read("out/fr.html"), "<p>Bonjour, le monde</p>\n");
    for file in [
        "de.text", "en.text", "fr.text", "de.html", "en.html", "fr.html",
    ] {
        let sum = test.read(&format!("out/{file}.sha256"));
        assert_eq!(
            sum.split_whitespace().next().unwrap().len(),
            64,
            "{file}: {sum}"
        );
    }
    assert!(
        printed.stdout.contains("Bonjour, le monde"),
        "{}",
        printed.stdout
    );

    let printed = test.run(&["plan", "-only=*[\"de\"]", "example"]);
    assert!(
        printed.stdout.contains("Plan: 2 builds"),
        "{}",
        printed.stdout
    );
    let printed = test.run(&["plan", "-only=pages.file.html", "example"]);
    assert!(
        printed.stdout.contains("Plan: 3 builds"),
        "{}",
        printed.stdout
    );
}
