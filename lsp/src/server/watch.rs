//! Whether the editor's process is still there: one that was killed says no goodbye, and a child of it may hold the pipes
//! open.

use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// How often to look.
const PAUSE: Duration = Duration::from_secs(1);

/// Gives one message when the process ends; none where it cannot be seen from here, as from inside of a container.
pub(super) fn process(id: i32) -> Receiver<()> {
    let (tell, died) = bounded(1);
    let pid = (id > 0).then(|| Pid::from_raw(id)).flatten();
    match pid.filter(|pid| lives(*pid)) {
        Some(pid) => {
            std::thread::spawn(move || {
                while lives(pid) {
                    std::thread::sleep(PAUSE);
                }
                let _ = tell.send(());
            });
            died
        }
        None => {
            log::warn!("there is no process {id} to watch");
            crossbeam_channel::never()
        }
    }
}

fn lives(pid: Pid) -> bool {
    test_kill_process(pid) != Err(Errno::SRCH)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_end_of_a_process_is_seen() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let died = process(child.id() as i32);
        assert!(died.try_recv().is_err());
        drop(child.stdin.take());
        child.wait().unwrap();
        died.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(process(-1).try_recv().is_err());
    }
}
