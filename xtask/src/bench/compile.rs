//! A template of many thousand blocks: the compiler alone. The peer starts two processes for each build and cannot.

use anyhow::{Context, Result};

use super::result::{Check, Quantity, Row, Spread};
use super::turns::{self, Contender};
use super::{Bench, templates};

/// Variables, sources and builds in each size; the last is the 6 MB one.
const COUNTS: [usize; 3] = [2_000, 6_667, 20_000];

/// `validate` of 0.6, 2 and 6 MB.
pub(crate) fn compile(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(7, 3);
    let directory = bench.directory("compile")?;
    let mut contenders = Vec::new();
    let mut names = Vec::new();
    let mut megabytes = Vec::new();
    for count in COUNTS {
        let template = templates::large(&directory, count)?;
        let size = std::fs::metadata(&template)?.len() as f64 / 1e6;
        let name = format!("imgc, {size:.1} MB");
        let job = bench.ours(&directory, &["validate", &template.display().to_string()])?;
        contenders.extend(job.map(|job| Contender::new(name.clone(), job)));
        names.push(name);
        megabytes.push(size);
    }
    let mut series = turns::time(&contenders, 1, turns)?;
    series.extend(turns::weigh(&contenders, 3)?);
    let mut row = Row {
        name: "compile".to_owned(),
        work: "compile a 6 MB template of 20,000 variables, sources and builds".to_owned(),
        how: format!(
            "`imgc validate` of one file, whole process, {turns} turns; memory from 3 further runs."
        ),
        series,
        checks: Vec::new(),
    };
    let (small, large) = (&names[0], names.last().context("there are sizes")?);
    let wall = Spread::of(row.samples(large, Quantity::Wall));
    row.checks
        .extend(wall.map(|spread| Check::at_most("under 1.5 s", spread, 1.5, "s")));
    let memory = Spread::of(row.samples(large, Quantity::Memory));
    row.checks
        .extend(memory.map(|spread| Check::at_most("under 800 MiB", spread, 800.0, "MiB")));
    let per_megabyte = |name: &str, size: f64| {
        row.samples(name, Quantity::Wall)
            .iter()
            .map(|wall| wall / size)
            .collect::<Vec<_>>()
    };
    let flat = Spread::of_ratio(
        &per_megabyte(large, megabytes[2]),
        &per_megabyte(small, megabytes[0]),
    );
    let flat = flat.map(|spread| {
        Check::at_most(
            "time per megabyte flat: at 6 MB at most 1.2 times that at 0.6 MB",
            spread,
            1.2,
            "×",
        )
    });
    row.checks.extend(flat);
    Ok(row)
}
