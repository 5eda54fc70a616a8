//! The control master: one `ssh` process that holds the connection to one server.
//!
//! It is started in the foreground, without a session of its own, so that its number is known, its log is read as it
//! comes, and its end is seen at once. It lives in a process group of its own: Ctrl-C in the terminal reaches imgc and
//! not the connection that imgc still needs for cleaning up. Should imgc be killed, a watchdog (a shell that waits for
//! the end of its input, a pipe that only imgc holds open) ends the master; `ControlPersist=no` lets nothing linger.
//!
//! Passwords reach `ssh` through `SSH_ASKPASS`: a script that prints a file only this user can read. The file exists
//! from the start of an attempt until the login, and never anything of it is on a command line or in the environment.

use std::fs;
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::{Ledger, Resource};
use imgc_runtime::process::RUN_VARIABLE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::communicator::is_secret;
use crate::dial::hurry;
use crate::directory::{self, Directory};
use crate::host_keys::{self, Trust};
use crate::machine::too_many_files;
use crate::probe::{Probe, Stage};
use crate::settings::{Hop, Settings};
use crate::shell;

/// How a host is called on a command line that must not name it.
const HIDDEN_HOST: &str = "machine";

/// Run by `sh -c` with the master's process number as `$0`; its input ends when imgc does. The moment before is for the
/// machine, to learn that it was not the connection that ended. A signal may be overlooked (see [`end`]): it is sent again.
const WATCHDOG: &str =
    "read -r end; sleep 1; kill \"$0\" && sleep 0.2 && kill \"$0\" && sleep 1 && kill -9 \"$0\"";

/// What is needed to start a master, again and again.
pub(crate) struct Road {
    /// `machine` or `bastion`, for messages.
    pub(crate) name: &'static str,
    pub(crate) hop: Hop,
    pub(crate) trust: Mutex<Trust>,
    pub(crate) directory: Directory,
    /// Where `ssh` connects to instead of the host itself.
    pub(crate) via: Via,
    /// Arguments from the template's options: a flag, and what it takes.
    arguments: Vec<(&'static str, String)>,
    /// Lines of the file of options.
    hidden: Vec<String>,
}

/// How the server is reached.
#[derive(Clone, Debug)]
pub(crate) enum Via {
    /// Directly.
    Direct,
    /// Through the master of a bastion, by its control socket.
    Bastion(PathBuf),
    /// Through a relay of ours on this loopback port.
    Relay(u16),
}

impl Road {
    pub(crate) fn new(
        name: &'static str,
        hop: Hop,
        trust: Trust,
        directory: Directory,
        via: Via,
        settings: &Settings,
    ) -> Self {
        let is_target = name == "machine";
        let arguments = common_arguments(&hop, settings, is_target);
        Self {
            name,
            hop,
            trust: Mutex::new(trust),
            directory,
            via,
            arguments,
            hidden: Vec::new(),
        }
    }

    /// From its next connection on there is a socket that leads to another machine, whose name stands on no command line.
    pub(crate) fn leads_to(&mut self, target: &Hop) -> PathBuf {
        let socket = self.directory.path().join("t");
        let path = socket.display().to_string().replace('%', "%%");
        let host = target.host.replace('%', "%%");
        let to = format!("[{host}]:{}", target.port);
        let (path, to) = (host_keys::quote_text(&path), host_keys::quote_text(&to));
        self.hidden.push(format!("LocalForward {path} {to}"));
        // A master that was killed leaves it behind.
        self.hidden.push("StreamLocalBindUnlink yes".to_owned());
        socket
    }

    /// `user@host:port`.
    pub(crate) fn shown(&self) -> String {
        format!("{}@{}:{}", self.hop.user, self.hop.host, self.hop.port)
    }

    /// Where the master's socket is.
    pub(crate) fn control(&self) -> PathBuf {
        self.directory.path().join("c")
    }

