//! Work on the machine for which nobody waits any more.
//!
//! Closing a channel does not end its command: without a terminal, a server only closes the command's input and output. And a
//! command that has been asked for may begin later than one that was asked for after it. So whatever leaves something on the
//! machine is an errand: a task of its own, whose commands carry a mark in their environment. When the caller is stopped the
//! errand is ended by that mark, and waited for, before the connection ends: what it has left is known then.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imgc_runtime::error::Result;
use tokio::task::JoinHandle;

use crate::connection::{Connection, disconnected};
use crate::machine::{Shared, feed, read_all};
use crate::shell;

/// What ends by itself may take so long for it when nobody waits for it any more.
pub(crate) const BY_ITSELF: Duration = Duration::from_secs(1);
/// How long an errand may take to notice that its commands have been ended; then they are looked for again.
const AGAIN: Duration = Duration::from_millis(700);
/// How often they are looked for.
const LOOKS: u32 = 4;

/// Run by `sh` on the machine; `MARK` stands for the mark, written so that it does not match itself.
pub(crate) const END_COMMAND: &str = r#"
marked() { grep -ls 'IMGC_COMMAND[=]MARK' /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; }
groups() {
  for file in $(marked); do
    sed 's/.*) [A-Za-z] [0-9]* \([0-9]*\) .*/\1/' "${file%/*}/stat"
  done 2>/dev/null | sort -u
}
for signal in TERM KILL; do
  for group in $(groups); do
    [ "$group" -gt 1 ] && kill -s "$signal" -- "-$group" 2>/dev/null
  done
  count=0
  while [ "$count" -lt 15 ]; do
    [ -n "$(marked)" ] || exit 0
    sleep 0.1 || sleep 1
    count=$((count + 1))
  done
done
"#;

/// Starts `sh` with all rights the user has without being asked: a command may have used them, too.
const SHELL_WITH_RIGHTS: &str =
    r#"if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then exec sudo -n sh; else exec sh; fi"#;

/// What an errand's commands have in common. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Errand {
    mark: String,
    /// The connection its command was started on last.
    begun: Arc<Mutex<Option<Arc<Connection>>>>,
}

impl Errand {
    pub(crate) fn marked(&self, line: &str) -> String {
        format!("export IMGC_COMMAND={}; {line}", self.mark)
    }

    /// A command is about to be started.
    pub(crate) fn begin(&self, connection: &Arc<Connection>) {
        *self.lock() = Some(Arc::clone(connection));
    }

    /// Where a command may be at work.
    fn at_work(&self) -> Option<Arc<Connection>> {
        self.lock()
            .clone()
            .filter(|connection| !connection.has_ended())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends its commands.
    async fn end(&self, connection: &Connection) {
        let script = END_COMMAND.replace("MARK", &self.mark);
        let Ok(input) = feed(script.into_bytes()) else {
            return;
        };
        let line = shell::script(SHELL_WITH_RIGHTS, &[]);
        if let Ok(channel) = connection.start(&line, input, None).await {
            let (stdout, stderr, running) = channel.split();
            tokio::join!(read_all(stdout, 0), read_all(stderr, 0));
            let _ = connection.wait(running).await;
        }
    }
}

impl Shared {
    /// Does something on the machine. When the caller is stopped it has `patience` to end by itself; then it is ended.
    pub(crate) async fn errand<T, F>(
        self: &Arc<Self>,
        patience: Duration,
        work: impl FnOnce(Arc<Self>, Errand) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let errand = Errand {
            mark: self.next_mark(),
            begun: Arc::default(),
        };
        self.tell(&format!("!{}", errand.mark));
        let task = tokio::spawn(work(Arc::clone(self), errand.clone()));
        let mut waiting = Waiting {
            shared: self,
            errand,
            patience,
            task: Some(Task(task)),
        };
        let task = waiting
            .task
            .as_mut()
            .expect("it is there until it is dropped");
        let ended = (&mut task.0).await;
        waiting.task = None;
        self.tell(&format!("?{}", waiting.errand.mark));
        match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Nobody aborts it who waits for it: the process is ending.
            Err(_) => Err(disconnected()),
        }
    }
}

/// A task that ends with its owner.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A caller that waits for an errand.
struct Waiting<'a, T: Send + 'static> {
    shared: &'a Arc<Shared>,
    errand: Errand,
    patience: Duration,
    task: Option<Task<Result<T>>>,
}

impl<T: Send + 'static> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let Some(mut task) = self.task.take() else {
            return;
        };
        // Where nothing has begun, nothing does any more.
        if self.errand.at_work().is_none() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (errand, patience) = (self.errand.clone(), self.patience);
        let mut ending = self
            .shared
            .ending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ending.spawn(async move {
            if tokio::time::timeout(patience, &mut task.0).await.is_ok() {
                return;
            }
            for _ in 0..LOOKS {
                let Some(connection) = errand.at_work() else {
                    return;
                };
                errand.end(&connection).await;
                if tokio::time::timeout(AGAIN, &mut task.0).await.is_ok() {
                    return;
                }
            }
        });
    }
}
