//! Questions on the terminal during a run.

use std::io::{self, Write as _};

use async_trait::async_trait;
use imgc_runtime::settings::{Answer, Ask};

use super::screen::Screen;

/// The person at the terminal.
pub(crate) struct Person {
    screen: Screen,
}

impl Person {
    pub(crate) fn new(screen: Screen) -> Self {
        Self { screen }
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
        self.ask(format!("==> {build}: {message}. Enter goes on: "))
            .await;
    }
}
