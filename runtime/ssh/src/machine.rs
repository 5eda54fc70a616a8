//! A machine reached over ssh.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::event::{Level, Output};
use imgc_runtime::machine::{Attributes, Command, Exit, Machine};
use nix::fcntl::{FcntlArg, fcntl};
use tokio::io::AsyncReadExt;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::communicator::Roads;
use crate::connection::{
    Channel, Connection, Ended, Input, NO_SESSION, Passenger, Stream, disconnected,
};
use crate::ending::{BY_ITSELF, Errand};
use crate::host_keys::Mode;
use crate::lines::Lines;
use crate::master::Road;
use crate::wait::{self, Limits};

/// Sessions at the same time; OpenSSH's server allows ten, and ending a command takes one of its own.
const SESSIONS: usize = 8;
/// How often a command is tried to be started: two seconds in all.
const TRIES: u32 = 14;
/// How much of a helper's error output is kept.
const KEPT_ERRORS: usize = 16 * 1024;
/// Bytes a pipe to the master holds, where the kernel allows.
const PIPE_SIZE: i32 = 1 << 20;
/// How long what nobody waits for any more may take to end.
const ENDING: Duration = Duration::from_secs(8);
static MARK: AtomicU64 = AtomicU64::new(1);

/// A machine reached over ssh.
pub(crate) struct SshMachine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) roads: Roads,
    state: tokio::sync::Mutex<State>,
    permits: Semaphore,
    /// Commands that are being ended after nobody waits for them any more.
    pub(crate) ending: Mutex<JoinSet<()>>,
    pub(crate) janitor: Mutex<crate::janitor::State>,
    /// Why the connection that was lost last has ended.
    lost: Mutex<Option<String>>,
    /// The host key that the machine has shown.
    host_key: Mutex<Option<String>>,
    pub(crate) has_zstd: OnceCell<bool>,
}

#[derive(Default)]
struct State {
    connection: Option<Arc<Connection>>,
    closed: bool,
}

/// What a helper command left.
pub(crate) struct Outcome {
    pub(crate) ended: Ended,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl SshMachine {
    pub(crate) fn new(roads: Roads) -> Self {
        Self {
            shared: Arc::new(Shared {
                roads,
                state: tokio::sync::Mutex::default(),
                permits: Semaphore::new(SESSIONS),
                ending: Mutex::default(),
                janitor: Mutex::default(),
                lost: Mutex::default(),
                host_key: Mutex::default(),
                has_zstd: OnceCell::new(),
            }),
        }
    }

    /// The first connection; with `pause_before_connecting`, a second one after the pause, as in Packer.
    pub(crate) async fn connect(&self) -> Result<()> {
        let Roads {
            cx,
            settings,
            target,
            ..
        } = &self.shared.roads;
        cx.output
            .say(format!("Connecting to {} over ssh", target.shown()));
        let limits = Limits {
            deadline: Instant::now() + settings.timeout,
            total: settings.timeout,
            attempts: settings.handshake_attempts,
        };
        let mut connection = self.shared.open(limits).await?;
        if !settings.pause.is_zero() {
            connection.stop().await;
            cx.output.say(format!(
                "The machine answers; pausing {} before connecting",
                imgc_runtime::duration::short(settings.pause)
            ));
            tokio::select! {
                () = tokio::time::sleep(settings.pause) => {}
                () = cx.cancel.cancelled() => return Err(Error::cancelled()),
            }
            let deadline = Instant::now() + settings.timeout;
            connection = self.shared.open(Limits { deadline, ..limits }).await?;
        }
        cx.output.say(format!("Connected to {}", target.shown()));
        self.shared.state.lock().await.connection = Some(Arc::new(connection));
        Ok(())
    }
}

impl Shared {
    /// Connects, through the bastion if there is one.
    async fn open(&self, limits: Limits) -> Result<Connection> {
        let Roads {
            cx,
            settings,
            target,
            bastion,
            relay,
        } = &self.roads;
        let bastion = match bastion {
            Some(road) => Some(self.establish(road, limits).await?),
            None => None,
        };
        let master = self.establish(target, limits).await.map_err(|error| {
            match relay.as_ref().and_then(crate::socks::Relay::failure) {
                Some(failure) if error.class != Class::Cancelled => {
                    Error::new(Class::Remote, "run/ssh-proxy", failure).because(error)
                }
                _ => error,
            }
        })?;
        let shown = master.probe().host_key().map(str::to_owned);
        *self.host_key.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        let passenger = Passenger {
            pty: settings.pty,
            agent: settings.forward_agent && cx.world.env("SSH_AUTH_SOCK").is_some(),
        };
        let with_process = (passenger.pty || passenger.agent).then_some(passenger);
        Ok(Connection::new(master, bastion, with_process))
    }

