//! Several programs do the same work in turns, so that whatever else the machine does meets all of them.

use std::collections::BTreeSet;

use anyhow::Result;

use super::process::{Job, Outcome};
use super::result::{Quantity, Series};

/// Done around each run and not measured.
type Around<'a> = Box<dyn Fn() -> Result<()> + 'a>;

/// One who does the work.
pub(crate) struct Contender<'a> {
    who: String,
    job: Job,
    before: Around<'a>,
    after: Around<'a>,
}

impl<'a> Contender<'a> {
    /// `who` does it by `job`.
    pub(crate) fn new(who: impl Into<String>, job: Job) -> Self {
        Self {
            who: who.into(),
            job,
            before: Box::new(|| Ok(())),
            after: Box::new(|| Ok(())),
        }
    }

    /// Makes ready before each run.
    pub(crate) fn before(mut self, before: impl Fn() -> Result<()> + 'a) -> Self {
        self.before = Box::new(before);
        self
    }

    /// Looks at what came out of each run.
    pub(crate) fn after(mut self, after: impl Fn() -> Result<()> + 'a) -> Self {
        self.after = Box::new(after);
        self
    }
}

/// Wall and processor times: `warm_up` turns that do not count, then `turns` that do. Each turn begins with another contender. Who
/// gives up once is not asked again.
pub(crate) fn time(
    contenders: &[Contender<'_>],
    warm_up: usize,
    turns: usize,
) -> Result<Vec<Series>> {
    let mut series: Vec<Series> = contenders
        .iter()
        .map(|contender| empty(&contender.who, Quantity::Wall))
        .collect();
    let mut cpu: Vec<Series> = contenders
        .iter()
        .map(|contender| empty(&contender.who, Quantity::Cpu))
        .collect();
    let mut out = BTreeSet::new();
    for turn in 0..warm_up + turns {
        for step in 0..contenders.len() {
            let index = (turn + step) % contenders.len();
            if out.contains(&index) {
                continue;
            }
            let contender = &contenders[index];
            (contender.before)()?;
            match contender.job.time()? {
                Outcome::Done(cost) => {
                    (contender.after)()?;
                    if turn >= warm_up {
                        series[index].samples.push(cost.wall.as_secs_f64());
                        cpu[index].samples.push(cost.cpu.as_secs_f64());
                    }
                }
                Outcome::GaveUp(limit) => {
                    series[index].gave_up = Some(limit.as_secs_f64());
                    out.insert(index);
                }
            }
        }
    }
    series.append(&mut cpu);
    Ok(series)
}

/// Memory and processes of each contender, `turns` times.
pub(crate) fn weigh(contenders: &[Contender<'_>], turns: usize) -> Result<Vec<Series>> {
    let mut all = Vec::new();
    for contender in contenders {
        let mut memory = empty(&contender.who, Quantity::Memory);
        let mut processes = empty(&contender.who, Quantity::Processes);
        for _ in 0..turns {
            (contender.before)()?;
            if let Outcome::Done(cost) = contender.job.weigh()? {
                (contender.after)()?;
                let tree = cost.tree.unwrap_or_default();
                memory.samples.push(mib(tree.pss.max(cost.largest)));
                // A run can be shorter than the time between two looks; there was one process at least.
                processes.samples.push(tree.processes.max(1) as f64);
            }
        }
        all.extend([memory, processes]);
    }
    Ok(all)
}

fn empty(who: &str, quantity: Quantity) -> Series {
    Series {
        who: who.to_owned(),
        quantity,
        samples: Vec::new(),
        gave_up: None,
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;

    #[test]
    fn contenders_alternate_and_who_gives_up_is_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let job = |script: &str| Job::new(directory.path(), ["sh", "-c", script]).unwrap();
        let order = RefCell::new(String::new());
        let note = |name: &'static str| {
            let order = &order;
            move || {
                order.borrow_mut().push_str(name);
                Ok(())
            }
        };
        let contenders = [
            Contender::new("a", job("true")).before(note("a")),
            Contender::new("b", job("true")).before(note("b")),
            Contender::new("slow", job("sleep 30").limit(Duration::from_millis(50)))
                .before(note("s")),
        ];
        let series = time(&contenders, 1, 2).unwrap();
        assert_eq!(*order.borrow(), "absbaab");
        assert_eq!((series[0].samples.len(), series[1].samples.len()), (2, 2));
        assert_eq!(
            (series[2].samples.len(), series[2].gave_up),
            (0, Some(0.05))
        );
    }
}
