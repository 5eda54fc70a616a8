//! The language server: how long an editor's user waits, and what it costs. There is no peer.

mod recovery;
mod session;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use self::session::Session;
use super::result::{Check, Quantity, Row, Series, Spread};
use super::{Bench, templates};

pub(crate) use self::recovery::recovery;

/// A directory of 5,000 lines.
pub(crate) fn editor_5000(bench: &Bench) -> Result<Row> {
    let mut row = editor(bench, "editor-5000", 5_000)?;
    let aims = [
        (
            "keystroke to diagnostics, p99 under 16 ms",
            "keystroke to diagnostics",
            99.0,
            16.0,
        ),
        (
            "completion, p99 under 16 ms",
            "completion after a keystroke",
            99.0,
            16.0,
        ),
        (
            "hover, p99 under 16 ms",
            "hover after a keystroke",
            99.0,
            16.0,
        ),
        (
            "first diagnostics under 60 ms after `initialized`",
            "first diagnostics",
            50.0,
            60.0,
        ),
    ];
    for (target, who, percent, wanted) in aims {
        let samples = row.samples(who, Quantity::Wall);
        let value = percentile(samples, percent) * 1000.0;
        row.checks
            .push(Check::at_most(target, alone(value), wanted, "ms"));
    }
    let memory = Spread::of(row.samples("server", Quantity::Memory));
    row.checks
        .extend(memory.map(|memory| Check::at_most("under 60 MiB", memory, 60.0, "MiB")));
    Ok(row)
}

/// A directory of 50,000 lines.
pub(crate) fn editor_50000(bench: &Bench) -> Result<Row> {
    editor(bench, "editor-50000", 50_000)
}

/// A workspace of a thousand directories, one of which has an open document.
pub(crate) fn thousand(bench: &Bench) -> Result<Row> {
    const DIRECTORIES: usize = 1000;
    let turns = bench.turns(5, 2);
    let directory = bench.directory("editor-thousand")?;
    let file = templates::hamlets(&directory, DIRECTORIES)?;
    let imgc = bench
        .imgc
        .as_deref()
        .context("there is no peer for this row")?;
    let (mut first, mut symbols, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let (mut session, waited) = Session::start(imgc, &directory, &file)?;
        first.push(waited.as_secs_f64());
        small.push(session.peak()?);
        let (answer, waited) = session.ask("workspace/symbol", json!({ "query": "name_2997" }))?;
        ensure!(
            answer.as_array().is_some_and(|found| !found.is_empty()),
            "the variable of the last directory is not found"
        );
        symbols.push(waited.as_secs_f64());
        let ask = json!({ "previousResultIds": [] });
        let (answer, waited) = session.ask("workspace/diagnostic", ask)?;
        let items = answer["items"].as_array().map_or(0, Vec::len);
        ensure!(items >= DIRECTORIES, "diagnostics of {items} files only");
        problems.push(waited.as_secs_f64());
        large.push(session.peak()?);
        session.end()?;
    }
    let series = |who: &str, quantity, samples| Series {
        who: who.to_owned(),
        quantity,
        samples,
        gave_up: None,
    };
    Ok(Row {
        name: "editor-thousand".to_owned(),
        work: format!("`imgc lsp`, a workspace of {DIRECTORIES} template directories"),
        how: format!(
            "{turns} turns: first diagnostics of the open document, then a symbol of the last directory, then the diagnostics \
             of all of them. Memory is the peak of the resident size up to there."
        ),
        series: vec![
            series("first diagnostics", Quantity::Wall, first),
            series("symbol of the last directory", Quantity::Wall, symbols),
            series("diagnostics of all", Quantity::Wall, problems),
            series("with one open document", Quantity::Memory, small),
            series("after the diagnostics of all", Quantity::Memory, large),
        ],
        checks: Vec::new(),
    })
}

fn alone(value: f64) -> Spread {
    Spread {
        median: value,
        min: value,
        max: value,
    }
}

/// The value that so many percent of the samples do not exceed.
fn percentile(samples: &[f64], percent: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted
        .get(at.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

fn editor(bench: &Bench, name: &str, lines: usize) -> Result<Row> {
    let turns = bench.turns(300, 40);
    let starts = bench.turns(10, 3);
    let directory = bench.directory(name)?;
    let file = templates::park(&directory, lines)?;
    let imgc = bench
        .imgc
        .as_deref()
        .context("there is no peer for this row")?;
    let mut first = Vec::new();
    for _ in 0..starts {
        let (session, waited) = Session::start(imgc, &directory, &file)?;
        first.push(waited.as_secs_f64());
        session.end()?;
    }
    let (mut session, _) = Session::start(imgc, &directory, &file)?;
    let (mut diagnostics, mut completion, mut hover) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..turns {
        diagnostics.push(session.keystroke(turn)?.as_secs_f64());
        completion.push(session.after_keystroke(turn, "completion")?.as_secs_f64());
        hover.push(session.after_keystroke(turn, "hover")?.as_secs_f64());
    }
    let memory = session.peak()?;
    session.end()?;
    let wall = |who: &str, samples: Vec<f64>| Series {
        who: who.to_owned(),
        quantity: Quantity::Wall,
        samples,
        gave_up: None,
    };
    let tail = [
        ("diagnostics", &diagnostics),
        ("completion", &completion),
        ("hover", &hover),
    ]
    .map(|(what, samples)| {
        let (middle, end) = (percentile(samples, 50.0), percentile(samples, 99.0));
        format!("{what} {:.1} and {:.1} ms", middle * 1000.0, end * 1000.0)
    });
    Ok(Row {
        name: name.to_owned(),
        work: format!("`imgc lsp`, a template directory of {lines} lines"),
        how: format!(
            "An editor over pipes. p50 and p99: {}. {turns} keystrokes, each of which changes the problems of a file; from \
             `didChange` to `publishDiagnostics`, without the quiet period; completion and hover are asked for right after \
             a keystroke. {starts} cold starts, from `initialized` with an open document to its diagnostics. Memory is the \
             peak of the resident size.",
            tail.join(", ")
        ),
        series: vec![
            wall("first diagnostics", first),
            wall("keystroke to diagnostics", diagnostics),
            wall("completion after a keystroke", completion),
            wall("hover after a keystroke", hover),
            Series {
                who: "server".to_owned(),
                quantity: Quantity::Memory,
                samples: vec![memory],
                gave_up: None,
            },
        ],
        checks: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(percentile(&samples, 50.0), 100.0);
        assert_eq!(percentile(&samples, 99.0), 198.0);
        assert_eq!(percentile(&[3.0], 99.0), 3.0);
    }
}