    async fn establish(&self, road: &Road, limits: Limits) -> Result<crate::master::Master> {
        let cx = &self.roads.cx;
        let master = wait::establish(road, cx, limits).await?;
        let mut trust = road.trust();
        if trust.mode() == Mode::Pin {
            trust.enforce_pinned();
            let probe = master.probe();
            cx.output.say(format!(
                "The host key of {} was not known; pinned for this run: {}",
                road.shown(),
                probe.host_key().unwrap_or("unknown")
            ));
        }
        Ok(master)
    }

    /// The connection; a new one where it has gone away.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>> {
        self.connection_within(self.roads.settings.timeout).await
    }

    /// The same; a new one is tried to be had for so long.
    pub(crate) async fn connection_within(&self, limit: Duration) -> Result<Arc<Connection>> {
        let mut state = self.state.lock().await;
        if state.closed {
            return Err(disconnected());
        }
        if let Some(connection) = &state.connection {
            if !connection.has_ended() {
                return Ok(Arc::clone(connection));
            }
            self.roads
                .cx
                .output
                .detail("the connection was lost; connecting again");
        }
        self.renew(&mut state, limit).await
    }

    async fn renew(&self, state: &mut State, limit: Duration) -> Result<Arc<Connection>> {
        if let Some(old) = state.connection.take() {
            old.stop().await;
        }
        let limits = Limits {
            deadline: Instant::now() + limit,
            total: limit,
            // While a machine goes down it refuses logins for a while.
            attempts: u32::MAX,
        };
        let connection = Arc::new(self.open(limits).await?);
        state.connection = Some(Arc::clone(&connection));
        Ok(connection)
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        self.permits.acquire().await.map_err(|_| disconnected())
    }

    /// A mark that no other command of this process has. Builds that share a host share its directories and processes, so
    /// a mark that is only one of its kind in a connection would let them take each other's files. It begins with that of the
    /// files that are on the machine for a while, if any are.
    pub(crate) fn next_mark(&self) -> String {
        let before = self.job().unwrap_or_else(|| self.own_mark());
        format!("{before}{}", MARK.fetch_add(1, Ordering::Relaxed))
    }

    /// How a mark begins that no other process has.
    fn own_mark(&self) -> String {
        format!("{}-{:x}-", self.roads.cx.run_id, std::process::id())
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    }