    pub(crate) fn trust(&self) -> std::sync::MutexGuard<'_, Trust> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `ssh` is there and takes what it is told; what it has against it, the probe learns. For when nobody answers: else
    /// it is `ssh` that connects and says so.
    pub(crate) async fn check(&self, cx: &Context, probe: &Mutex<Probe>) -> Result<()> {
        let mut command = self
            .command(&["-G"], Duration::ZERO, |text| is_secret(cx, text))
            .map_err(|error| directory::problem(self.directory.path(), error))?;
        let output = command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await;
        let _ = fs::remove_file(password_file(self.directory.path()));
        let output = output.map_err(|error| missing_program("ssh", error))?;
        if !output.status.success() {
            let mut probe = probe.lock().unwrap_or_else(PoisonError::into_inner);
            let said = String::from_utf8_lossy(&output.stderr);
            said.lines().for_each(|line| probe.learn(line));
        }
        Ok(())
    }

    /// The command that connects, or does what `first` says; where the way is direct, its input and output are the connection.
    /// What `secret` says is one does not stand on its command line, which everybody on this machine can read, but in a file
    /// of options.
    fn command(
        &self,
        first: &[&str],
        connect_timeout: Duration,
        secret: impl Fn(&str) -> bool,
    ) -> io::Result<Command> {
        let mut hidden = self.hidden.clone();
        let mut command = Command::new("ssh");
        let control = self.control();
        command.args(first);
        let host = match secret(&self.hop.host) {
            true => HIDDEN_HOST,
            false => &self.hop.host,
        };
        if host == HIDDEN_HOST {
            let name = self.hop.host.replace('%', "%%");
            hidden.push(format!("HostName={}", host_keys::quote_text(&name)));
        }
        command
            .args(["-M", "-N", "-T", "-S"])
            .arg(control.as_os_str().to_string_lossy().replace('%', "%%"));
        for (flag, value) in &self.arguments {
            match secret(value) {
                true => hidden.push(option_line(flag, value)),
                false => {
                    command.args([flag, value.as_str()]);
                }
            }
        }
        command
            .args(self.trust().arguments())
            .arg("-o")
            .arg(format!(
                "ConnectTimeout={}",
                connect_timeout.as_secs().max(1)
            ));
        match &self.via {
            Via::Direct => {
                command.args(["-o", "ProxyCommand=-"]);
            }
            Via::Bastion(socket) => {
                let proxy = format!(
                    "ProxyCommand=ssh -F none -S {} -o BatchMode=yes -W '[%h]:%p' none",
                    shell::word(&socket.display().to_string()).replace('%', "%%")
                );
                command.arg("-o").arg(proxy);
            }
            Via::Relay(port) => {
                let alias = host_keys::known_name(&self.hop.host, self.hop.port);
                command.args(["-o", "HostName=127.0.0.1"]);
                command.arg("-o").arg(format!("Port={port}"));
                match host == HIDDEN_HOST {
                    true => hidden.push(format!("HostKeyAlias={alias}")),
                    false => {
                        command.arg("-o").arg(format!("HostKeyAlias={alias}"));
                    }
                }
            }
        }
        if let Some(password) = &self.hop.password {
            let helper = write_askpass(self.directory.path(), password)?;
            command
                .env("SSH_ASKPASS", helper)
                .env("SSH_ASKPASS_REQUIRE", "force")
                .env("DISPLAY", ":0");
        } else {
            command.env_remove("SSH_ASKPASS");
        }
        // The shell of a ProxyCommand; the user's own may be anything.
        command.env("SHELL", "/bin/sh").env("LC_ALL", "C");
        command.args(["-p", &self.hop.port.to_string()]);
        match secret(&self.hop.user) {
            true => hidden.push(format!("User={}", host_keys::quote_text(&self.hop.user))),
            false => {
                command.args(["-l", &self.hop.user]);
            }
        }
        command.arg("-F");
        match hidden.is_empty() {
            true => command.arg("none"),
            false => {
                let file = self.directory.path().join("options");
                directory::write_new(&file, 0o600, (hidden.join("\n") + "\n").as_bytes())?;
                command.arg(file)
            }
        };
        command.args(["--", host]);
        Ok(command)
    }
}

/// A running master. Dropping it kills it; [`stop`](Self::stop) lets it say goodbye.
pub(crate) struct Master {
    /// `ssh` and the watchdog.
    processes: tokio::sync::Mutex<(Child, Child)>,
    control: PathBuf,
    probe: Arc<Mutex<Probe>>,
    stage: watch::Receiver<Option<Stage>>,
    hurrying: Option<AbortHandle>,
    ledger: Ledger,
    record: u64,
}

impl Master {
    /// Starts `ssh`; what becomes of it, [`reached`](Self::reached) says. `stream`: the connection, where the way is direct; what is
    /// known of it is in `probe`, which learns the rest.
    pub(crate) async fn start(
        road: &Road,
        cx: &Context,
        connect_timeout: Duration,
        (stream, probe): (Option<TcpStream>, Arc<Mutex<Probe>>),
    ) -> Result<Self> {
        let control = road.control();
        // A master that was killed leaves its socket behind.
        let _ = fs::remove_file(&control);
        let mut command = road
            .command(&[], connect_timeout, |text| is_secret(cx, text))
            .map_err(|error| directory::problem(road.directory.path(), error))?;
        let ends = stream
            .as_ref()
            .map(|stream| Ok((stream.try_clone()?, stream.try_clone()?)));
        let ends = ends.transpose().map_err(too_many_files)?;
        let (input, output) = match ends {
            Some((input, output)) => (OwnedFd::from(input).into(), OwnedFd::from(output).into()),
            None => (Stdio::null(), Stdio::null()),
        };
        let mut child = command
            .env(RUN_VARIABLE, &*cx.run_id)
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| missing_program("ssh", error))?;
        let pid = child.id().unwrap_or_default();
        let watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, &pid.to_string()])
            .env(RUN_VARIABLE, &*cx.run_id)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| missing_program("sh", error))?;
        let resource = Resource::Process {
            pid,
            started: start_time(pid),
            what: cx
                .output
                .redact(&format!("ssh connection to {}", road.shown())),
            mark: None,
        };
        let (record, ()) = cx
            .ledger
            .create(&cx.address, resource, async { Ok(()) })
            .await?;
        // Not kept longer than needed: it would keep the connection open when `ssh` has ended.
        let hurrying = stream
            .filter(|_| is_loopback(&road.hop.host))
            .map(|stream| tokio::spawn(hurry(stream)).abort_handle());
        let (sender, stage) = watch::channel(Some(Stage::Started));
        let stderr = child.stderr.take().expect("stderr is piped");
        let learning = Arc::clone(&probe);
        let password_file = password_file(road.directory.path());
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                let stage = {
                    let mut probe = learning.lock().unwrap_or_else(PoisonError::into_inner);
                    probe.learn(&String::from_utf8_lossy(&line));
                    probe.stage()
                };
                if stage >= Stage::Authenticated {
                    let _ = fs::remove_file(&password_file);
                }
                sender.send_if_modified(|known| known.replace(stage) != Some(stage));
            }
            let _ = fs::remove_file(&password_file);
            sender.send_replace(None);
        });
        Ok(Self {
            processes: tokio::sync::Mutex::new((child, watchdog)),
            control,
            probe,
            stage,
            hurrying,
            ledger: cx.ledger.clone(),
            record,
        })
    }

    /// Waits until `stage` is reached; `false` when the master ends before.
    pub(crate) async fn reached(&self, stage: Stage) -> bool {
        let mut receiver = self.stage.clone();
        let reached = receiver
            .wait_for(|known| known.is_none_or(|known| known >= stage))
            .await;
        reached.is_ok_and(|known| known.is_some())
    }

    /// Whether the connection is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.stage.borrow().is_none()
    }

    /// Waits until the connection is gone, at most `limit`; whether it is.
    pub(crate) async fn ends_within(&self, limit: Duration) -> bool {
        let mut receiver = self.stage.clone();
        let ended = receiver.wait_for(Option::is_none);
        tokio::time::timeout(limit, ended).await.is_ok()
    }

    /// What is known about the attempt.
    pub(crate) fn probe(&self) -> Probe {
        self.probe
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A command runs: neither side holds anything back any more.
    pub(crate) fn is_in_use(&self) {
        if let Some(hurrying) = &self.hurrying {
            hurrying.abort();
        }
    }

    /// The control socket.
    pub(crate) fn control(&self) -> &Path {
        &self.control
    }

    /// Ends the connection and waits until the processes are gone.
    pub(crate) async fn stop(&self) {
        self.is_in_use();
        let mut processes = self.processes.lock().await;
        let (child, watchdog) = &mut *processes;
        end(child).await;
        let _ = watchdog.kill().await;
        let _ = fs::remove_file(&self.control);
        self.ledger.forget(self.record);
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        // Both processes are killed with their handles; the record has served its purpose.
        self.is_in_use();
        self.ledger.forget(self.record);
    }
}

