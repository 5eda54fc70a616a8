//! What is put on the machine for a while goes away with us, however we end.
//!
//! Before the first upload a shell is started on the machine that reads paths from its input and ignores signals. When
//! its input ends (this process has died, or the connection has) it removes them. If its server process is still there at
//! that moment the connection is, and it was this process that died: then the commands it had running are ended as well.
//! After a lost connection they go on, since a script that restarts the network may want that. They are looked for again when
//! the files are gone: what has begun in between is found then, and what begins later finds no file.
//!
//! Told to end, it says which paths are gone: only then their records are forgotten. Those of others stay in the ledger,
//! with what it takes to get there again.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use imgc_runtime::error::Result;
use imgc_runtime::ledger::{Access, Resource};

use crate::connection::{Connection, Input, Running, Stream};
use crate::ending::END_COMMAND;
use crate::machine::{Shared, pipe, read_all};
use crate::shell;

/// Run by `sh` on the machine. Arguments: the mark of the janitor before this one, or nothing; how a command is ended.
const JANITOR: &str = r#"
trap '' HUP INT TERM PIPE
end=$2 marks= told=
if [ -n "$1" ]; then
  for file in $(grep -ls "IMGC_JANITOR[=]$1" /proc/[0-9]*/environ 2>/dev/null); do
    file=${file%/environ}
    kill -9 "${file#/proc/}" 2>/dev/null
  done
fi
set --
while IFS= read -r line; do
  case $line in
    +*) set -- "$@" "${line#+}" ;;
    -*) for one in "$@"; do
          shift
          [ "$one" = "${line#-}" ] || set -- "$@" "$one"
        done ;;
    !*) marks="$marks ${line#!}" ;;
    \?*) kept=
        for one in $marks; do [ "$one" = "${line#?}" ] || kept="$kept $one"; done
        marks=$kept ;;
    ,) exit 0 ;;
    .) told=yes; break ;;
  esac
done
end() {
  for one in $marks; do
    printf '%s\n' "$end" | sed "s/MARK/$one/" |
      if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then sudo -n sh; else sh; fi
  done > /dev/null 2>&1
}
clear() {
  for one in "$@"; do
    path=$one
    case $path in '~/'*) path=$HOME/${path#??} ;; esac
    rm -rf -- "$path" 2>/dev/null
    [ -e "$path" ] || [ -L "$path" ] || printf '%s\n' "$one"
  done
}
if [ -z "$told" ]; then
  sleep 0.3 2>/dev/null || sleep 1
  if kill -0 "$PPID" 2>/dev/null; then
    end
    clear "$@" > /dev/null
    end
  fi
fi
clear "$@"
"#;

/// Removes the paths it is given, and says which are gone.
const REMOVE: &str = r#"
for path in "$@"; do
  rm -rf -- "$path" 2>/dev/null
  if [ -e "$path" ] || [ -L "$path" ]; then echo there; else echo gone; fi
done
"#;

/// How long the machine may take to remove what is left when the connection ends.
const LAST: Duration = Duration::from_secs(3);
/// How long a machine whose connection was lost is looked for, to see to what was left on it.
const ONCE_MORE: Duration = Duration::from_secs(5);

/// What is known of the janitor and its work.
#[derive(Default)]
pub(crate) struct State {
    at_work: Option<Janitor>,
    /// The mark of the last one.
    mark: String,
    /// Paths on the machine, with the number of the ledger's record.
    paths: BTreeMap<String, u64>,
    /// The server has no session to spare.
    dismissed: bool,
    /// How the marks of all commands begin as long as there are paths: by it they are found when the run has died.
    job: Option<String>,
}

struct Janitor {
    input: std::io::PipeWriter,
    connection: Arc<Connection>,
    streams: (Option<Stream>, Option<Stream>),
    running: Running,
}

impl Shared {
    /// The path is removed when this connection ends, in whatever way, unless it is [`settled`](Self::settled) before.
    pub(crate) async fn temporary(self: &Arc<Self>, path: &str) -> Result<()> {
        // Such a path cannot be told in a line; nobody has one.
        if path.contains('\n') {
            return Ok(());
        }
        self.employ().await?;
        let cx = &self.roads.cx;
        let known = self.janitor().paths.contains_key(path);
        if !known {
            let new = self.new_job();
            self.janitor().job.get_or_insert(new);
            let resource = Resource::RemoteFile {
                machine: cx.output.redact(&self.roads.target.shown()),
                path: cx.output.redact(path),
                access: self.access(path).map(Box::new),
            };
            let made = std::future::ready(Ok(()));
            let (record, ()) = cx.ledger.create(&cx.address, resource, made).await?;
            self.janitor().paths.insert(path.to_owned(), record);
        }
        self.tell(&format!("+{path}"));
        Ok(())
    }

    /// The path is gone, or is to stay.
    pub(crate) fn settled(&self, path: &str) {
        let record = self.strike(path);
        if let Some(record) = record {
            self.tell(&format!("-{path}"));
            self.roads.cx.ledger.forget(record);
        }
    }

    /// Tells the janitor something, if there is one.
    pub(crate) fn tell(&self, line: &str) {
        if let Some(janitor) = &mut self.janitor().at_work {
            // Where it has ended there is nobody to tell; the connection is lost.
            let _ = janitor.input.write_all(format!("{line}\n").as_bytes());
        }
    }