    /// How the marks of a new job begin.
    pub(crate) fn new_job(&self) -> String {
        format!(
            "{}{}-",
            self.own_mark(),
            MARK.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Starts a helper. A connection that turns out to be gone is made anew, since nothing has been started yet; a
    /// server that has too many sessions is asked again, since those of a moment ago may not be gone there.
    async fn start(
        &self,
        errand: Option<&Errand>,
        line: &str,
        mut input: Input,
        mut stdout: Option<OwnedFd>,
    ) -> Result<(Arc<Connection>, Channel)> {
        let mut tries = 0;
        loop {
            let connection = self.connection().await?;
            if let Some(errand) = errand {
                errand.begin(&connection);
            }
            let again = input.again().map_err(too_many_files)?;
            let stdout_again = stdout
                .as_ref()
                .map(OwnedFd::try_clone)
                .transpose()
                .map_err(too_many_files)?;
            match connection.start(line, input, stdout).await {
                Ok(channel) => return Ok((connection, channel)),
                Err(error) => self.may_try_again(&connection, error, &mut tries).await?,
            }
            (input, stdout) = (again, stdout_again);
        }
    }

    /// Waits a moment where starting a command once more can help; else gives the error back.
    async fn may_try_again(
        &self,
        connection: &Connection,
        error: Error,
        tries: &mut u32,
    ) -> Result<()> {
        *tries += 1;
        let is_gone = error.id == disconnected().id || error.id == NO_SESSION;
        if !is_gone || *tries > TRIES {
            return Err(error);
        }
        if error.id == NO_SESSION && *tries == 4 && self.dismiss().await {
            return Ok(());
        }
        // Either it ends now, or this is the pause before the next try.
        connection
            .master
            .ends_within(Duration::from_millis(20 * u64::from(*tries)))
            .await;
        Ok(())
    }

    /// A connection was lost: why, which is remembered.
    fn lost(&self, connection: &Connection) -> Error {
        let why = connection.why_ended(&self.roads);
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.clone());
        disconnected().because(why)
    }

    /// Runs a helper of ours; its output is kept, or goes to `stdout`. A lost connection is an error.
    pub(crate) async fn helper(
        &self,
        line: &str,
        input: Input,
        stdout: Option<OwnedFd>,
    ) -> Result<Outcome> {
        self.help(None, line, input, stdout).await
    }

    /// The same for an errand.
    pub(crate) async fn helper_of(
        &self,
        errand: &Errand,
        line: &str,
        input: Input,
    ) -> Result<Outcome> {
        self.help(Some(errand), &errand.marked(line), input, None)
            .await
    }

    async fn help(
        &self,
        errand: Option<&Errand>,
        line: &str,
        input: Input,
        stdout: Option<OwnedFd>,
    ) -> Result<Outcome> {
        let _permit = self.permit().await?;
        let (connection, channel) = self.start(errand, line, input, stdout).await?;
        let (stdout, stderr, running) = channel.split();
        let (stdout, stderr) =
            tokio::join!(read_all(stdout, usize::MAX), read_all(stderr, KEPT_ERRORS));
        let ended = connection.wait(running).await?;
        if ended == Ended::Lost {
            return Err(self.lost(&connection));
        }
        Ok(Outcome {
            ended,
            stdout,
            stderr: String::from_utf8_lossy(&stderr).trim().to_owned(),
        })
    }
    /// Runs a command of the user.
    async fn run(
        self: &Arc<Self>,
        errand: &Errand,
        command: Command,
        output: &Output,
    ) -> Result<Exit> {
        let _permit = self.permit().await?;
        let mut input = feed(command.stdin)?;
        let line = errand.marked(&command.line);
        let mut tries = 0;
        let (connection, channel) = loop {
            let connection = self.connection().await?;
            errand.begin(&connection);
            let again = input.again().map_err(too_many_files)?;
            match connection.start_users(&line, input).await {
                Ok(channel) => break (connection, channel),
                Err(error) => self.may_try_again(&connection, error, &mut tries).await?,
            }
            input = again;
        };
        let (stdout, stderr, running) = channel.split();
        tokio::join!(
            show(stdout, output, Level::Stdout),
            show(stderr, output, Level::Stderr)
        );
        Ok(match connection.wait(running).await? {
            Ended::Code(code) => Exit::Code(code),
            Ended::Lost => {
                // Whoever asked judges it, and is told why.
                let _ = self.lost(&connection);
                Exit::Disconnected
            }
            Ended::Signal => {
                output.warn("the command was ended by a signal");
                Exit::Code(ENDED_BY_SIGNAL)
            }
        })
    }

    /// Runs a command for what it says.
    async fn query(&self, errand: &Errand, command: Command) -> Result<Vec<u8>> {
        let input = feed(command.stdin)?;
        let outcome = self.helper_of(errand, &command.line, input).await?;
        let problem = match outcome.ended {
            Ended::Code(0) => return Ok(outcome.stdout),
            Ended::Code(code) => format!("a command on the machine ended with exit code {code}"),
            Ended::Signal => "a command on the machine was ended by a signal".to_owned(),
            Ended::Lost => return Err(disconnected()),
        };
        let error = Error::new(Class::Provisioning, "run/ssh-command", problem);
        Err(if outcome.stderr.is_empty() {
            error
        } else {
            error.because(outcome.stderr)
        })
    }
}

#[async_trait]
impl Machine for SshMachine {
    fn facts(&self) -> BTreeMap<String, String> {
        let hop = &self.shared.roads.target.hop;
        let mut facts = BTreeMap::from([
            ("Host".to_owned(), hop.host.clone()),
            ("Port".to_owned(), hop.port.to_string()),
            ("User".to_owned(), hop.user.clone()),
            ("ConnType".to_owned(), "ssh".to_owned()),
        ]);
        if let Some(password) = &hop.password {
            facts.insert("Password".to_owned(), password.clone());
        }
        facts
    }

