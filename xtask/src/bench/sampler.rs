//! Looks at a process tree through `/proc` while it lives.
//!
//! The tree is everything that descends from this process and was not there before. Memory is the sum of the
//! proportional set sizes (`smaps_rollup`): a page that ten processes share counts once, not ten times. Reading it is
//! dear for a big tree, so the sampler spends at most about half of one core on it; what it finds is a lower bound of
//! the true peak.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::process::TreePeak;

/// Shortest time between two looks.
const INTERVAL: Duration = Duration::from_millis(1);

/// Knows which processes were there before.
pub(crate) struct Sampler {
    before: BTreeSet<u32>,
}

/// A look that goes on.
pub(crate) struct Sampling {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<TreePeak>,
}

impl Sampler {
    /// Remembers the processes of now as not meant.
    pub(crate) fn new() -> Self {
        Self {
            before: processes(&BTreeSet::new()).into_keys().collect(),
        }
    }

    /// Begins to look, in a thread of its own.
    pub(crate) fn start(self) -> Sampling {
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let thread = std::thread::spawn(move || self.sample(&until));
        Sampling { ended, thread }
    }

    fn sample(&self, until: &AtomicBool) -> TreePeak {
        let mut peak = TreePeak::default();
        let mut next_sum = Instant::now();
        while !until.load(Ordering::Relaxed) {
            let start = Instant::now();
            let tree = descendants(&processes(&self.before), std::process::id());
            peak.processes = peak.processes.max(tree.len());
            if start >= next_sum {
                peak.pss = peak.pss.max(tree.iter().filter_map(|pid| pss(*pid)).sum());
                next_sum = Instant::now() + start.elapsed();
            }
            std::thread::sleep(INTERVAL.max(start.elapsed() / 2));
        }
        peak
    }
}

impl Sampling {
    /// Stops looking: what was the most.
    pub(crate) fn finish(self) -> TreePeak {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Kills a process and its descendants. The first one is stopped before that, so that it starts no others and does not
/// end by itself when its children do.
pub(crate) fn end_tree(root: u32) {
    send(root, Signal::SIGSTOP);
    for _ in 0..3 {
        for pid in descendants(&processes(&BTreeSet::new()), root) {
            send(pid, Signal::SIGKILL);
        }
    }
    send(root, Signal::SIGKILL);
}

fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // It may have ended by itself in the meantime.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Every living process but some, with its parent.
fn processes(except: &BTreeSet<u32>) -> BTreeMap<u32, u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            if except.contains(&pid) {
                return None;
            }
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name before the last bracket may contain anything.
            let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
            let state = fields.next()?;
            let parent = fields.next()?.parse().ok()?;
            (state != "Z").then_some((pid, parent))
        })
        .collect()
}

/// What descends from a process, without itself.
fn descendants(processes: &BTreeMap<u32, u32>, root: u32) -> Vec<u32> {
    let mut children = BTreeMap::<u32, Vec<u32>>::new();
    for (pid, parent) in processes {
        children.entry(*parent).or_default().push(*pid);
    }
    let mut found = Vec::new();
    let mut todo = vec![root];
    while let Some(parent) = todo.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.push(child);
            todo.push(child);
        }
    }
    found
}

/// The proportional set size of a process in bytes; `None` when it has just ended.
fn pss(pid: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_tree_is_found_weighed_and_ended() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 600 & sleep 600 & echo ready; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let tree = descendants(&processes(&BTreeSet::new()), shell.id());
        assert_eq!(tree.len(), 2);
        let size = pss(shell.id()).unwrap();
        assert!(size > 50 << 10 && size < 64 << 20, "{size}");

        end_tree(shell.id());
        assert!(!shell.wait().unwrap().success());
        // A killed process takes a moment to go.
        let start = Instant::now();
        let lives = |pid: &u32| processes(&BTreeSet::new()).contains_key(pid);
        while tree.iter().any(lives) {
            assert!(start.elapsed() < Duration::from_secs(20), "they live on");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_was_there_before_does_not_count() {
        let before = processes(&BTreeSet::new());
        assert!(before.contains_key(&std::process::id()));
        let now = processes(&before.into_keys().collect());
        assert!(!now.contains_key(&std::process::id()));
    }
}
