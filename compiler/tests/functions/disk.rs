//! Functions of files on a real disk, with links in it, beside Packer: which files are found, where relative paths start.

#![allow(clippy::disallowed_methods, reason = "the real disk is what is tried")]

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::eval::{Context, Empty, evaluate};
use imgc_compiler::lower::hcl;
use imgc_compiler::source::{EntryKind, World};
use imgc_syntax::FileId;

/// What both are asked, of the directory that [`lay_out`] makes.
const EXPRESSIONS: &[&str] = &[
    r#"fileset("d", "*.sh")"#,
    r#"fileset("d", "*")"#,
    r#"fileset("d", "**")"#,
    r#"fileset("d", "**/*.sh")"#,
    r#"fileset("d", "deep/*.sh")"#,
    r#"fileset("d", "*/*.sh")"#,
    r#"fileset("d", "link/*.sh")"#,
    r#"fileset("d", "{a,b}.sh")"#,
    r#"fileset("d", "[ab].sh")"#,
    r#"fileset("d", "[^a].sh")"#,
    r#"fileset("d", "?.sh")"#,
    r#"fileset("d", "../*.txt")"#,
    r#"fileset("d", "./a.sh")"#,
    r#"fileset("d", "nothing*")"#,
    r#"fileset(".", "d/*.sh")"#,
    r#"fileset("", "*.txt")"#,
    r#"fileset("nowhere", "*")"#,
    r#"file("a.txt")"#,
    r#"file("./d/../a.txt")"#,
    r#"file("d/link.sh")"#,
    r#"file("b.txt")"#,
    r#"file("d")"#,
    r#"file("bytes.bin")"#,
    r#"fileexists("a.txt")"#,
    r#"fileexists("nothing.txt")"#,
    r#"fileexists("d/link.sh")"#,
    r#"fileexists("d")"#,
    r#"abspath("x")"#,
    r#"abspath(".")"#,
    r#"pathexpand("~/x")"#,
];

/// Where the two differ on purpose: with us a file of the working directory is found too, where the template's has none.
const FOUND_BY_US_ALONE: &[&str] = &[r#"file("b.txt")"#];

/// A template's directory `t` in a working directory, with files in both.
fn lay_out(root: &Path) {
    std::fs::create_dir_all(root.join("t/d/deep")).unwrap();
    std::fs::create_dir_all(root.join("t/elsewhere")).unwrap();
    for (name, text) in [
        ("b.txt", "of the working directory"),
        ("t/a.txt", "text\n"),
        ("t/d/a.sh", "a"),
        ("t/d/b.sh", "b"),
        ("t/d/.hidden.sh", "h"),
        ("t/d/deep/c.sh", "c"),
        ("t/elsewhere/e.sh", "e"),
        ("t/main.pkr.hcl", "locals {\n  x = 1\n}\n"),
    ] {
        std::fs::write(root.join(name), text).unwrap();
    }
    std::fs::write(root.join("t/bytes.bin"), [0xff, 0xfe]).unwrap();
    symlink("a.sh", root.join("t/d/link.sh")).unwrap();
    symlink("../elsewhere", root.join("t/d/link")).unwrap();
}

#[test]
fn files_are_those_that_packer_finds() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    lay_out(&root);
    let theirs = ask_packer(&root);
    let wrong: Vec<String> = EXPRESSIONS
        .iter()
        .zip(theirs)
        .filter_map(|(text, theirs)| {
            let ours = ask_us(&root, text);
            let expected = FOUND_BY_US_ALONE.contains(text);
            ((ours == theirs) == expected)
                .then(|| format!("{text}\n  ours   {ours:?}\n  theirs {theirs:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The value as JSON; `None` for a problem.
fn ask_us(root: &Path, text: &str) -> Option<String> {
    let world = Disk(root.to_owned());
    let mut cx = Context::new(&world, Path::new("t"));
    let call = format!("jsonencode({text})");
    let expr = hcl::expression(FileId(0), 0, &call, &mut cx.diagnostics);
    let value = evaluate(&expr, &Empty, &mut cx);
    let failed = cx.diagnostics.iter().any(Diagnostic::is_error);
    (!failed).then(|| value.as_str().unwrap().to_owned())
}

fn ask_packer(root: &Path) -> Vec<Option<String>> {
    let input: String = EXPRESSIONS
        .iter()
        .map(|text| format!("\"@@@\"\njsonencode({text})\n"))
        .collect();
    std::fs::write(root.join("input"), input).unwrap();
    let output = Command::new("packer")
        .args(["console", "t"])
        .current_dir(root)
        .env("CHECKPOINT_DISABLE", "1")
        .env("HOME", root)
        .stdin(Stdio::from(
            std::fs::File::open(root.join("input")).unwrap(),
        ))
        .output()
        .expect("packer is installed; xtask/setup.sh does that");
    let output = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Option<String>> = output
        .split("@@@\n")
        .skip(1)
        .map(|answer| {
            let answer = answer.strip_suffix('\n').unwrap_or(answer);
            (!answer.starts_with("Error: ")).then(|| answer.to_owned())
        })
        .collect();
    assert_eq!(answers.len(), EXPRESSIONS.len());
    answers
}

/// The disk as the program sees it that runs in a directory.
struct Disk(PathBuf);

impl World for Disk {
    fn now(&self) -> (i64, u32) {
        (0, 0)
    }

    fn env(&self, _name: &str) -> Option<String> {
        None
    }

    fn env_with_prefix(&self, _prefix: &str) -> Vec<(String, String)> {
        Vec::new()
    }

    fn random(&self) -> [u8; 16] {
        [0; 16]
    }

    fn working_directory(&self) -> PathBuf {
        self.0.clone()
    }

    fn home(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.join(path))
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        let metadata = std::fs::metadata(self.0.join(path))?;
        Ok(match metadata.is_dir() {
            true => EntryKind::Directory,
            false => EntryKind::File,
        })
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(self.0.join(directory))?;
        let mut entries: Vec<PathBuf> = entries
            .map(|entry| Ok(directory.join(entry?.file_name())))
            .collect::<io::Result<_>>()?;
        entries.sort();
        Ok(entries)
    }
}
