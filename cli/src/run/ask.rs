//! Questions on the terminal during a run.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use imgc_runtime::settings::{Answer, Ask};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::screen::Screen;

/// The person at the terminal.
pub(crate) struct Person {
    screen: Screen,
    /// One pause at a time waits for Enter.
    turn: tokio::sync::Mutex<()>,
}

impl Person {
    pub(crate) fn new(screen: Screen) -> Self {
        Self {
            screen,
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Shows a question and reads a line; `None` at the end of input.
    async fn ask(&self, question: String) -> Option<String> {
        let screen = self.screen.clone();
        let read = tokio::task::spawn_blocking(move || {
            screen.alone(|| {
                let mut out = io::stdout().lock();
                out.write_all(question.as_bytes())
                    .and_then(|()| out.flush())
                    .ok()?;
                drop(out);
                let mut line = String::new();
                match io::stdin().read_line(&mut line) {
                    Ok(0) | Err(_) => None,
                    Ok(_) => Some(line.trim().to_lowercase()),
                }
            })
        });
        read.await.ok().flatten()
    }
}

#[async_trait]
impl Ask for Person {
    async fn on_error(&self, build: &str, address: &str, message: &str) -> Answer {
        let question = format!(
            "\n==> {build}: {address} has failed: {message}\n    \
             [c]lean up, [a]bort and leave everything as it is, [r]etry the step, run the cleanup [p]rovisioner: "
        );
        loop {
            match self.ask(question.clone()).await.as_deref() {
                None | Some("c" | "clean up" | "cleanup") => return Answer::Cleanup,
                Some("a" | "abort") => return Answer::Abort,
                Some("r" | "retry") => return Answer::Retry,
                Some("p" | "run-cleanup-provisioner") => return Answer::RunCleanupProvisioner,
                Some(_) => {}
            }
        }
    }

    async fn pause(&self, build: &str, message: &str) {
        let _turn = self.turn.lock().await;
        let question = format!("==> {build}: {message}. Enter goes on\n");
        self.screen.alone(|| {
            let mut out = io::stdout().lock();
            // Without it Enter goes on all the same.
            let _ = out
                .write_all(question.as_bytes())
                .and_then(|()| out.flush());
        });
        // Dropped where somebody else lets it go on: then nobody must read what is typed for the next question.
        let asked = Arc::new(());
        let wanted = Arc::downgrade(&asked);
        let _ = tokio::task::spawn_blocking(move || wait_for_line(&wanted)).await;
    }
}

/// Waits for a line on standard input, or its end, as long as it is wanted.
fn wait_for_line(wanted: &Weak<()>) {
    let stdin = io::stdin();
    while wanted.strong_count() > 0 {
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(100_u8)) {
            Ok(0) | Err(Errno::EINTR) => {}
            // The line is for the question that has come after this one.
            _ if wanted.strong_count() == 0 => return,
            _ => {
                // At the end of input, too, there is nothing more to wait for.
                let _ = stdin.read_line(&mut String::new());
                return;
            }
        }
    }
}
