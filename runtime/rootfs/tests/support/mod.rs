//! A build without the rest of imgc: context, log, checks for what must not stay behind.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use imgc_compiler::source::FixedWorld;
use imgc_compiler::value::Value;
use imgc_rootfs::RootfsBuilder;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Target};
use imgc_runtime::context::Context;
use imgc_runtime::event::{Event, Output, Redact, Sink};
use imgc_runtime::ledger::Ledger;
use imgc_runtime::machine::{Command, Exit, Machine};
use tempfile::TempDir;

pub const HELPER: &str = env!("CARGO_BIN_EXE_imgc-rootfs-helper");

/// A place for builds, removed at its end.
pub struct Bed {
    pub directory: TempDir,
    pub cx: Context,
    pub log: Arc<Log>,
    pub builder: RootfsBuilder,
}

/// The lines of a build.
#[derive(Default)]
pub struct Log(Mutex<Vec<String>>);

impl Sink for Log {
    fn event(&self, event: &Event) {
        if let Event::Line { level, text, .. } = event {
            self.0.lock().unwrap().push(format!("{level:?}: {text}"));
        }
    }
}

impl Log {
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }

    pub fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join("\n")
    }
}

struct Plain;

impl Redact for Plain {
    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
    fn add(&self, _: &str) {}
}

impl Bed {
    pub fn new() -> Self {
        Self::in_directory(TempDir::new().unwrap())
    }

    pub fn in_directory(directory: TempDir) -> Self {
        let log = Arc::new(Log::default());
        let scratch = directory.path().join("scratch");
        let root = directory.path().join("project");
        std::fs::create_dir_all(&scratch).unwrap();
        std::fs::create_dir_all(&root).unwrap();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut world = FixedWorld::default();
        world.now = now as i64;
        let cx = Context {
            output: Output::new(log.clone(), Arc::new(Plain), None, "rootfs.test"),
            ledger: Ledger::default(),
            cancel: tokio_util::sync::CancellationToken::new(),
            address: "build.test".into(),
            source_name: "test".into(),
            builder_type: "rootfs".into(),
            run_id: "0123456789abcdef".into(),
            root,
            scratch,
            force: false,
            debug: false,
            build: Arc::default(),
            variables: Arc::default(),
            world: Arc::new(world),
        };
        Self {
            directory,
            cx,
            log,
            builder: RootfsBuilder::new(HELPER),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Options in JSON, with `OUT` and `DIR` replaced by places of this bed.
    pub fn options(&self, json: &str) -> Value {
        let directory = self.directory.path().display().to_string();
        let json = json
            .replace("OUT", &format!("{directory}/out"))
            .replace("DIR", &directory);
        Value::from_json_text(&json).unwrap()
    }

    pub async fn launch(&self, json: &str) -> Build<'_> {
        match self.try_launch(json).await {
            Ok(build) => build,
            Err(error) => panic!("{}\n{}", error.chain(), self.log.text()),
        }
    }

    pub async fn try_launch(&self, json: &str) -> imgc_runtime::Result<Build<'_>> {
        let options = self.options(json);
        self.builder.prepare(&self.cx, &options).await?;
        let instance = self.builder.launch(&self.cx, &options).await?;
        let Target::Machine(machine) = instance.target() else {
            panic!("no machine")
        };
        Ok(Build {
            bed: self,
            instance,
            machine,
            steps: 0,
        })
    }

    /// What must not be there when all builds have ended.
    pub fn assert_clean(&self) {
        let left: Vec<_> = std::fs::read_dir(&self.cx.scratch)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "directories");
        assert_eq!(self.cx.ledger.outstanding(""), [], "ledger");
        self.assert_no_mounts_or_processes();
    }

    pub fn assert_no_mounts_or_processes(&self) {
        let directory = self.directory.path().to_str().unwrap();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(directory), "mounts: {mounts}");
        assert_eq!(processes_with(directory), Vec::<String>::new(), "processes");
    }
}

