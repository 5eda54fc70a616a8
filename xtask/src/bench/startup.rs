//! `validate`: what it costs to look at a template.

use anyhow::Result;

use super::result::{Check, Quantity, Row, Spread};
use super::turns::{self, Contender};
use super::{Bench, templates};

/// Starting alone: the same program that only says its version.
pub(crate) fn start_up(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(60, 30);
    let directory = bench.directory("start-up")?;
    let template = templates::null_builds(&directory, 1)?.display().to_string();
    let mut contenders = Vec::new();
    for (who, args) in [
        (VALIDATE, ["validate", template.as_str()].as_slice()),
        (VERSION, ["version"].as_slice()),
    ] {
        let job = bench.ours(&directory.join(args[0]), args)?;
        contenders.extend(job.map(|job| Contender::new(who, job)));
    }
    let mut row = Row {
        name: "start-up".to_owned(),
        work: "start: `validate` of one build against `version`".to_owned(),
        how: format!("The same program twice; whole process, {turns} turns."),
        series: turns::time(&contenders, 3, turns)?,
        checks: Vec::new(),
    };
    let validate = row.samples(VALIDATE, Quantity::Wall);
    let ratio = Spread::of_ratio(validate, row.samples(VERSION, Quantity::Wall));
    let wall = Spread::of(validate);
    row.checks
        .extend(ratio.map(|spread| Check::at_most("at most 1.3 times as long", spread, 1.3, "×")));
    row.checks
        .extend(wall.map(|spread| Check::at_most("`validate` under 10 ms", spread, 0.01, "s")));
    Ok(row)
}

/// Who is compared where starting is measured.
const VALIDATE: &str = "imgc validate";
const VERSION: &str = "imgc version";

/// One build: start-up decides.
pub(crate) fn validate_one(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(30, 10);
    let mut row = validate(bench, "validate-one", 1, turns, bench.turns(10, 5))?;
    row.work = "`validate`, one build".to_owned();
    let wall = Spread::of_ratio(
        row.samples("packer", Quantity::Wall),
        row.samples("imgc", Quantity::Wall),
    );
    let memory = Spread::of_ratio(
        row.samples("packer", Quantity::Memory),
        row.samples("imgc", Quantity::Memory),
    );
    row.checks
        .extend(wall.map(|spread| Check::at_least("at least 30 times faster", spread, 30.0, "×")));
    row.checks.extend(
        memory.map(|spread| Check::at_least("at most a sixth of the memory", spread, 6.0, "×")),
    );
    Ok(row)
}

/// 300 builds: what each further one costs.
pub(crate) fn validate_300(bench: &Bench) -> Result<Row> {
    let mut row = validate(bench, "validate-300", 300, bench.turns(3, 1), 1)?;
    row.work = "`validate`, 300 `null` builds".to_owned();
    let wall = Spread::of_ratio(
        row.samples("packer", Quantity::Wall),
        row.samples("imgc", Quantity::Wall),
    );
    row.checks.extend(
        wall.map(|spread| Check::at_least("at least 1,000 times faster", spread, 1000.0, "×")),
    );
    Ok(row)
}

fn validate(
    bench: &Bench,
    name: &str,
    builds: usize,
    turns: usize,
    weighings: usize,
) -> Result<Row> {
    let directory = bench.directory(name)?;
    let template = templates::null_builds(&directory, builds)?
        .display()
        .to_string();
    let args = ["validate", template.as_str()];
    let mut contenders = vec![Contender::new("packer", bench.peer(&directory, &args)?)];
    contenders.extend(
        bench
            .ours(&directory, &args)?
            .map(|job| Contender::new("imgc", job)),
    );
    // A warm-up of 300 builds would take the peer half a minute and change nothing.
    let warm_up = if builds == 1 { 2 } else { 0 };
    let mut series = turns::time(&contenders, warm_up, turns)?;
    series.extend(turns::weigh(&contenders, weighings)?);
    Ok(Row {
        name: name.to_owned(),
        work: String::new(),
        how: format!(
            "The same HCL template for both; whole process, {turns} turns; memory from {weighings} further runs."
        ),
        series,
        checks: Vec::new(),
    })
}
