//! The machine of a rootfs build: commands and files go through the helper into the root file system.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use imgc_runtime::Result;
use imgc_runtime::event::{Level, Output};
use imgc_runtime::machine::{Attributes, Command, Exit, Machine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::RwLock;

use crate::error::{COMMAND, Failure, QUERY, TRANSFER, fail, is_disk_full};
use crate::job::{Isolation, Job, Put, Run, Whiteouts};
use crate::layer::pack::{PackOptions, pack};
use crate::layer::unpack::{UnpackOptions, unpack};
use crate::session::{Joined, Lines, Session, read_failure};
use crate::shells::Shells;

/// The root file system as a machine.
pub(crate) struct RootfsMachine {
    pub(crate) session: Arc<Session>,
    pub(crate) work: PathBuf,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) hostname: String,
    pub(crate) host_network: bool,
    /// Held for reading by whatever uses the mounts, for writing by who exchanges them.
    pub(crate) mounts: Arc<RwLock<()>>,
    /// What people who enter the machine need to know.
    pub(crate) shells: Shells,
}

impl RootfsMachine {
    fn isolation(&self) -> Isolation {
        if self.host_network {
            Isolation::Command
        } else {
            Isolation::Offline
        }
    }

    fn command(&self, line: &str) -> Run {
        Run {
            work: self.work.clone(),
            line: line.to_owned(),
            env: self.env.clone(),
            hostname: self.hostname.clone(),
            host_network: self.host_network,
        }
    }

    fn run_job(&self, line: &str) -> Job {
        Job::Run(self.command(line))
    }

    fn put(&self, destination: &str, attributes: &Attributes) -> Put {
        Put {
            work: self.work.clone(),
            path: destination.into(),
            owner: attributes.owner.clone(),
            group: attributes.group.clone(),
            mode: attributes.mode,
        }
    }

    /// Runs a job with `stdin` after its line; what it prints goes to the two functions.
    async fn stream(
        &self,
        job: Job,
        stdin: &[u8],
        stdout: impl AsyncFnOnce(tokio::process::ChildStdout),
        stderr: impl FnMut(&str),
    ) -> Result<i32> {
        let _mounts = self.mounts.read().await;
        let mut child = self.session.spawn(
            self.isolation(),
            Stdio::piped(),
            Stdio::piped(),
            Stdio::piped(),
        )?;
        let (line, token) = self.session.envelope(job)?;
        let (Some(mut input), Some(out), Some(err)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(fail(COMMAND, "the helper has no pipes"));
        };
        let write = async {
            // A command need not read all of its input.
            if input.write_all(&line).await.is_ok() {
                let _ = input.write_all(stdin).await;
            }
            drop(input);
        };
        let ((), (), failure) = tokio::join!(write, stdout(out), read_failure(err, &token, stderr));
        finish(child, failure).await
    }