/// Asks `ssh` to say goodbye, and kills it after two seconds.
///
/// It is asked again and again: a signal that comes right before OpenSSH (9.2) begins to wait for its connections is
/// remembered and not looked at until something else happens.
async fn end(child: &mut Child) {
    const LIMIT: Duration = Duration::from_secs(2);
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_millis(200);
    let begun = Instant::now();
    let mut pause = FIRST;
    while begun.elapsed() < LIMIT {
        let Some(pid) = child.id() else {
            return;
        };
        // Not waited for yet, so the number is still this process.
        let _ = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
        if tokio::time::timeout(pause, child.wait()).await.is_ok() {
            return;
        }
        pause = LONGEST.min(pause * 2);
    }
    let _ = child.kill().await;
}

/// The line of a file of options that says what an argument says.
fn option_line(flag: &str, value: &str) -> String {
    let keyword = match flag {
        "-L" => "LocalForward",
        "-R" => "RemoteForward",
        _ => return value.to_owned(),
    };
    // `[address:]port:host:port`, where an address of IPv6 stands in brackets.
    let (front, port) = value.rsplit_once(':').unwrap_or((value, ""));
    let at = match front.ends_with(']') {
        true => front.rfind('['),
        false => front.rfind(':').map(|colon| colon + 1),
    };
    let (listens, host) = front.split_at(at.unwrap_or(0));
    format!("{keyword} {} {host}:{port}", listens.trim_end_matches(':'))
}

