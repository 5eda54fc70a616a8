//! `build` of many independent `null` builds, each with one local command.

use anyhow::Result;

use super::result::{Check, Quantity, Row, Series, Spread};
use super::turns::{self, Contender};
use super::{Bench, templates};

/// 100 of them, against the peer.
pub(crate) fn run_100(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(5, 2);
    let series = builds(bench, "run-100", 100, turns, 1)?;
    let mut row = Row {
        name: "run-100".to_owned(),
        work: "run 100 `null` builds with one `shell-local` each".to_owned(),
        how: format!(
            "`communicator = \"none\"`, the command is `true`; {turns} turns; memory from a further run."
        ),
        series,
        checks: Vec::new(),
    };
    let wall = Spread::of_ratio(
        row.samples("packer", Quantity::Wall),
        row.samples("imgc", Quantity::Wall),
    );
    let memory = Spread::of_ratio(
        row.samples("packer", Quantity::Memory),
        row.samples("imgc", Quantity::Memory),
    );
    row.checks
        .extend(wall.map(|spread| Check::at_least("at least 15 times faster", spread, 15.0, "×")));
    row.checks.extend(
        memory
            .map(|spread| Check::at_least("at most a thirtieth of the memory", spread, 30.0, "×")),
    );
    Ok(row)
}

/// 300 of them, and how imgc grows from 100 to 300.
pub(crate) fn run_300(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(3, 1);
    let mut series = builds(bench, "run-300", 300, turns, 1)?;
    series.iter_mut().for_each(|series| series.who += ", 300");
    // A few milliseconds each, so that many turns cost nothing and steady the figure.
    let growing = growth(bench, bench.turns(15, 5))?;
    let per_build = |count: usize| {
        let who = format!("imgc alone, {count}");
        let samples = growing
            .iter()
            .find(|series| series.who == who && series.quantity == Quantity::Wall)
            .map(|series| series.samples.as_slice());
        samples.map(|samples| {
            samples
                .iter()
                .map(|wall| wall / count as f64)
                .collect::<Vec<_>>()
        })
    };
    let linear = per_build(300)
        .zip(per_build(100))
        .and_then(|(many, few)| Spread::of_ratio(&many, &few));
    series.extend(growing);
    let mut row = Row {
        name: "run-300".to_owned(),
        work: "run 300 of them".to_owned(),
        how: format!(
            "{turns} turns against the peer; then imgc alone with 100, 200 and 300 builds in turns. Linear: a build of 300 \
            takes at most 1.2 times as long as a build of 100."
        ),
        series,
        checks: Vec::new(),
    };
    row.checks.extend(linear.map(|spread| {
        Check::at_most(
            "wall linear in N: at most 1.2 times the time per build",
            spread,
            1.2,
            "×",
        )
    }));
    let memory = Spread::of(row.samples("imgc, 300", Quantity::Memory));
    row.checks
        .extend(memory.map(|spread| Check::at_most("memory under 100 MiB", spread, 100.0, "MiB")));
    Ok(row)
}

fn builds(
    bench: &Bench,
    name: &str,
    count: usize,
    turns: usize,
    weighings: usize,
) -> Result<Vec<Series>> {
    let directory = bench.directory(name)?;
    let template = templates::null_builds(&directory, count)?
        .display()
        .to_string();
    let args = ["build", "-color=false", template.as_str()];
    let mut contenders = vec![Contender::new("packer", bench.peer(&directory, &args)?)];
    contenders.extend(
        bench
            .ours(&directory, &args)?
            .map(|job| Contender::new("imgc", job)),
    );
    let mut series = turns::time(&contenders, 0, turns)?;
    series.extend(turns::weigh(&contenders, weighings)?);
    Ok(series)
}

fn growth(bench: &Bench, turns: usize) -> Result<Vec<Series>> {
    let mut contenders = Vec::new();
    for count in [100, 200, 300] {
        let directory = bench.directory(&format!("run-{count}-alone"))?;
        let template = templates::null_builds(&directory, count)?
            .display()
            .to_string();
        let job = bench.ours(&directory, &["build", "-color=false", template.as_str()])?;
        contenders.extend(job.map(|job| Contender::new(format!("imgc alone, {count}"), job)));
    }
    turns::time(&contenders, 1, turns)
}
