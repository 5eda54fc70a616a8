//! The threads that read.
//!
//! In: jobs. Out: what came of each, as an event for the loop. A job that panics is one that failed; one that does not
//! end is left behind, and its thread replaced, so that the next ones are still answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};

/// Work with its number.
pub(crate) struct Job<T> {
    pub(crate) number: u64,
    pub(crate) work: Box<dyn FnOnce() -> T + Send>,
}

/// What came of a job; `None` where it panicked.
pub(crate) struct Done<T> {
    pub(crate) number: u64,
    pub(crate) result: Option<T>,
}

/// Enough for the deepest template that the parser takes.
const STACK: usize = 16 << 20;

/// How many threads may be left behind in jobs that do not end.
const LOST: usize = 8;

struct Worker {
    /// The number of its job, 0 while it has none.
    job: Arc<AtomicU64>,
    /// It ends after its job.
    dismissed: Arc<AtomicBool>,
}

/// A few threads with one queue.
pub(crate) struct Pool<T> {
    jobs: Sender<Job<T>>,
    queue: Receiver<Job<T>>,
    done: Sender<Done<T>>,
    workers: Vec<Worker>,
    lost: usize,
}

impl<T: Send + 'static> Pool<T> {
    /// Starts the threads; what they do is reported to the receiver.
    pub(crate) fn new(threads: usize) -> (Self, Receiver<Done<T>>) {
        let (jobs, queue) = unbounded();
        let (done, reports) = unbounded();
        let mut pool = Self {
            jobs,
            queue,
            done,
            workers: Vec::new(),
            lost: 0,
        };
        for _ in 0..threads {
            pool.hire();
        }
        (pool, reports)
    }

    /// Where a job can tell something before it is ready.
    pub(crate) fn reports(&self) -> Sender<Done<T>> {
        self.done.clone()
    }

    /// Queues a job; its number is not 0.
    pub(crate) fn send(&self, number: u64, work: impl FnOnce() -> T + Send + 'static) {
        let work = Box::new(work);
        // The pool itself holds the other end.
        let _ = self.jobs.send(Job { number, work });
    }

    /// A job takes too long: nobody waits for its thread any more.
    pub(crate) fn leave_behind(&mut self, number: u64) {
        let busy = |worker: &Worker| worker.job.load(Ordering::Acquire) == number;
        let Some(at) = self.workers.iter().position(busy) else {
            return;
        };
        if self.lost == LOST {
            log::error!("{LOST} jobs do not end; the server goes on with fewer threads");
            return;
        }
        self.workers
            .swap_remove(at)
            .dismissed
            .store(true, Ordering::Release);
        self.lost += 1;
        self.hire();
    }

    fn hire(&mut self) {
        let worker = Worker {
            job: Arc::default(),
            dismissed: Arc::default(),
        };
        let (current, dismissed) = (Arc::clone(&worker.job), Arc::clone(&worker.dismissed));
        let (queue, done) = (self.queue.clone(), self.done.clone());
        let work = move || {
            for Job { number, work } in queue {
                current.store(number, Ordering::Release);
                // The panic hook has reported a mistake of ours; whoever asked gets an error.
                let result = catch_unwind(AssertUnwindSafe(work)).ok();
                current.store(0, Ordering::Release);
                if done.send(Done { number, result }).is_err() || dismissed.load(Ordering::Acquire)
                {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("reader".to_owned())
            .stack_size(STACK)
            .spawn(work);
        match thread {
            Ok(_) => self.workers.push(worker),
            Err(error) => log::error!("cannot start a thread: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_panic_costs_one_job() {
        let (pool, done) = Pool::new(1);
        pool.send(1, || panic!("on purpose"));
        pool.send(2, || "two");
        assert_eq!(done.recv_timeout(LONG).unwrap().result, None);
        assert_eq!(done.recv_timeout(LONG).unwrap().result, Some("two"));
    }

    #[test]
    fn a_job_that_does_not_end_keeps_nobody() {
        let (mut pool, done) = Pool::new(1);
        let (release, wait) = unbounded::<()>();
        let (started, is_running) = unbounded::<()>();
        pool.send(1, move || {
            started.send(()).unwrap();
            let _ = wait.recv();
            "one"
        });
        is_running.recv_timeout(LONG).unwrap();
        pool.send(2, || "two");
        pool.leave_behind(1);
        assert_eq!(done.recv_timeout(LONG).unwrap().number, 2);
        release.send(()).unwrap();
        assert_eq!(done.recv_timeout(LONG).unwrap().number, 1);
    }
}
