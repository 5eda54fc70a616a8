//! `docs/benchmarks.md` from the measurement, and the same on the terminal.
//!
//! What stands under `## Remarks` is written by hand and kept.

use std::fmt::Write;

use super::result::{Quantity, Report, Row, Spread};

/// From here on the page is written by hand.
pub(crate) const REMARKS: &str = "## Remarks\n";

/// The page: the table of targets, then all figures, then the remarks that were there before.
pub(crate) fn render(report: &Report, before: &str) -> String {
    let mut page = head(report);
    page.push_str("\n| work | target | measured | verdict |\n|---|---|---|---|\n");
    for row in &report.rows {
        for (index, check) in row.checks.iter().enumerate() {
            let work = if index == 0 { row.work.as_str() } else { "" };
            line(
                &mut page,
                format_args!(
                    "| {work} | {} | {} | {} |",
                    check.target,
                    check.measured,
                    check.verdict()
                ),
            );
        }
    }
    page.push_str("\n## Figures\n\nMedian, and in brackets the smallest and the largest sample.\n");
    for row in &report.rows {
        line(
            &mut page,
            format_args!("\n### {}: {}\n\n{}\n", row.name, row.work, row.how),
        );
        if let Some(when) = report.earlier.get(&row.name) {
            line(&mut page, format_args!("Measured {when}.\n"));
        }
        page.push_str(&figures(row));
    }
    page.push('\n');
    page.push_str(before.find(REMARKS).map_or(REMARKS, |at| &before[at..]));
    page
}

fn head(report: &Report) -> String {
    let Report {
        date,
        peer,
        cores,
        memory_gib,
        kernel,
        system,
        ..
    } = report;
    let revision = report.revision.as_deref().unwrap_or("unknown");
    let quick = if report.quick {
        " A short run with few repetitions."
    } else {
        ""
    };
    format!(
        "# Benchmarks\n\n\
        imgc against {peer}, as Debian packages it, in the same run and in turns. `cargo xtask bench` measures it all\n\
        again and writes this page and `benchmarks.json`, which has every sample.\n\n\
        {date}, revision {revision}, {cores} cores, {memory_gib} GiB of memory, {kernel}, {system}.{quick}\n\n\
        Other machines, and other work on the same machine, move the seconds; the ratios much less. A ratio is taken\n\
        between runs of the same turn; in brackets the smallest and the largest. Memory is measured in runs of its own:\n\
        the highest sum of proportional set sizes over the process tree (a page that many processes share counts once),\n\
        or the resident size of the largest process where that is more.\n"
    )
}

/// Who needed how much of what.
fn figures(row: &Row) -> String {
    let mut table =
        "| | wall, s | CPU, s | memory, MiB | processes |\n|---|---|---|---|---|\n".to_owned();
    let mut names: Vec<&str> = Vec::new();
    for series in &row.series {
        if !names.contains(&series.who.as_str()) {
            names.push(&series.who);
        }
    }
    for who in names {
        let cell = |quantity| {
            let series = row
                .series
                .iter()
                .find(|series| series.who == who && series.quantity == quantity);
            match series {
                Some(series) => match (Spread::of(&series.samples), series.gave_up) {
                    (_, Some(limit)) => format!("given up after {limit:.0} s"),
                    (Some(spread), None) if quantity == Quantity::Processes => spread.show_whole(),
                    (Some(spread), None) => spread.show(""),
                    (None, None) => String::new(),
                },
                None => String::new(),
            }
        };
        let cells = [
            Quantity::Wall,
            Quantity::Cpu,
            Quantity::Memory,
            Quantity::Processes,
        ]
        .map(cell);
        let who = who.replace('|', "\\|");
        line(
            &mut table,
            format_args!("| {who} | {} |", cells.join(" | ")),
        );
    }
    table
}

/// One row for the terminal.
pub(crate) fn show(row: &Row) -> String {
    let mut text = format!("{}\n", figures(row).trim_end());
    for check in &row.checks {
        line(
            &mut text,
            format_args!(
                "  {}: {} - {}",
                check.target,
                check.measured,
                check.verdict()
            ),
        );
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::bench::result::{Check, Series};

    fn report() -> Report {
        let series = |who: &str, samples: &[f64]| Series {
            who: who.to_owned(),
            quantity: Quantity::Wall,
            samples: samples.to_vec(),
            gave_up: None,
        };
        let spread = Spread {
            median: 40.0,
            min: 40.0,
            max: 40.0,
        };
        Report {
            date: "2026-01-02".to_owned(),
            revision: None,
            peer: "Packer v0".to_owned(),
            cores: 2,
            memory_gib: 8,
            kernel: "Linux 6.1".to_owned(),
            system: "Debian 12".to_owned(),
            quick: false,
            rows: vec![Row {
                name: "one".to_owned(),
                work: "one thing".to_owned(),
                how: "20 turns.".to_owned(),
                series: vec![series("packer", &[4.0]), series("imgc", &[0.1])],
                checks: vec![Check::at_least(
                    "at least 30 times faster",
                    spread,
                    30.0,
                    "×",
                )],
            }],
            earlier: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn rows_that_are_not_measured_again_stay_with_their_date() {
        let mut later = report();
        later.date = "2026-02-03".to_owned();
        later.rows[0].name = "two".to_owned();
        later.keep(report(), &["one", "two"]);
        let page = render(&later, "");
        assert!(page.contains("2026-02-03, revision unknown, 2 cores"));
        let one = page.find("### one").unwrap();
        let said = page.find("Measured 2026-01-02, revision unknown.").unwrap();
        let two = page.find("### two").unwrap();
        assert!(one < said && said < two, "{page}");
        // What no longer exists goes.
        let mut last = report();
        last.rows.clear();
        last.keep(later, &["two"]);
        assert_eq!(last.rows.len(), 1);
        assert_eq!(last.earlier["two"], "2026-02-03, revision unknown");
    }

    #[test]
    fn the_page_has_targets_and_figures() {
        let page = render(&report(), "");
        assert!(
            page.contains("| one thing | at least 30 times faster | 40.0× | met |\n"),
            "{page}"
        );
        assert!(
            page.contains("### one: one thing\n\n20 turns.\n\n| | wall, s |"),
            "{page}"
        );
        assert!(page.contains("| imgc | 0.100 |  |  |  |\n"), "{page}");
        assert!(page.ends_with(REMARKS), "{page}");
    }

    #[test]
    fn remarks_written_by_hand_stay() {
        let page = render(
            &report(),
            "# Benchmarks\nold\n\n## Remarks\n\nWhy it is so.\n",
        );
        assert!(
            page.ends_with("\n\n## Remarks\n\nWhy it is so.\n") && !page.contains("old"),
            "{page}"
        );
    }
}
