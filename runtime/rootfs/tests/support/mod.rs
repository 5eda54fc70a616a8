//! A build without the rest of imgc: context, log, checks for what must not stay behind.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use imgc_compiler::source::FixedWorld;
use imgc_compiler::value::Value;
use imgc_rootfs::RootfsBuilder;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Sealed, Target};
use imgc_runtime::checkpoint::Checkpoints;
use imgc_runtime::context::Context;
use imgc_runtime::event::{Event, Output, Redact, Sink};
use imgc_runtime::ledger::{Ledger, Resource};
use imgc_runtime::machine::{Command, Exit, Machine};
use imgc_runtime::state::State;
use tempfile::TempDir;

pub const HELPER: &str = env!("CARGO_BIN_EXE_imgc-rootfs-helper");

/// A place for builds, removed at its end.
pub struct Bed {
    _directory: Option<TempDir>,
    root: PathBuf,
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
        let directory = TempDir::new().unwrap();
        let bed = Self::beside(directory.path(), HELPER);
        Self {
            _directory: Some(directory),
            ..bed
        }
    }

    /// In an existing directory, which stays.
    pub fn beside(directory: &Path, helper: &str) -> Self {
        let log = Arc::new(Log::default());
        let scratch = directory.join("scratch");
        let root = directory.join("project");
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
            watch: imgc_runtime::watch::Watch::new(),
            commit: imgc_runtime::context::Commit::default(),
            aside: imgc_runtime::context::Aside::default(),
            is_checked: false,
            before: None,
            fingerprint: None,
            checkpoints: None,
            cache: None,
            cancel: tokio_util::sync::CancellationToken::new(),
            address: "build.test".into(),
            source_name: "test".into(),
            builder_type: "rootfs".into(),
            run_id: "0123456789abcdef".into(),
            expires: None,
            limit: None,
            root,
            scratch,
            force: false,
            replaces: false,
            debug: false,
            build: Arc::default(),
            variables: Arc::default(),
            world: Arc::new(world),
        };
        Self {
            _directory: None,
            root: directory.to_owned(),
            cx,
            log,
            builder: RootfsBuilder::new(helper),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Options in JSON, with `OUT` and `DIR` replaced by places of this bed.
    pub fn options(&self, json: &str) -> Value {
        Value::from_json_text(&self.options_text(json)).unwrap()
    }

    pub fn options_text(&self, json: &str) -> String {
        let directory = self.root.display().to_string();
        json.replace("OUT", &format!("{directory}/out"))
            .replace("DIR", &directory)
    }

    pub async fn launch(&self, json: &str) -> Build<'_> {
        match self.try_launch(json).await {
            Ok(build) => build,
            Err(error) => panic!("{}\n{}", error.chain(), self.log.text()),
        }
    }

    /// From now on layers are kept in `cache`, below this bed, with checkpoints in this state.
    pub fn keep(&mut self, state: &Arc<dyn State>) {
        self.cx.cache = Some(self.path("cache"));
        self.cx.checkpoints = Some(Checkpoints::new(
            state.clone(),
            self.cx.world.clone(),
            "run".into(),
            "rootfs.test".into(),
            "rootfs",
        ));
        self.cx.fingerprint = Some("launch".into());
    }

    /// Goes on from the checkpoint of a fingerprint.
    pub async fn restore(
        &self,
        state: &Arc<dyn State>,
        fingerprint: &str,
        json: &str,
    ) -> Option<Build<'_>> {
        let found = state.find_checkpoint(fingerprint).await.unwrap();
        let record =
            found.unwrap_or_else(|| panic!("no checkpoint {fingerprint}\n{}", self.log.text()));
        let restored = self
            .builder
            .restore(&self.cx, &self.options(json), &record.checkpoint)
            .await;
        let instance = match restored {
            Ok(instance) => instance?,
            Err(error) => panic!("{}\n{}", error.chain(), self.log.text()),
        };
        let Target::Machine(machine) = instance.target() else {
            panic!("no machine")
        };
        Some(Build {
            bed: self,
            instance,
            machine,
            steps: 0,
        })
    }

    /// Names of what stands on the builder's shelf in the cache.
    pub fn shelf(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("cache/rootfs")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
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

    /// What the runtime does once an artifact is remembered: its place is nothing to be removed any more.
    pub fn remember(&self, captured: &imgc_runtime::Result<Artifact>) {
        let Ok(artifact) = captured else { return };
        for record in self.cx.ledger.outstanding("") {
            if let Resource::Placed { path, .. } = &record.resource
                && artifact.touches(path)
            {
                self.cx.ledger.forget(record.id);
            }
        }
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
        let directory = self.root.to_str().unwrap();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(directory), "mounts: {mounts}");
        assert_eq!(processes_with(directory), Vec::<String>::new(), "processes");
    }
}

