//! The way to an instance through Session Manager, `ssh_interface = "session_manager"`: no port of it is open, and it needs no address.
//!
//! In: an instance with Amazon's agent. Out: a port of this machine that leads to the port of its ssh server. Amazon's program
//! `session-manager-plugin` forwards it; it is started for each session, recorded like every process, and started anew with a new
//! session when one ends, as they do when the instance restarts.

use std::collections::VecDeque;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::process::{Group, RUN_VARIABLE};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::error::failed;
use crate::region::{RegionClient, incomplete};

/// Amazon's program.
const PLUGIN: &str = "session-manager-plugin";
/// What is asked of Systems Manager, with the service before the name.
const ACTION: &str = "ssm:StartSession";
/// What the agent is asked to do.
const DOCUMENT: &str = "AWS-StartPortForwardingSession";
/// In the program's environment: the answer that begins the session. It has a token in it, and arguments can be read by everybody.
const ANSWER: &str = "AWS_SSM_START_SESSION_RESPONSE";
/// The last version that cannot read it there.
const TOO_OLD: [u64; 3] = [1, 2, 497];

/// How long the program may take to say its version, and to listen.
const STARTS: Duration = Duration::from_secs(30);
/// Between two questions whether the agent is there.
const PAUSE: Duration = Duration::from_secs(2);
/// Lines of its complaints that are kept.
const COMPLAINTS: usize = 5;
/// Packer's limit for ssh, which holds for the agent as well.
const USUAL_LIMIT: Duration = Duration::from_secs(300);

/// Whether the template asks for this way.
pub(crate) fn is_wanted(options: &Options<'_>) -> bool {
    let is = |name: &str, wanted: &str| {
        let text = options.string(name).ok().flatten();
        text.as_deref() == Some(wanted)
    };
    is("ssh_interface", "session_manager")
        && !is("communicator", "none")
        && !options.is_given("ssh_host")
}

/// Looks for the program, before anything is made.
pub(crate) async fn check_plugin() -> Result<()> {
    let mut command = Command::new(PLUGIN);
    command.arg("--version").stdin(Stdio::null());
    let output = timeout(STARTS, command.kill_on_drop(true).output()).await;
    let output = match output {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(trouble(format!(
                "`ssh_interface = \"session_manager\"` takes the program `{PLUGIN}`, and there is none in PATH"
            ))
            .help(
                "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
            ));
        }
        Ok(Err(error)) => return Err(trouble(format!("cannot start `{PLUGIN}`")).because(error)),
        Err(_) => return Err(trouble(format!("`{PLUGIN} --version` does not end"))),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    match is_new_enough(text.trim()) {
        true => Ok(()),
        false => Err(trouble(format!(
            "`{PLUGIN}` has the version `{}`: it takes the token of a session as an argument, where every user of this machine can read it",
            text.trim()
        ))
        .help("install a newer version, 1.2.536 or later")),
    }
}

fn is_new_enough(version: &str) -> bool {
    let parts = version.split('.').map(|part| part.parse::<u64>().ok());
    let parts: Option<Vec<u64>> = parts.collect();
    parts.is_some_and(|parts| parts.get(..3).is_some_and(|parts| parts > &TOO_OLD[..]))
}

fn trouble(message: String) -> Error {
    Error::new(Class::Environment, "run/aws-session", message)
}

