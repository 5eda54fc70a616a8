//! The flags of `imgc cache` and `imgc update`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{LookArgs, TemplateArgs};

/// What is asked about the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheAction {
    /// List what builds can be gone on with, what it takes, and where it is.
    Ls,
    /// Remove what is beyond the limits, expired, damaged, or nobody's.
    Prune,
}

/// `imgc cache`.
#[derive(Args, Debug)]
pub(crate) struct CacheArgs {
    /// What to do.
    #[arg(value_enum, value_name = "SUBCOMMAND")]
    pub(crate) action: CacheAction,
    /// Remove everything that no running build uses.
    #[arg(long, help_heading = "Limits for prune")]
    pub(crate) all: bool,
    /// How much may stay here, what was used last: `10GiB`, `500M`. Images at a provider do not count.
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Limits for prune")]
    pub(crate) keep_size: Option<u64>,
    /// Remove what was used longer ago than this: `30d`, `12h`.
    #[arg(long, value_name = "AGE", value_parser = age, help_heading = "Limits for prune")]
    pub(crate) older_than: Option<Duration>,
    /// Say what would be removed, and remove nothing.
    #[arg(long, help_heading = "Limits for prune")]
    pub(crate) dry_run: bool,
    /// As JSON.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) look: LookArgs,
}

/// `imgc update`.
#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Only what has this in its name; may be repeated.
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Vec<String>,
}

/// A number of bytes: `20GiB`, `20G` (the same), `1.5TiB`, `500000`; `GB` are powers of ten.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write `20GiB`, `500M` or a number of bytes");
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| wrong())?;
    let unit: f64 = match text[end..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(wrong()),
    };
    Ok((number * unit) as u64)
}

/// An age: a duration, or days and weeks.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    let hours = |rest: &str, hours: u64| {
        let number = rest.parse::<u64>().ok()?.checked_mul(hours)?;
        Some(Duration::from_secs(number.checked_mul(3600)?))
    };
    let found = match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(days), _) => hours(days, 24),
        (_, Some(weeks)) => hours(weeks, 24 * 7),
        _ => imgc_runtime::duration::parse(text),
    };
    found.ok_or_else(|| format!("`{text}` is no age: write `30d`, `2w` or `12h`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_are_read_as_people_write_them() {
        assert_eq!(size("10GiB"), Ok(10 << 30));
        assert_eq!(size("1.5G"), Ok(3 << 29));
        assert_eq!(size("500"), Ok(500));
        assert_eq!(size("2 MB"), Ok(2_000_000));
        assert!(size("GiB").is_err() && size("1x").is_err() && size("").is_err());
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(age("2w"), Ok(Duration::from_secs(14 * 86_400)));
        assert_eq!(age("90m"), Ok(Duration::from_secs(5400)));
        assert!(age("d").is_err() && age("99999999999999999999d").is_err());
    }
}