/// Arguments that do not change from attempt to attempt.
fn common_arguments(
    hop: &Hop,
    settings: &Settings,
    is_target: bool,
) -> Vec<(&'static str, String)> {
    let mut options = vec![
        "LogLevel=DEBUG1".to_owned(),
        "ControlPersist=no".to_owned(),
        "ConnectionAttempts=1".to_owned(),
        "EscapeChar=none".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "NumberOfPasswordPrompts=1".to_owned(),
        format!("BatchMode={}", yes(hop.password.is_none())),
        format!(
            "PubkeyAuthentication={}",
            yes(hop.private_key.is_some() || hop.agent)
        ),
        format!("PasswordAuthentication={}", yes(hop.password.is_some())),
        format!(
            "KbdInteractiveAuthentication={}",
            yes(hop.password.is_some())
        ),
        "PreferredAuthentications=publickey,password,keyboard-interactive".to_owned(),
        format!("ForwardAgent={}", yes(is_target && settings.forward_agent)),
    ];
    match &hop.private_key {
        Some(key) => options.push(format!("IdentityFile={}", host_keys::quote(key))),
        None => options.push("IdentityFile=none".to_owned()),
    }
    if let Some(certificate) = &hop.certificate {
        options.push(format!("CertificateFile={}", host_keys::quote(certificate)));
    }
    if hop.agent {
        // All keys of the agent are offered, not only those also named by a file.
        options.retain(|option| option != "IdentitiesOnly=yes");
    } else {
        options.push("IdentityAgent=none".to_owned());
    }
    if let Some((interval, count)) = settings.alive() {
        options.push(format!("ServerAliveInterval={interval}"));
        options.push(format!("ServerAliveCountMax={count}"));
    }
    options.push(match settings.ciphers.as_slice() {
        [] => default_ciphers().to_owned(),
        ciphers => format!("Ciphers={}", ciphers.join(",")),
    });
    match settings.key_exchange.as_slice() {
        [] if is_loopback(&hop.host) => {
            // Nobody listens on the loopback interface, now or later, and this saves a quarter of the time to connect.
            options.push("KexAlgorithms=^curve25519-sha256".to_owned());
        }
        [] => {}
        names => options.push(format!("KexAlgorithms={}", names.join(","))),
    }
    let options = options.into_iter();
    let mut arguments: Vec<_> = options.map(|option| ("-o", option)).collect();
    if is_target {
        let tunnels = [
            ("-L", &settings.local_tunnels),
            ("-R", &settings.remote_tunnels),
        ];
        for (flag, tunnels) in tunnels {
            arguments.extend(tunnels.iter().map(|tunnel| (flag, tunnel.clone())));
        }
        arguments.push(("-o", "ExitOnForwardFailure=yes".to_owned()));
    }
    arguments
}