/// An open way. Dropped, it ends; [`Tunnel::close`] tells Amazon as well.
pub(crate) struct Tunnel {
    /// Of this machine.
    pub(crate) port: u16,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl Tunnel {
    /// Opens it as soon as the agent of the instance is there.
    pub(crate) async fn open(
        cx: &Context,
        region: &RegionClient,
        instance: &str,
        options: &Options<'_>,
    ) -> Result<Self> {
        if let Some(pause) = options.duration("pause_before_ssm")? {
            let pause_text = imgc_runtime::duration::short(pause);
            cx.output
                .say(format!("waiting for {pause_text} before the session"));
            sleep(pause).await;
        }
        let port = |name: &str| -> Result<Option<u16>> {
            let port = options.integer(name)?.filter(|port| *port != 0);
            let port =
                port.map(|port| u16::try_from(port).map_err(|_| options.wrong(name, "a port")));
            port.transpose()
        };
        let mut way = Way {
            cx: cx.clone(),
            region: region.clone(),
            instance: instance.to_owned(),
            remote: port("ssh_port")?.unwrap_or(22),
            // With 0 the program takes one that is free, and says which.
            local: port("session_manager_port")?.unwrap_or(0),
        };
        let limit = options.duration("ssh_timeout")?.unwrap_or(USUAL_LIMIT);
        let session = way.session(limit).await?;
        // A session that is begun anew is to be found where the first one was.
        let local = session.port;
        way.local = local;
        cx.output.say(format!(
            "the instance is reached by Session Manager, through port {local} of this machine"
        ));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(way.keep(session, stopped, limit));
        Ok(Self {
            port: local,
            stop: Some(stop),
            task: Some(task),
        })
    }

    /// Ends the session, here and at Amazon.
    pub(crate) async fn close(mut self) {
        if let Some(stop) = self.stop.take() {
            // Where nobody hears it, it has ended.
            let _ = stop.send(());
        }
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The last lines of what the program complains about, when it has ended.
async fn last_lines(stream: ChildStderr) -> VecDeque<String> {
    let mut lines = BufReader::new(stream).lines();
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if last.len() == COMPLAINTS {
            last.pop_front();
        }
        last.push_back(line);
    }
    last
}

/// What leads to the instance.
struct Way {
    cx: Context,
    region: RegionClient,
    instance: String,
    remote: u16,
    local: u16,
}

/// A session with the program that forwards.
struct Session {
    id: String,
    /// Where the program listens.
    port: u16,
    plugin: Group,
    said: Lines<BufReader<ChildStdout>>,
}

impl Way {
    /// Begins a session when the agent is there, for at most `limit`.
    async fn session(&self, limit: Duration) -> Result<Session> {
        let waiting = format!("the agent of Session Manager on {}", self.instance);
        let _waiting = self.cx.waiting(&waiting);
        let begun = Instant::now();
        loop {
            let request = self.region.ssm().start_session();
            let request = request
                .target(&self.instance)
                .document_name(DOCUMENT)
                .reason(format!("image build {}", self.cx.run_id))
                .parameters("portNumber", vec![self.remote.to_string()])
                .parameters("localPortNumber", vec![self.local.to_string()]);
            let error = match self.region.ask(request.send()).await {
                Ok(answer) => {
                    let id = answer.session_id;
                    let id = id.ok_or_else(|| incomplete(ACTION, "id"))?;
                    let answer = json!({
                        "SessionId": id,
                        "TokenValue": answer.token_value,
                        "StreamUrl": answer.stream_url,
                    });
                    return self.forwarded(id, &answer.to_string()).await;
                }
                Err(error) => error,
            };
            if error.code() != Some("TargetNotConnected") {
                let attempt = "begin a session with the instance";
                return Err(failed(ACTION, attempt, &error));
            }
            if begun.elapsed() >= limit {
                return Err(trouble(format!(
                    "the agent of Session Manager on {} does not answer after {} s",
                    self.instance,
                    limit.as_secs()
                ))
                .help(
                    "the image needs amazon-ssm-agent, the instance a way to the service, and a profile with the policy \
                     AmazonSSMManagedInstanceCore: `iam_instance_profile`",
                ));
            }
            sleep(PAUSE).await;
        }
    }

    /// Starts the program and waits until it listens.
    async fn forwarded(&self, id: String, answer: &str) -> Result<Session> {
        let request = json!({
            "Target": self.instance,
            "DocumentName": DOCUMENT,
            "Parameters": {
                "portNumber": [self.remote.to_string()],
                "localPortNumber": [self.local.to_string()],
            },
        });
        let operation = ACTION.trim_start_matches("ssm:");
        let child = Command::new(PLUGIN)
            .args([ANSWER, self.region.name(), operation, ""])
            .args([request.to_string(), self.region.ssm_endpoint()])
            .env(ANSWER, answer)
            .env(RUN_VARIABLE, &*self.cx.run_id)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| trouble(format!("cannot start `{PLUGIN}`")).because(error))?;
        let mut plugin = Group::new(&self.cx.ledger, child);
        plugin.record(&self.cx, PLUGIN.as_ref()).await?;
        let stdout = plugin.child().stdout.take();
        let stdout = stdout.ok_or_else(|| trouble(format!("`{PLUGIN}` has no output")))?;
        let mut said = BufReader::new(stdout).lines();
        let complaints = plugin.child().stderr.take();
        let complaints = complaints.map(|stderr| tokio::spawn(last_lines(stderr)));
        let mut heard = Vec::new();
        let listens = async {
            while let Ok(Some(line)) = said.next_line().await {
                if let Some(port) = opened(&line) {
                    return Some(port);
                }
                heard.push(line);
            }
            None
        };
        if let Ok(Some(port)) = timeout(STARTS, listens).await {
            return Ok(Session {
                id,
                port,
                plugin,
                said,
            });
        }
        drop(plugin);
        if let Some(complaints) = complaints
            && let Ok(Ok(lines)) = timeout(STARTS, complaints).await
        {
            heard.extend(lines);
        }
        let failure = trouble(format!(
            "`{PLUGIN}` does not listen{}: {}",
            match self.local {
                0 => String::new(),
                port => format!(" on port {port}"),
            },
            heard.join(" ").trim()
        ));
        self.terminate(&id).await;
        Err(failure.help(
            "with `session_manager_port` the port has to be free; else look at what the program says",
        ))
    }

    /// Keeps the way open until it is told to stop.
    async fn keep(self, first: Session, mut stopped: oneshot::Receiver<()>, limit: Duration) {
        let mut session = first;
        loop {
            let drained = async { while let Ok(Some(_)) = session.said.next_line().await {} };
            tokio::select! {
                _ = &mut stopped => {
                    drop(session.plugin);
                    self.terminate(&session.id).await;
                    return;
                }
                () = drained => {}
            }
            session.plugin.finished();
            self.cx
                .output
                .detail("the session has ended; it is begun anew");
            session = tokio::select! {
                _ = &mut stopped => return,
                again = self.session(limit) => match again {
                    Ok(session) => session,
                    // The communicator says that it does not reach the instance.
                    Err(error) => return self.cx.output.warn(error.chain()),
                },
            };
        }
    }

    /// Tells Amazon; a session that nobody ends is ended with its instance.
    async fn terminate(&self, id: &str) {
        let request = self.region.ssm().terminate_session().session_id(id).send();
        let attempt = "end the session";
        let ended = self.region.call("ssm:TerminateSession", attempt, request);
        if let Err(error) = ended.await {
            self.cx.output.detail(error.chain());
        }
    }
}

/// The port in the line by which the program says that it listens: `Port 40123 opened for sessionId web-1.`
fn opened(line: &str) -> Option<u16> {
    let (port, rest) = line.strip_prefix("Port ")?.split_once(' ')?;
    rest.starts_with("opened").then(|| port.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_heard() {
        assert_eq!(
            opened("Port 40123 opened for sessionId web-1."),
            Some(40123)
        );
        assert_eq!(opened("Starting session with SessionId: Port 1"), None);
        assert_eq!(opened("Port is taken"), None);
    }

    #[test]
    fn old_versions_are_told_from_new_ones() {
        for new in ["1.2.536.0", "1.2.498.0", "1.3.0.0", "2.0.0"] {
            assert!(is_new_enough(new), "{new}");
        }
        for old in ["1.2.497.0", "1.1.61.0", "1.2.7", "", "a.b.c"] {
            assert!(!is_new_enough(old), "{old}");
        }
    }
}
