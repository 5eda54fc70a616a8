//! A directory of its own, an empty environment, a clock that stands still.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A fresh directory with template files, and the program to run in it.
pub(crate) struct Test {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// What a command printed and how it ended.
pub(crate) struct Printed {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Test {
    /// Files by name; `//- name` lines begin a file, what stands before the first is `main.pkr.hcl`.
    pub(crate) fn new(fixture: &str) -> Self {
        let test = Self {
            directory: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        };
        let mut name = "main.pkr.hcl".to_owned();
        let mut text = String::new();
        for line in fixture.lines() {
            match line.strip_prefix("//- ") {
                Some(next) => {
                    test.write_unless_empty(&name, &text);
                    (name, text) = (next.to_owned(), String::new());
                }
                None => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        test.write_unless_empty(&name, &text);
        test
    }

    fn write_unless_empty(&self, name: &str, text: &str) {
        if !text.is_empty() {
            self.write(name, text);
        }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        if name.ends_with(".sh") {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with the test's environment, nothing inherited but where programs are.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgc"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("TMPDIR", self.directory.path())
            .env("IMGC_INTERNAL_CLOCK", "1700000000,test")
            // What was asked for a moment ago is looked for half a minute: too long for the hundreds of things left half made.
            .env("IMGC_INTERNAL_SEEN", "2100")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Printed {
        self.finish(self.spawn(arguments))
    }

    pub(crate) fn finish(&self, child: Child) -> Printed {
        let output = child.wait_with_output().unwrap();
        Printed {
            stdout: self.settled(&output.stdout),
            stderr: self.settled(&output.stderr),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// The text with the directory named `$TEST`.
    fn settled(&self, bytes: &[u8]) -> String {
        let real = self.directory.path().canonicalize().unwrap();
        String::from_utf8_lossy(bytes)
            .replace(&*real.to_string_lossy(), "$TEST")
            .replace(&*self.directory.path().to_string_lossy(), "$TEST")
    }

    /// All files below the directory with their bytes.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        walk(self.directory.path(), &mut found);
        found.sort();
        found
    }
}

/// What a run that is still at work takes away meanwhile is not there.
fn walk(directory: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    let gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let entries = match std::fs::read_dir(directory) {
        Err(error) if gone(&error) => return,
        entries => entries.unwrap(),
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
            continue;
        }
        match std::fs::read(&path) {
            Err(error) if gone(&error) => {}
            read => found.push((path.clone(), read.unwrap())),
        }
    }
}

impl Printed {
    /// All of it, for a snapshot.
    pub(crate) fn text(&self) -> String {
        let part = |name: &str, text: &str| match text {
            "" => String::new(),
            text => format!("[{name}]\n{text}"),
        };
        let (out, err) = (part("stdout", &self.stdout), part("stderr", &self.stderr));
        format!("{out}{err}[exit {}]", self.code)
    }

    /// The log without what differs from run to run: durations, the table of times, where logs are.
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        let mut is_summary = false;
        for line in self.stdout.lines() {
            is_summary = match line {
                "Step times" => true,
                _ => is_summary && !line.starts_with("==> Builds finished"),
            };
            if is_summary {
                continue;
            }
            let end = ["finished after ", "errored after ", "completed after "]
                .iter()
                .find_map(|word| line.find(word).map(|at| at + word.len()));
            match end {
                Some(end) => {
                    let rest = line[end..].find(": ").map_or("", |at| &line[end + at..]);
                    text.push_str(&format!("{}TIME{rest}\n", &line[..end]));
                }
                None => {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        text.trim_end().to_owned()
    }
}