/// Processes whose mounts are below `directory`, or that are helpers of it.
pub fn processes_with(directory: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let Some(pid) = path
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| name.parse::<u32>().is_ok())
        else {
            continue;
        };
        let mounts = std::fs::read_to_string(path.join("mountinfo")).unwrap_or_default();
        if mounts.contains(directory) {
            let command = std::fs::read_to_string(path.join("cmdline")).unwrap_or_default();
            found.push(format!("{pid}: {}", command.replace('\0', " ")));
        }
    }
    found
}

/// A launched build.
pub struct Build<'a> {
    pub bed: &'a Bed,
    pub instance: Arc<dyn Instance>,
    pub machine: Arc<dyn Machine>,
    steps: usize,
}

impl Build<'_> {
    /// Runs a command as a step of its own and seals it.
    pub async fn step(&mut self, line: &str) {
        let exit = self
            .machine
            .run(&Command::new(line), &self.bed.cx.output)
            .await;
        match exit {
            Ok(Exit::Code(0)) => {}
            other => panic!("{line}: {other:?}\n{}", self.bed.log.text()),
        }
        self.seal(line).await;
    }

    pub async fn seal(&mut self, summary: &str) {
        let address = format!("build.test.provisioner[{}]", self.steps);
        self.steps += 1;
        self.instance
            .seal(&self.bed.cx, &address, summary)
            .await
            .unwrap();
    }

    pub async fn query(&self, line: &str) -> String {
        let bytes = self.machine.query(&Command::new(line)).await;
        String::from_utf8(bytes.unwrap_or_else(|error| panic!("{line}: {}", error.chain())))
            .unwrap()
    }

    pub async fn finish(self) -> Artifact {
        let captured = self.instance.capture(&self.bed.cx).await;
        self.instance.release(&self.bed.cx).await.unwrap();
        captured.unwrap_or_else(|error| panic!("{}\n{}", error.chain(), self.bed.log.text()))
    }
}

/// Runs a program that a test compares with; fails with the Debian package when it is missing.
pub fn tool(package: &str, program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; apt-get install {package}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{text}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// A small root file system with a shell: programs of this machine with their libraries.
pub fn small_root(directory: &Path) {
    for name in ["bin", "etc", "root", "tmp", "usr/sbin", "var/lib", "lib64"] {
        std::fs::create_dir_all(directory.join(name)).unwrap();
    }
    let programs = [
        "sh", "cat", "chmod", "chown", "cp", "hostname", "id", "ln", "ls", "mkdir", "mkfifo",
        "mknod", "mv", "ps", "rm", "rmdir", "setpriv", "sleep", "stat", "touch", "tr", "truncate",
        "uname", "wc", "whoami",
    ];
    for program in programs {
        let path = ["/usr/bin", "/bin"]
            .iter()
            .map(|place| Path::new(place).join(program))
            .find(|path| path.is_file())
            .unwrap();
        std::fs::copy(&path, directory.join("bin").join(program)).unwrap();
        for library in tool("libc-bin", "ldd", &[path.to_str().unwrap()])
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            let target = directory.join(library.trim_start_matches('/'));
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(library, target).unwrap();
        }
    }
    std::fs::write(
        directory.join("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(directory.join("etc/group"), "root:x:0:\napp:x:1000:\n").unwrap();
}

/// Everything a tree holds, one line each: type and mode, owner, size or target, name.
pub fn listing(directory: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, directory: &Path, into: &mut BTreeMap<String, String>) {
        use std::os::unix::fs::MetadataExt;
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            into.insert(
                name,
                format!(
                    "{:o} {}:{}",
                    metadata.mode(),
                    metadata.uid(),
                    metadata.gid()
                ),
            );
            if metadata.is_dir() {
                walk(root, &path, into);
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(directory, directory, &mut all);
    all
}
