//! What was measured, as `docs/benchmarks.json` keeps it; and the few figures drawn from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One whole measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Year, month and day.
    pub(crate) date: String,
    /// The revision of the sources, if known.
    pub(crate) revision: Option<String>,
    /// The peer's version as it says it.
    pub(crate) peer: String,
    /// Number of processors.
    pub(crate) cores: usize,
    /// Memory in GiB.
    pub(crate) memory_gib: u64,
    /// Name and version of the system's kernel.
    pub(crate) kernel: String,
    /// The system.
    pub(crate) system: String,
    /// Whether it was a short run with few repetitions.
    pub(crate) quick: bool,
    /// In the order of the page.
    pub(crate) rows: Vec<Row>,
    /// When rows were measured that were not measured with the others, by name: date and revision.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) earlier: BTreeMap<String, String>,
}

impl Report {
    /// Takes the rows of an earlier report that were not measured again; `order` are the names of all rows.
    pub(crate) fn keep(&mut self, before: Self, order: &[&str]) {
        let when = format!(
            "{}, revision {}",
            before.date,
            before.revision.as_deref().unwrap_or("unknown")
        );
        for row in before.rows {
            if order.contains(&row.name.as_str())
                && self.rows.iter().all(|own| own.name != row.name)
            {
                let when = before.earlier.get(&row.name).unwrap_or(&when);
                self.earlier.insert(row.name.clone(), when.clone());
                self.rows.push(row);
            }
        }
        let place = |row: &Row| order.iter().position(|name| *name == row.name);
        self.rows.sort_by_key(place);
    }
}

/// One line of the table: a piece of work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// How it is called on the command line.
    pub(crate) name: String,
    /// What is done.
    pub(crate) work: String,
    /// How it is measured.
    pub(crate) how: String,
    /// All samples.
    pub(crate) series: Vec<Series>,
    /// What must be reached, and whether it was.
    pub(crate) checks: Vec<Check>,
}

/// Samples of one quantity of one program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    /// Who did the work.
    pub(crate) who: String,
    /// What was measured.
    pub(crate) quantity: Quantity,
    /// In the order they were taken.
    pub(crate) samples: Vec<f64>,
    /// Set when it was given up after so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gave_up: Option<f64>,
}

/// What a sample counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Quantity {
    /// Seconds from start to end.
    Wall,
    /// Seconds of processor time, of all processes together.
    Cpu,
    /// MiB at the peak: the tree's proportional set size, or the largest process where that is more.
    Memory,
    /// Processes alive at the same time.
    Processes,
}

/// A target of one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    /// In words.
    pub(crate) target: String,
    /// In words, with the spread.
    pub(crate) measured: String,
    /// By how much it is met: 1 is exactly met, 2 twice as good as needed, 0.5 half as good.
    pub(crate) margin: f64,
}

impl Check {
    /// `measured` must be at least `target`.
    pub(crate) fn at_least(
        target: impl Into<String>,
        value: Spread,
        wanted: f64,
        unit: &str,
    ) -> Self {
        Self {
            target: target.into(),
            measured: value.show(unit),
            margin: value.median / wanted,
        }
    }

    /// `measured` must be at most `target`.
    pub(crate) fn at_most(
        target: impl Into<String>,
        value: Spread,
        wanted: f64,
        unit: &str,
    ) -> Self {
        Self {
            target: target.into(),
            measured: value.show(unit),
            margin: wanted / value.median,
        }
    }

    /// Whether it was reached.
    pub(crate) fn is_met(&self) -> bool {
        self.margin >= 1.0
    }

    /// `met` or by how much not.
    pub(crate) fn verdict(&self) -> String {
        if self.is_met() {
            "met".to_owned()
        } else {
            format!("**missed**, {:.2} of the target", self.margin)
        }
    }
}

/// The middle and the ends of some samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle one; of two, their mean.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// Of samples; `None` without any.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { median, min, max })
    }

    /// Of `above / below`, sample by sample: both were taken in the same turn, so that what disturbed one disturbed the
    /// other. Where one has fewer samples, those are compared with the other's median.
    pub(crate) fn of_ratio(above: &[f64], below: &[f64]) -> Option<Self> {
        let (above_middle, below_middle) = (Self::of(above)?.median, Self::of(below)?.median);
        let turns = above.len().max(below.len());
        let at = |samples: &[f64], turn: usize, middle: f64| {
            samples.get(turn).copied().unwrap_or(middle)
        };
        let ratios: Vec<f64> = (0..turns)
            .map(|turn| at(above, turn, above_middle) / at(below, turn, below_middle))
            .collect();
        Self::of(&ratios)
    }

    /// The same for what is counted: `4 (3 to 5)`.
    pub(crate) fn show_whole(&self) -> String {
        let Self { median, min, max } = self;
        if min == max {
            format!("{median}")
        } else {
            format!("{median} ({min} to {max})")
        }
    }

    /// `median unit (min to max)`.
    pub(crate) fn show(&self, unit: &str) -> String {
        let unit = if unit.is_empty() || unit == "×" {
            unit.to_owned()
        } else {
            format!(" {unit}")
        };
        let (median, min, max) = (digits(self.median), digits(self.min), digits(self.max));
        if min == max {
            format!("{median}{unit}")
        } else {
            format!("{median}{unit} ({min} to {max})")
        }
    }
}

/// Three digits that count.
pub(crate) fn digits(value: f64) -> String {
    let places = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        value if value >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.places$}")
}

impl Row {
    /// The samples of one quantity of one program; empty when there are none.
    pub(crate) fn samples(&self, who: &str, quantity: Quantity) -> &[f64] {
        let found = self
            .series
            .iter()
            .find(|series| series.who == who && series.quantity == quantity);
        found.map_or(&[], |series| &series.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(
            Spread::of(&[3.0, 1.0, 2.0]),
            Some(Spread {
                median: 2.0,
                min: 1.0,
                max: 3.0
            })
        );
        assert_eq!(
            Spread::of(&[4.0, 1.0, 2.0, 3.0]).map(|spread| spread.median),
            Some(2.5)
        );
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn ratios_are_taken_turn_by_turn() {
        let ratio = Spread::of_ratio(&[10.0, 20.0], &[1.0, 4.0]);
        assert_eq!(
            ratio,
            Some(Spread {
                median: 7.5,
                min: 5.0,
                max: 10.0
            })
        );
        let fewer = Spread::of_ratio(&[10.0], &[1.0, 2.0, 5.0]);
        assert_eq!(
            fewer,
            Some(Spread {
                median: 5.0,
                min: 2.0,
                max: 10.0
            })
        );
    }

    #[test]
    fn a_target_is_met_or_missed_by_so_much() {
        let value = Spread {
            median: 40.0,
            min: 35.0,
            max: 45.0,
        };
        let met = Check::at_least("at least 30 times faster", value, 30.0, "×");
        assert_eq!(
            (met.measured.as_str(), met.verdict().as_str()),
            ("40.0× (35.0 to 45.0)", "met")
        );
        let missed = Check::at_most("at most 20 MiB", value, 20.0, "MiB");
        assert_eq!(
            (missed.measured.as_str(), missed.verdict().as_str()),
            ("40.0 MiB (35.0 to 45.0)", "**missed**, 0.50 of the target")
        );
    }
}
