//! A step of which nothing is heard says what it waits for.

use std::time::Duration;

use imgc_compiler::plan::{Step, StepId};
use tokio::time::Instant;

use super::build::Work;
use super::stop::rounded;
use crate::duration::short;
use crate::event::Event;
use crate::watch::Watch;

/// After which multiples of [`Settings::quiet`](crate::settings::Settings::quiet) it is said; then every ten.
const TURNS: [u32; 4] = [1, 2, 5, 10];
/// Once something was heard again, the first turns are not repeated: a step that speaks once a minute is not stalled.
const AGAIN: usize = 2;

impl Work<'_> {
    /// Speaks up whenever nothing has been heard of a step for a while; never returns.
    pub(super) async fn speak_up(&self, id: StepId, step: &Step, watch: &Watch) {
        let begun = Instant::now();
        watch.heard();
        let mut turn = 0;
        let mut known = watch.now().0;
        loop {
            let heard = watch.now().0;
            if heard != known {
                known = heard;
                turn = turn.min(AGAIN);
            }
            tokio::time::sleep_until(heard + self.run.settings.quiet * multiple(turn)).await;
            let (last, waiting_for) = watch.now();
            if last != heard {
                continue;
            }
            turn += 1;
            let (running, quiet) = (begun.elapsed(), last.elapsed());
            self.run.emit(Event::StepWaiting {
                step: id,
                address: step.address.clone(),
                build: self.id,
                name: self.build.name.clone(),
                text: words(&self.called(step), running, quiet, waiting_for.as_deref()),
                running,
                quiet,
                waiting_for,
            });
        }
    }
}

fn multiple(turn: usize) -> u32 {
    match TURNS.get(turn) {
        Some(multiple) => *multiple,
        None => (turn - TURNS.len() + 2) as u32 * 10,
    }
}

fn words(step: &str, running: Duration, quiet: Duration, waiting_for: Option<&str>) -> String {
    let mut text = format!("still running {step} after {}", short(rounded(running)));
    let separator = match waiting_for {
        Some(what) => {
            text.push_str(&format!(": waiting for {what}"));
            ", "
        }
        None => ": ",
    };
    text.push_str(separator);
    text.push_str(&match running.abs_diff(quiet) < Duration::from_secs(1) {
        true => "nothing heard since then".to_owned(),
        false => format!("last line {} ago", short(rounded(quiet))),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_less_and_less_often() {
        let turns: Vec<u32> = (0..7).map(multiple).collect();
        assert_eq!(turns, [1, 2, 5, 10, 20, 30, 40]);
    }

    #[test]
    fn what_is_said() {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        assert_eq!(
            words(
                "provisioner[2] (shell)",
                minutes(3),
                minutes(2),
                Some("`apt`")
            ),
            "still running provisioner[2] (shell) after 3m0s: waiting for `apt`, last line 2m0s ago"
        );
        assert_eq!(
            words("launch", minutes(1), minutes(1), None),
            "still running launch after 1m0s: nothing heard since then"
        );
    }
}