    /// Starts a janitor on the connection there is, which takes over from the one of a lost connection.
    async fn employ(self: &Arc<Self>) -> Result<()> {
        let connection = self.connection().await?;
        let (before, paths) = {
            let state = self.janitor();
            let employed = state
                .at_work
                .as_ref()
                .is_some_and(|janitor| Arc::ptr_eq(&janitor.connection, &connection));
            if employed || state.dismissed {
                return Ok(());
            }
            (state.mark.clone(), state.paths.keys().cloned().collect())
        };
        let mark = self.next_mark();
        let arguments = [shell::word(&before), shell::word(END_COMMAND)];
        let line = format!(
            "export IMGC_JANITOR={mark}; {}",
            shell::script(JANITOR, &arguments)
        );
        let (reader, input) = pipe()?;
        // Without it the work goes on: then only an orderly end removes what is left.
        let Ok(channel) = connection
            .start(&line, Input::From(reader.into()), None)
            .await
        else {
            return Ok(());
        };
        let (stdout, stderr, running) = channel.split();
        {
            let mut state = self.janitor();
            state.mark = mark;
            state.at_work = Some(Janitor {
                input,
                connection,
                streams: (stdout, stderr),
                running,
            });
        }
        let paths: Vec<String> = paths;
        for path in paths {
            self.tell(&format!("+{path}"));
        }
        Ok(())
    }

    /// How whoever cleans up later gets to a path, if that takes nothing that must not be written down: only machines that
    /// were there before the run are there after it.
    fn access(&self, path: &str) -> Option<Access> {
        let roads = &self.roads;
        let hop = &roads.target.hop;
        let direct = roads.bastion.is_none() && roads.relay.is_none();
        if &*roads.cx.builder_type != "null" || !direct {
            return None;
        }
        if hop.private_key.is_none() && !hop.agent {
            return None;
        }
        let (host_keys, insecure) = roads.target.trust().believed();
        let access = Access {
            host: hop.host.clone(),
            port: hop.port,
            user: hop.user.clone(),
            private_key: hop.private_key.clone(),
            certificate: hop.certificate.clone(),
            agent: hop.agent,
            host_keys,
            insecure,
            commands: self.job(),
        };
        let is_secret = |text: &str| roads.cx.output.redact(text) != text;
        let mut files = access.private_key.iter().chain(&access.certificate);
        let secret = [path, &access.host, &access.user]
            .into_iter()
            .any(is_secret)
            || files.any(|file| is_secret(&file.to_string_lossy()));
        (!secret).then_some(access)
    }

    /// The server opens too few sessions for a janitor: whether one had to go. What it was to remove is left to the end.
    pub(crate) async fn dismiss(&self) -> bool {
        self.tell(",");
        let janitor = {
            let mut state = self.janitor();
            state.dismissed = true;
            state.at_work.take()
        };
        match janitor {
            Some(janitor) => {
                janitor.ended().await;
                true
            }
            None => false,
        }
    }

    /// What is left is removed now, and the janitor ends. Whatever is not known to be gone stays in the ledger: everything, where
    /// something may still be at work there.
    pub(crate) async fn last_round(&self, quiet: bool) {
        self.tell(".");
        let janitor = self.janitor().at_work.take();
        let answers = janitor
            .as_ref()
            .is_some_and(|janitor| !janitor.connection.has_ended());
        if let Some(janitor) = janitor {
            for path in janitor.ended().await {
                if quiet {
                    self.gone(&path);
                }
            }
        }
        if !quiet {
            return;
        }
        let left: Vec<String> = self.janitor().paths.keys().cloned().collect();
        if !answers && !left.is_empty() {
            let _ = tokio::time::timeout(ONCE_MORE, self.remove(&left)).await;
        }
    }

    /// Removes paths on a connection that is there or can be had quickly.
    async fn remove(&self, paths: &[String]) {
        if self.connection_within(ONCE_MORE).await.is_err() {
            return;
        }
        let words: Vec<String> = paths.iter().map(|path| shell::path(path)).collect();
        let line = shell::script(REMOVE, &words);
        let Ok(outcome) = self.helper(&line, Input::Nothing, None).await else {
            return;
        };
        let said = String::from_utf8_lossy(&outcome.stdout);
        for (path, line) in paths.iter().zip(said.lines()) {
            if line == "gone" {
                self.gone(path);
            }
        }
    }

    fn gone(&self, path: &str) {
        let record = self.strike(path);
        if let Some(record) = record {
            self.roads.cx.ledger.forget(record);
        }
    }

    /// The path's record, which is not known here any more.
    fn strike(&self, path: &str) -> Option<u64> {
        let mut state = self.janitor();
        let record = state.paths.remove(path);
        if state.paths.is_empty() {
            state.job = None;
        }
        record
    }

    /// How the marks of commands begin now.
    pub(crate) fn job(&self) -> Option<String> {
        self.janitor().job.clone()
    }

    fn janitor(&self) -> std::sync::MutexGuard<'_, State> {
        self.janitor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Janitor {
    /// Waits for its end: the paths it says are gone.
    async fn ended(self) -> Vec<String> {
        let Self {
            input,
            connection,
            streams: (stdout, stderr),
            running,
        } = self;
        drop(input);
        let ending = async {
            let (said, _) = tokio::join!(read_all(stdout, usize::MAX), read_all(stderr, 0));
            let _ = connection.wait(running).await;
            let said = String::from_utf8_lossy(&said);
            said.lines().map(str::to_owned).collect()
        };
        tokio::time::timeout(LAST, ending).await.unwrap_or_default()
    }
}