/// Processes whose mounts or arguments name `directory`, with their arguments.
pub fn processes_with(directory: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let all = processes().into_iter().filter(|process| process.pid != own);
    all.filter(|process| {
        let mounts =
            std::fs::read_to_string(format!("/proc/{}/mountinfo", process.pid)).unwrap_or_default();
        mounts.contains(directory) || process.arguments.contains(directory)
    })
    .map(|process| format!("{}: {}", process.pid, process.arguments))
    .collect()
}

/// A process of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: String,
    pub parent: String,
    /// In clock ticks since boot: tells it from a later one with its number.
    pub started: String,
    pub arguments: String,
}

pub fn processes() -> Vec<Process> {
    let names = std::fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let read = |pid: String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .ok()?
            .replace('\0', " ");
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Process {
            pid,
            parent: fields[1].to_owned(),
            started: fields[19].to_owned(),
            arguments,
        })
    };
    names
        .filter(|name| name.parse::<u32>().is_ok())
        .filter_map(read)
        .collect()
}

/// All that process `pid` has started, directly or not.
pub fn descendants(pid: u32) -> Vec<Process> {
    let all = processes();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![pid.to_string()];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.pid.clone());
            found.push(process.clone());
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
        let mut cx = self.bed.cx.clone();
        // What a step would do is its command here.
        cx.fingerprint = cx.fingerprint.map(|_| summary.into());
        let sealed = Sealed {
            address: &address,
            summary,
            is_wanted: false,
            machine: None,
        };
        self.instance.seal(&cx, &sealed).await.unwrap();
    }

    /// The number of the next step.
    pub fn after(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    pub async fn release(self) {
        self.instance.release(&self.bed.cx).await.unwrap();
    }

    pub async fn query(&self, line: &str) -> String {
        let bytes = self.machine.query(&Command::new(line)).await;
        String::from_utf8(bytes.unwrap_or_else(|error| panic!("{line}: {}", error.chain())))
            .unwrap()
    }

    pub async fn finish(self) -> Artifact {
        let captured = self.instance.capture(&self.bed.cx).await;
        self.bed.remember(&captured);
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

/// A build in a process of its own, to be killed or to be run as another user: the ignored test `drive` of this binary.
pub mod driver {
    use super::{Bed, Path};
    use std::process::{Child, Command, Stdio};

    const JOB: &str = "IMGC_ROOTFS_DRIVE";

    /// What a driver does: options, and commands, each a step.
    pub fn job(directory: &Path, helper: &Path, options: &str, steps: &[&str]) -> String {
        serde_json::json!({"directory": directory, "helper": helper, "options": options, "steps": steps}).to_string()
    }

    /// A command that runs `program` (this binary, or a copy) as a driver.
    pub fn command(program: &Path, job: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--exact", "drive", "--ignored", "--nocapture"])
            .env(JOB, job);
        command
    }

    pub fn start(job: &str) -> Child {
        command(&std::env::current_exe().unwrap(), job)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs a driver in a mount namespace that a script prepares, as root; gives its result. The script may change the
    /// command, which is its arguments.
    pub fn run_prepared(
        bed: &Bed,
        helper: &Path,
        program: &Path,
        preparation: &str,
        options: &str,
        steps: &[&str],
    ) -> String {
        let job = job(&bed.path(""), helper, &bed.options_text(options), steps);
        let inner = command(program, &job);
        let script = format!("set -e\n{preparation}\nexec \"$@\"");
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
            "sh",
        ]);
        command
            .arg(inner.get_program())
            .args(inner.get_args())
            .env(JOB, &job);
        let output = command.output().unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        std::fs::read_to_string(bed.path("result")).unwrap_or_else(|_| panic!("{out}{err}"))
    }

    /// Runs a build as user 4242, who exists and has `ranges` of ids in a mount namespace of the test only.
    pub fn run_as_user(bed: &Bed, ranges: &str, options: &str, steps: &[&str]) -> String {
        let copy = |from: std::path::PathBuf, name: &str| {
            let to = bed.path(name);
            std::fs::copy(from, &to).unwrap();
            to
        };
        let program = copy(std::env::current_exe().unwrap(), "program");
        let helper = copy(super::HELPER.into(), "helper");
        let directory = bed.path("");
        let directory = directory.to_str().unwrap().trim_end_matches('/');
        let script = format!(
            "cd {directory}
             chmod 755 .
             printf '{ranges}' > ids
             (cat /etc/passwd; echo imgc-test:x:4242:4242::{directory}:/bin/sh) > passwd
             for file in subuid subgid; do test -e /etc/$file || touch /etc/$file; mount --bind ids /etc/$file; done
             mount --bind passwd /etc/passwd
             chown -R 4242:4242 .
             set -- setpriv --reuid 4242 --regid 4242 --clear-groups \"$@\""
        );
        run_prepared(bed, &helper, &program, &script, options, steps)
    }

    /// The driver's work; nothing when it is not called as one. The outcome goes to the file `result`.
    pub async fn drive() {
        let Ok(job) = std::env::var(JOB) else { return };
        let job: serde_json::Value = serde_json::from_str(&job).unwrap();
        let directory = Path::new(job["directory"].as_str().unwrap());
        let bed = Bed::beside(directory, job["helper"].as_str().unwrap());
        let outcome = match run(&bed, &job).await {
            Ok(text) => format!("done\n{text}"),
            Err(error) => format!(
                "{}: {}\n{}",
                error.id,
                error.chain(),
                error.help.clone().unwrap_or_default()
            ),
        };
        let left = std::fs::read_dir(&bed.cx.scratch).unwrap().count();
        let outcome = format!("{outcome}\nleft: {left}\n{}\n", bed.log.text());
        std::fs::write(directory.join("result"), outcome).unwrap();
    }

    async fn run(bed: &Bed, job: &serde_json::Value) -> imgc_runtime::Result<String> {
        let mut build = bed.try_launch(job["options"].as_str().unwrap()).await?;
        let mut failure = None;
        for step in job["steps"].as_array().unwrap() {
            let line = step.as_str().unwrap();
            match build
                .machine
                .run(&super::Command::new(line), &bed.cx.output)
                .await
            {
                Ok(super::Exit::Code(0)) => build.seal(line).await,
                Ok(exit) => panic!("{line}: {exit:?}"),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let captured = match failure {
            None => build.instance.capture(&bed.cx).await,
            Some(error) => Err(error),
        };
        bed.remember(&captured);
        build.instance.release(&bed.cx).await?;
        captured.map(|artifact| artifact.id)
    }
}

/// Waits until `condition` holds; fails after `seconds`.
pub fn wait_until(seconds: u64, what: &str, mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while !condition() {
        assert!(
            std::time::Instant::now() < end,
            "{what}: not within {seconds} s"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Ends a test that needs root where it is not; the names of such tests begin with `as_root_`.
pub fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test needs root; `--profile ordinary` leaves out those that do"
    );
}
