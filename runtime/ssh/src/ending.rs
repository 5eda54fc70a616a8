//! Ending a command on the machine for which nobody waits any more.

use std::sync::{Arc, PoisonError};

use crate::connection::Connection;
use crate::machine::{Shared, feed, read_all};
use crate::shell;

/// Ends a command on the machine when nobody waits for it any more.
///
/// Closing the channel does not end it: without a terminal, a server only closes the command's input and output. So
/// each command carries a mark in its environment, by which its processes are found and their groups ended.
pub(crate) struct Guard<'a> {
    shared: &'a Arc<Shared>,
    connection: Option<Arc<Connection>>,
    mark: String,
}

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

impl<'a> Guard<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>, connection: &Arc<Connection>) -> Self {
        let mark = shared.next_mark();
        shared.tell(&format!("!{mark}"));
        Self {
            shared,
            connection: Some(Arc::clone(connection)),
            mark,
        }
    }

    pub(crate) fn marked(&self, line: &str) -> String {
        format!("export IMGC_COMMAND={}; {line}", self.mark)
    }

    pub(crate) fn disarm(mut self) {
        self.connection = None;
        self.shared.tell(&format!("?{}", self.mark));
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if connection.has_ended() || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let script = END_COMMAND.replace("MARK", &self.mark);
        let mut ending = self
            .shared
            .ending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ending.spawn(async move {
            let Ok(input) = feed(script.into_bytes()) else {
                return;
            };
            let line = shell::script(SHELL_WITH_RIGHTS, &[]);
            if let Ok(channel) = connection.start(&line, input, None).await {
                let (stdout, stderr, running) = channel.split();
                tokio::join!(read_all(stdout, 0), read_all(stderr, 0));
                let _ = connection.wait(running).await;
            }
        });
    }
}
