//! A context as the runtime would give it, with a log to look at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use imgc_compiler::plan::BuildId;
use imgc_compiler::source::{EntryKind, FixedWorld, World};
use imgc_compiler::value::Value;
use imgc_runtime::builder::Endpoint;
use imgc_runtime::communicator::Communicator;
use imgc_runtime::context::Context;
use imgc_runtime::event::{Event, Level, Output, Redact, Sink};
use imgc_runtime::ledger::Ledger;
use imgc_runtime::machine::Machine;
use imgc_ssh::SshCommunicator;
use imgc_testbed::Sshd;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Lines in the order in which they came.
#[derive(Default)]
pub struct Log(Mutex<Vec<(Level, String)>>);

impl Sink for Log {
    fn event(&self, event: &Event) {
        if let Event::Line { level, text, .. } = event {
            self.0.lock().unwrap().push((*level, text.clone()));
        }
    }
}

struct Open;

impl Redact for Open {
    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }

    fn add(&self, _: &str) {}
}

/// The world of a user whose home is a directory of the test.
struct Home {
    fixed: FixedWorld,
    home: PathBuf,
}

impl World for Home {
    fn now(&self) -> (i64, u32) {
        self.fixed.now()
    }
    fn env(&self, name: &str) -> Option<String> {
        self.fixed.env(name)
    }
    fn env_with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        self.fixed.env_with_prefix(prefix)
    }
    fn random(&self) -> [u8; 16] {
        self.fixed.random()
    }
    fn working_directory(&self) -> PathBuf {
        self.home.clone()
    }
    fn home(&self) -> Option<PathBuf> {
        Some(self.home.clone())
    }
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }
    fn kind(&self, path: &Path) -> std::io::Result<EntryKind> {
        self.fixed.kind(path)
    }
    fn list(&self, directory: &Path) -> std::io::Result<Vec<PathBuf>> {
        self.fixed.list(directory)
    }
}

/// Everything a test needs on this side.
pub struct Bench {
    pub cx: Context,
    pub log: Arc<Log>,
    pub directory: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with_env(&[])
    }

    pub fn with_env(env: &[(&str, String)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let scratch = directory.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let log = Arc::new(Log::default());
        let mut fixed = FixedWorld::default();
        fixed.env.extend(
            env.iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let home = directory.path().to_owned();
        let cx = Context {
            output: Output::new(log.clone(), Arc::new(Open), Some(BuildId(0)), "test"),
            ledger: Ledger::default(),
            watch: imgc_runtime::watch::Watch::new(),
            commit: imgc_runtime::context::Commit::default(),
            aside: imgc_runtime::context::Aside::default(),
            is_checked: false,
            before: None,
            fingerprint: None,
            checkpoints: None,
            cache: None,
            cancel: CancellationToken::new(),
            address: "build.test.null.test".into(),
            source_name: "test".into(),
            builder_type: "null".into(),
            run_id: "run".into(),
            expires: None,
            limit: None,
            root: home.clone(),
            scratch,
            force: false,
            replaces: false,
            debug: false,
            build: Arc::new(BTreeMap::new()),
            variables: Arc::new(BTreeMap::new()),
            world: Arc::new(Home { fixed, home }),
        };
        Self { cx, log, directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub async fn connect(&self, options: Value) -> imgc_runtime::Result<Arc<dyn Machine>> {
        SshCommunicator
            .connect(&self.cx, &options, &Endpoint::default())
            .await
    }

    /// A command's exit and its lines, standard output first.
    pub async fn run(
        &self,
        machine: &dyn Machine,
        line: &str,
    ) -> (imgc_runtime::machine::Exit, Vec<String>) {
        self.log.0.lock().unwrap().clear();
        let command = imgc_runtime::machine::Command::new(line);
        let exit = machine.run(&command, &self.cx.output).await.unwrap();
        let mut lines = self.lines(Level::Stdout);
        lines.extend(self.lines(Level::Stderr));
        (exit, lines)
    }

    pub fn lines(&self, level: Level) -> Vec<String> {
        let log = self.log.0.lock().unwrap();
        let lines = log.iter().filter(|(known, _)| *known == level);
        lines.map(|(_, text)| text.clone()).collect()
    }

    /// The whole log, for messages.
    pub fn text(&self) -> String {
        let log = self.log.0.lock().unwrap();
        log.iter().map(|(_, text)| format!("{text}\n")).collect()
    }

    /// Neither a process nor a file is left; says what is.
    pub fn leftovers(&self) -> Vec<String> {
        let mut left: Vec<String> = self
            .cx
            .ledger
            .outstanding("")
            .into_iter()
            .map(|record| format!("{:?}", record.resource))
            .collect();
        let files = std::fs::read_dir(&self.cx.scratch).unwrap();
        left.extend(files.map(|file| file.unwrap().path().display().to_string()));
        left.extend(processes(self.cx.scratch.to_str().unwrap()));
        left
    }
}

/// Command lines of processes that mention `text`.
pub fn processes(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.parse::<u32>().is_ok())
        })
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

/// Options for a server with its key.
pub fn with_key(sshd: &Sshd, more: &[(&str, Value)]) -> Value {
    let mut options = vec![
        ("ssh_host", Value::string("127.0.0.1")),
        ("ssh_port", Value::number(u64::from(sshd.port()))),
        ("ssh_username", Value::string(sshd.user())),
        (
            "ssh_private_key_file",
            Value::string(sshd.key().to_str().unwrap()),
        ),
        ("ssh_timeout", Value::string("20s")),
    ];
    options.retain(|(name, _)| !more.iter().any(|(other, _)| name == other));
    options.extend(more.iter().cloned());
    Value::object(options)
}

/// Waits until `done`, at most five seconds.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed().as_secs() < 5, "{what} does not happen");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