    async fn identity(&self) -> Option<String> {
        let shown = &self.shared.host_key;
        shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn run(&self, command: &Command, output: &Output) -> Result<Exit> {
        let (command, output) = (command.clone(), output.clone());
        let work = |shared: Arc<Shared>, errand| async move {
            shared.run(&errand, command, &output).await
        };
        self.shared.errand(Duration::ZERO, work).await
    }

    async fn query(&self, command: &Command) -> Result<Vec<u8>> {
        let command = command.clone();
        let work =
            |shared: Arc<Shared>, errand| async move { shared.query(&errand, command).await };
        self.shared.errand(BY_ITSELF, work).await
    }

    async fn write(
        &self,
        content: &[u8],
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let (content, destination) = (content.to_owned(), destination.to_owned());
        let attributes = attributes.clone();
        let work = |shared: Arc<Shared>, errand| async move {
            shared
                .write(&errand, content, &destination, &attributes)
                .await
        };
        self.shared.errand(BY_ITSELF, work).await
    }

    async fn upload_file(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let (source, destination) = (source.to_owned(), destination.to_owned());
        let attributes = attributes.clone();
        let work = |shared: Arc<Shared>, errand| async move {
            shared
                .upload_file(&errand, &source, &destination, &attributes)
                .await
        };
        self.shared.errand(Duration::ZERO, work).await
    }

    async fn upload_tree(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let (source, destination) = (source.to_owned(), destination.to_owned());
        let attributes = attributes.clone();
        let work = |shared: Arc<Shared>, errand| async move {
            shared
                .upload_tree(&errand, &source, &destination, &attributes)
                .await
        };
        self.shared.errand(Duration::ZERO, work).await
    }

    async fn download_file(&self, source: &str, destination: &Path) -> Result<()> {
        self.shared.download_file(source, destination).await
    }

    async fn download_tree(&self, source: &str, destination: &Path) -> Result<()> {
        self.shared.download_tree(source, destination).await
    }

    async fn temporary(&self, path: &str) -> Result<()> {
        let path = path.to_owned();
        let work = |shared: Arc<Shared>, _| async move { shared.temporary(&path).await };
        self.shared.errand(BY_ITSELF, work).await
    }

    async fn settled(&self, path: &str) {
        self.shared.settled(path);
    }

    fn lost(&self) -> Option<String> {
        let lost = self.shared.lost.lock();
        lost.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn attach(&self) -> Option<Vec<String>> {
        let control = self.shared.roads.target.control();
        // Port 9: should the connection be gone, no new one is made.
        let mut command: Vec<String> = ["ssh", "-F", "none", "-p", "9", "-o", "BatchMode=yes"]
            .map(str::to_owned)
            .to_vec();
        command.extend(["-S".to_owned(), control.to_string_lossy().into_owned()]);
        command.extend(["-t".to_owned(), "none".to_owned()]);
        Some(command)
    }

    async fn reconnect(&self, limit: Duration) -> Result<()> {
        let mut state = self.shared.state.lock().await;
        if state.closed {
            return Err(disconnected());
        }
        if let Some(connection) = &state.connection
            && !connection.has_ended()
        {
            let answers = async {
                let channel = connection.start("true", Input::Nothing, None).await.ok()?;
                let (_, _, running) = channel.split();
                connection.wait(running).await.ok()
            };
            let answer = tokio::time::timeout(Duration::from_secs(5).min(limit), answers).await;
            if matches!(answer, Ok(Some(Ended::Code(_)))) {
                return Ok(());
            }
        }
        self.shared.renew(&mut state, limit).await.map(drop)
    }

    async fn disconnect(&self) -> Result<()> {
        let ending = std::mem::take(
            &mut *self
                .shared
                .ending
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let ended = tokio::time::timeout(ENDING, ending.join_all()).await;
        // What goes on may still put a file where it has been removed.
        self.shared.last_round(ended.is_ok()).await;
        let mut state = self.shared.state.lock().await;
        state.closed = true;
        if let Some(connection) = state.connection.take() {
            connection.stop().await;
        }
        self.shared.roads.target.directory.remove();
        if let Some(bastion) = &self.shared.roads.bastion {
            bastion.directory.remove();
        }
        Ok(())
    }
}

/// The exit code of a command that a signal ended: shells say 128 plus the signal's number, and over a shared connection
/// ssh does not tell the number.
const ENDED_BY_SIGNAL: i32 = 128;

/// Bytes as a command's input: a thread writes them into a pipe as the other side takes them.
pub(crate) fn feed(bytes: Vec<u8>) -> Result<Input> {
    if bytes.is_empty() {
        return Ok(Input::Nothing);
    }
    let (reader, mut writer) = pipe()?;
    tokio::task::spawn_blocking(move || {
        // A command that does not read its input to the end closes the pipe.
        let _ = writer.write_all(&bytes);
    });
    Ok(Input::From(reader.into()))
}

/// A pipe to or from the master, as wide as the kernel allows.
pub(crate) fn pipe() -> Result<(std::io::PipeReader, std::io::PipeWriter)> {
    let (reader, writer) = std::io::pipe().map_err(|error| {
        Error::new(
            Class::Environment,
            "run/ssh-local-file",
            "no pipe can be made",
        )
        .because(error)
    })?;
    // Beyond the user's allowance the pipe stays as it is.
    let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
    Ok((reader, writer))
}

pub(crate) fn too_many_files(error: std::io::Error) -> Error {
    Error::new(
        Class::Environment,
        "run/ssh-local-file",
        "no further file can be opened",
    )
    .because(error)
}

async fn show(stream: Option<Stream>, output: &Output, level: Level) {
    let Some(mut stream) = stream else { return };
    let mut lines = Lines::default();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        lines.push(&buffer[..length], |line| say(output, level, &line));
    }
    lines.finish(|line| say(output, level, &line));
}

/// An empty line is a line, too.
fn say(output: &Output, level: Level, line: &str) {
    output.line(level, if line.is_empty() { "\n" } else { line });
}

/// Everything up to `limit`; the rest is read and dropped, so that the other side does not wait.
pub(crate) async fn read_all(stream: Option<Stream>, limit: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else {
        return kept;
    };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let room = limit.saturating_sub(kept.len()).min(length);
        kept.extend_from_slice(&buffer[..room]);
    }
    kept
}