    /// Runs a job that takes its input from, or gives its output to, a blocking function on a pipe.
    async fn pipe<T: Send + 'static>(
        &self,
        job: Job,
        direction: Direction,
        work: impl FnOnce(std::fs::File) -> std::io::Result<T> + Send + 'static,
        what: String,
    ) -> Result<T> {
        use std::os::fd::OwnedFd;
        let _mounts = self.mounts.read().await;
        let broken = |error: std::io::Error| fail(TRANSFER, "no pipe can be made").because(error);
        let (reader, writer) = std::io::pipe().map_err(broken)?;
        let (line, token) = self.session.envelope(job)?;
        let (mut child, ours) = match direction {
            Direction::In => {
                let child = self.session.spawn(
                    self.isolation(),
                    reader.into(),
                    Stdio::null(),
                    Stdio::piped(),
                )?;
                (child, std::fs::File::from(OwnedFd::from(writer)))
            }
            Direction::Out => {
                let mut child = self.session.spawn(
                    self.isolation(),
                    Stdio::piped(),
                    writer.into(),
                    Stdio::piped(),
                )?;
                if let Some(mut input) = child.stdin.take() {
                    let _ = input.write_all(&line).await;
                }
                (child, std::fs::File::from(OwnedFd::from(reader)))
            }
        };
        let Some(err) = child.stderr.take() else {
            return Err(fail(COMMAND, "the helper has no pipes"));
        };
        let local = tokio::task::spawn_blocking(move || {
            let mut ours = ours;
            if direction == Direction::In {
                std::io::Write::write_all(&mut ours, &line)?;
            }
            work(ours)
        });
        let (local, failure) = tokio::join!(local, read_failure(err, &token, |_| {}));
        let code = finish(child, failure).await?;
        let local = local
            .map_err(|error| fail(TRANSFER, "the copying thread ended early").because(error))?;
        match local {
            Ok(value) if code == 0 => Ok(value),
            Ok(_) => Err(fail(
                TRANSFER,
                format!("{what}: the helper ended with code {code}"),
            )),
            Err(error) if is_disk_full(&error) => Err(fail(
                crate::error::DISK_FULL,
                format!("{what}: no space left on the disk"),
            )
            .because(error)),
            Err(error) => Err(fail(TRANSFER, what).because(error)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

/// Waits for the helper; a code, or its failure.
async fn finish(mut child: Joined, failure: Option<Failure>) -> Result<i32> {
    let status = child
        .wait()
        .await
        .map_err(|error| fail(COMMAND, "the helper cannot be waited for").because(error))?;
    match (failure, status.code()) {
        (Some(failure), _) => Err(failure.into()),
        (None, Some(code)) => Ok(code),
        (None, None) => Err(fail(
            COMMAND,
            format!("the helper was ended from outside ({status})"),
        )),
    }
}

#[async_trait]
impl Machine for RootfsMachine {
    fn facts(&self) -> BTreeMap<String, String> {
        let facts = [
            ("Host", self.hostname.as_str()),
            ("User", "root"),
            ("ConnType", "rootfs"),
        ];
        facts
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    async fn run(&self, command: &Command, output: &Output) -> Result<Exit> {
        let stdout = async |stream| {
            let mut lines = Lines::new(stream);
            while let Some(line) = lines.next().await {
                output.line(Level::Stdout, &line);
            }
        };
        let stderr = |line: &str| output.line(Level::Stderr, line);
        let code = self
            .stream(self.run_job(&command.line), &command.stdin, stdout, stderr)
            .await?;
        Ok(Exit::Code(code))
    }

    async fn query(&self, command: &Command) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        let mut errors = Vec::new();
        let stdout = async |mut stream: tokio::process::ChildStdout| {
            // What was read before a failing pipe is judged by the exit code.
            let _ = stream.read_to_end(&mut answer).await;
        };
        let code = self
            .stream(
                self.run_job(&command.line),
                &command.stdin,
                stdout,
                |line| errors.push(line.to_owned()),
            )
            .await?;
        if code == 0 {
            return Ok(answer);
        }
        let reason = errors
            .last()
            .map(|line| format!(": {line}"))
            .unwrap_or_default();
        Err(fail(
            QUERY,
            format!("`{}` ended with code {code}{reason}", command.line),
        ))
    }

    async fn write(
        &self,
        content: &[u8],
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let job = Job::PutFile(self.put(destination, attributes));
        let code = self.stream(job, content, async |_| {}, |_| {}).await?;
        if code == 0 {
            Ok(())
        } else {
            Err(fail(
                TRANSFER,
                format!("cannot write {destination}: code {code}"),
            ))
        }
    }

    async fn upload_file(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let unreadable = |error: std::io::Error| {
            fail(TRANSFER, format!("cannot read {}", source.display())).because(error)
        };
        let mut file = std::fs::File::open(source).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        let attributes = Attributes {
            mode: attributes.mode.or(Some(mode)),
            ..attributes.clone()
        };
        let job = Job::PutFile(self.put(destination, &attributes));
        let work = move |mut pipe: std::fs::File| std::io::copy(&mut file, &mut pipe).map(|_| ());
        self.pipe(
            job,
            Direction::In,
            work,
            format!("cannot copy {} to {destination}", source.display()),
        )
        .await
    }

    async fn upload_tree(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let job = Job::PutTree(self.put(destination, attributes));
        let what = format!("cannot copy {} to {destination}", source.display());
        let source = source.to_owned();
        let work = move |pipe: std::fs::File| {
            let mut pipe = std::io::BufWriter::with_capacity(1 << 17, pipe);
            pack(&source, &mut pipe, &PackOptions::default())?;
            std::io::Write::flush(&mut pipe)
        };
        self.pipe(job, Direction::In, work, what).await
    }

    async fn download_file(&self, source: &str, destination: &Path) -> Result<()> {
        let job = Job::GetFile {
            work: self.work.clone(),
            path: source.into(),
        };
        let what = format!("cannot copy {source} to {}", destination.display());
        let destination = destination.to_owned();
        let work = move |mut pipe: std::fs::File| {
            let directory = destination
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            let mut file = tempfile::Builder::new()
                .permissions(std::fs::Permissions::from_mode(0o644))
                .tempfile_in(directory)?;
            let length = std::io::copy(&mut pipe, file.as_file_mut())?;
            Ok((file, length, destination))
        };
        let (file, _, destination) = self.pipe(job, Direction::Out, work, what.clone()).await?;
        file.persist(destination)
            .map_err(|error| fail(TRANSFER, what).because(error))?;
        Ok(())
    }

    async fn download_tree(&self, source: &str, destination: &Path) -> Result<()> {
        let job = Job::GetTree {
            work: self.work.clone(),
            path: source.into(),
        };
        let what = format!("cannot copy {source} to {}", destination.display());
        let destination = destination.to_owned();
        let owner = (
            nix::unistd::geteuid().as_raw(),
            nix::unistd::getegid().as_raw(),
        );
        let work = move |pipe: std::fs::File| {
            let options = UnpackOptions {
                whiteouts: Whiteouts::Plain,
                owner: Some(owner),
                mode: None,
                times: false,
                plain: true,
                exact: false,
            };
            let mut pipe = std::io::BufReader::with_capacity(1 << 17, pipe);
            // A helper that fails at once leaves an empty stream, which is no archive: its failure is told instead.
            unpack(&mut pipe, &destination, &options).map(|_| ())
        };
        self.pipe(job, Direction::Out, work, what).await
    }

    fn attach(&self) -> Option<Vec<String>> {
        let file = self.shells.open(&self.command(""))?;
        self.session.shell(self.isolation(), file)
    }

    async fn reconnect(&self, _limit: Duration) -> Result<()> {
        // There is no machine that could have gone away: rebooting is not permitted inside.
        Ok(())
    }

    async fn disconnect(&self) -> Result<()> {
        // Every command's processes end with it; the namespaces belong to the build and end in its release.
        self.shells.close();
        Ok(())
    }
}