/// AES-GCM first where the processor has AES: more than twice as fast as ChaCha20, which is OpenSSH's first choice.
fn default_ciphers() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    let fast = std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let fast = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let fast = false;
    if fast {
        "Ciphers=^aes128-gcm@openssh.com"
    } else {
        "Ciphers=^chacha20-poly1305@openssh.com"
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn password_file(directory: &Path) -> PathBuf {
    directory.join("p")
}

/// The password in a file only we can read, and a script that prints it.
fn write_askpass(directory: &Path, password: &str) -> io::Result<PathBuf> {
    let file = password_file(directory);
    let script = directory.join("askpass");
    directory::write_new(&file, 0o600, password.as_bytes())?;
    let line = format!(
        "#!/bin/sh\nexec cat {}\n",
        shell::word(&file.display().to_string())
    );
    directory::write_new(&script, 0o700, line.as_bytes())?;
    Ok(script)
}

/// When a process was started, in ticks since boot: field 22 of its `stat`; 0 where that cannot be told.
fn start_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    fields
        .and_then(|fields| fields.split(' ').nth(19)?.parse().ok())
        .unwrap_or(0)
}

/// A program of this machine cannot be started.
pub(crate) fn missing_program(name: &str, error: io::Error) -> Error {
    let missing = error.kind() == io::ErrorKind::NotFound;
    let problem = Error::new(
        Class::Environment,
        "run/ssh-missing-program",
        format!("the program `{name}` cannot be started"),
    )
    .because(error);
    if missing && name == "ssh" {
        problem.help("install OpenSSH's client: package `openssh-client` on Debian and Ubuntu, `openssh-clients` on Fedora")
    } else {
        problem
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::process::ExitStatusExt as _;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_signal_that_is_overlooked_is_sent_again() {
        let mut child = Command::new("/bin/sh")
            .args([
                "-c",
                "trap 'trap - TERM' TERM; echo x; while :; do sleep 0.01; done",
            ])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // The trap is set.
        let mut ready = [0];
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut ready).await.unwrap();
        end(&mut child).await;
        let status = child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(Signal::SIGTERM as i32));
    }

    #[test]
    fn what_an_argument_says_a_line_of_options_says() {
        for (flag, value, line) in [
            ("-o", "Port=22", "Port=22"),
            (
                "-L",
                "8080:db.internal:5432",
                "LocalForward 8080 db.internal:5432",
            ),
            (
                "-L",
                "[::1]:80:[2001:db8::1]:8080",
                "LocalForward [::1]:80 [2001:db8::1]:8080",
            ),
            (
                "-R",
                "127.0.0.1:80:web:8080",
                "RemoteForward 127.0.0.1:80 web:8080",
            ),
        ] {
            assert_eq!(option_line(flag, value), line);
        }
    }
}
