//! Version constraints as HashiCorp's tools write them: `>= 1.7.0, < 2.0.0`, `~> 1.8`.

use std::cmp::Ordering;
use std::ops::Range;

/// Whether `version` satisfies all parts of `constraint`; `None` where it is not a constraint.
pub fn satisfies(version: &str, constraint: &str) -> Option<bool> {
    let version = numbers(version)?;
    let mut all = true;
    for part in constraint.split(',') {
        let part = part.trim();
        let digits = part.find(|c: char| c.is_ascii_digit() || c == 'v')?;
        let (operator, wanted) = part.split_at(digits);
        let wanted = numbers(wanted.trim())?;
        let order = compare(&version, &wanted);
        all &= match operator.trim() {
            "" | "=" => order == Ordering::Equal,
            "!=" => order != Ordering::Equal,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            "~>" => {
                // The last number given may grow, those before it may not.
                let fixed = wanted.len().saturating_sub(1).max(1);
                let same = (0..fixed)
                    .all(|at| version.get(at).unwrap_or(&0) == wanted.get(at).unwrap_or(&0));
                order != Ordering::Less && same
            }
            _ => return None,
        };
    }
    Some(all)
}

/// Whether a release of these minor versions satisfies a constraint.
pub fn some_satisfies(major: u64, mut minors: Range<u64>, constraint: &str) -> bool {
    /// More than any minor version of Packer had.
    const PATCHES: u64 = 32;
    minors.any(|minor| {
        let mut releases = (0..PATCHES).map(|patch| format!("{major}.{minor}.{patch}"));
        releases.any(|release| satisfies(&release, constraint) == Some(true))
    })
}

/// Whether a text is a version: numbers with dots between them.
pub fn is_version(text: &str) -> bool {
    numbers(text).is_some()
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let release = text.split(['-', '+']).next()?;
    release.split('.').map(|part| part.parse().ok()).collect()
}

fn compare(a: &[u64], b: &[u64]) -> Ordering {
    let at = |list: &[u64], index: usize| list.get(index).copied().unwrap_or(0);
    (0..a.len().max(b.len()))
        .map(|index| at(a, index).cmp(&at(b, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::{satisfies, some_satisfies};

    #[test]
    fn constraints_mean_what_they_mean_elsewhere() {
        for (constraint, wanted) in [
            (">= 1.7.0", Some(true)),
            ("~> 1.8", Some(true)),
            ("~> 1.8.0", Some(false)),
            (">= 1.7.0, < 1.10", Some(false)),
            ("1.16.0", Some(true)),
            ("= 1.16", Some(true)),
            ("!= 1.16.0", Some(false)),
            ("> v1.0.0-beta", Some(true)),
            ("", None),
            ("latest", None),
            ("=> 1.0", None),
        ] {
            assert_eq!(satisfies("1.16.0", constraint), wanted, "{constraint}");
        }
    }

    #[test]
    fn constraints_that_earlier_releases_satisfy() {
        for constraint in ["~> 1.7.3", "= 1.11.2", ">= 1.5.1, < 1.9"] {
            assert!(some_satisfies(1, 5..16, constraint), "{constraint}");
        }
        for constraint in ["~> 0.12", ">= 1.17", "= 2.0.0", "< 1.5"] {
            assert!(!some_satisfies(1, 5..16, constraint), "{constraint}");
        }
    }
}
