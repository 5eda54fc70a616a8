//! Standard output during a run: lines, and on a terminal bars below them.
//!
//! In: lines of the log and the run's events. Out: the same lines, and one bar for each running build with the step at
//! work. A reader that went away stops the output, never the run.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use imgc_compiler::plan::{BuildId, Plan};
use imgc_runtime::event::{Event, Sink};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::reason;
use crate::plan_shape::{component, short_address};

/// Bars at the same time; a hundred would leave no room for the log.
const BARS: usize = 12;

/// Where the lines of a run go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Screen {
    bars: Option<MultiProgress>,
    unicode: bool,
    gone: Arc<AtomicBool>,
    /// Why lines could not be written, if the reader did not just go away.
    broken: Arc<OnceLock<String>>,
}

impl Screen {
    /// With bars on a terminal, without them elsewhere.
    pub(crate) fn new(terminal: bool, unicode: bool) -> Self {
        let bars = terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stdout()));
        Self {
            bars,
            unicode,
            gone: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// What kept lines from being written, such as a full disk.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Writes whole lines.
    pub(crate) fn write(&self, text: &str) {
        if self.gone.load(Ordering::Relaxed) {
            return;
        }
        self.alone(|| {
            let mut out = io::stdout().lock();
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            if let Err(error) = written {
                self.gone.store(true, Ordering::Relaxed);
                if error.kind() != io::ErrorKind::BrokenPipe {
                    self.broken.get_or_init(|| reason(&error));
                }
            }
        });
    }

    /// Does something with the bars out of the way.
    pub(crate) fn alone<T>(&self, action: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(action),
            None => action(),
        }
    }

    /// The sink that moves the bars; `None` without them.
    pub(crate) fn bars(&self, plan: Arc<Plan>) -> Option<Bars> {
        Some(Bars {
            all: self.bars.clone()?,
            ticks: match self.unicode {
                true => "⠁⠉⠙⠚⠒⠂⠲⠴⠤⠠ ",
                false => "|/-\\ ",
            },
            plan,
            running: Mutex::default(),
        })
    }
}

/// Lines of a log, for whoever writes bytes.
impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Screen::write(self, &String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One bar for each running build.
pub(crate) struct Bars {
    all: MultiProgress,
    ticks: &'static str,
    plan: Arc<Plan>,
    running: Mutex<BTreeMap<BuildId, ProgressBar>>,
}

impl Bars {
    fn bar(&self, build: BuildId) -> Option<ProgressBar> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = running.get(&build) {
            return Some(bar.clone());
        }
        if running.len() >= BARS {
            return None;
        }
        let style =
            ProgressStyle::with_template("{spinner} {prefix:.bold} {wide_msg} {elapsed:>4}")
                .expect("the template is well formed")
                .tick_chars(self.ticks);
        let bar = self.all.add(ProgressBar::new_spinner().with_style(style));
        bar.set_prefix(self.plan.build(build).name.clone());
        bar.enable_steady_tick(Duration::from_millis(120));
        running.insert(build, bar.clone());
        Some(bar)
    }
}

impl Sink for Bars {
    fn event(&self, event: &Event) {
        match event {
            Event::StepStarted { step, attempt, .. } => {
                let step = self.plan.step(*step);
                let mut text = short_address(&self.plan, step).to_owned();
                if let Some(component) = component(step) {
                    text = format!("{text} {component}");
                }
                if *attempt > 1 {
                    text = format!("{text}, attempt {attempt}");
                }
                if let Some(bar) = self.bar(step.build) {
                    bar.set_message(text);
                }
            }
            Event::StepWaiting { build, text, .. } => {
                if let Some(bar) = self.bar(*build) {
                    bar.set_message(text.clone());
                }
            }
            Event::Progress {
                build,
                what,
                done,
                total,
            } => {
                let text = match total {
                    Some(total) if *total > 0 => format!("{what} {}%", done * 100 / total),
                    _ => format!("{what} {done}"),
                };
                if let Some(bar) = self.bar(*build) {
                    bar.set_message(text);
                }
            }
            Event::BuildFinished { build, .. } => {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(bar) = running.remove(build) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
            }
            _ => {}
        }
    }
}
