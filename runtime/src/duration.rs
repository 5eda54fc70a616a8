//! Durations as templates write them and as people read them.
//!
//! In: Go's notation (`5m`, `1h30m`, `1.5s`), which is Packer's. Out: [`Duration`], and the words of Packer's log
//! (`1 minute 2 seconds`).

use std::time::Duration;

/// A duration in Go's notation; a bare `0` is allowed, other bare numbers are not. Negative ones are refused.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    rest = rest.strip_prefix('+').unwrap_or(rest);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number * unit;
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// In words, the two largest units, as in Packer's log: `1 second 234 milliseconds`.
pub fn words(duration: Duration) -> String {
    let total = duration.as_micros();
    let units: [(u128, &str); 6] = [
        (86_400_000_000, "day"),
        (3_600_000_000, "hour"),
        (60_000_000, "minute"),
        (1_000_000, "second"),
        (1_000, "millisecond"),
        (1, "microsecond"),
    ];
    let mut rest = total;
    let mut parts = Vec::new();
    for (size, name) in units {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            parts.push(format!("{count} {name}{plural}"));
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        return "0 microseconds".into();
    }
    parts.join(" ")
}

/// Short, in Go's notation: `1m30s`, `250ms`.
pub fn short(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (hours, minutes, rest) = (
        millis / 3_600_000,
        millis / 60_000 % 60,
        (millis % 60_000) as f64 / 1000.0,
    );
    let seconds = format!("{rest}s");
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations() {
        let cases = [
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1.5s", Some(1_500)),
            ("250ms", Some(250)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("-1s", None),
            ("1d", None),
            ("s", None),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn words_are_those_of_the_log() {
        assert_eq!(
            words(Duration::from_micros(1_234_567)),
            "1 second 234 milliseconds"
        );
        assert_eq!(words(Duration::from_secs(3601)), "1 hour 1 second");
        assert_eq!(words(Duration::ZERO), "0 microseconds");
        assert_eq!(short(Duration::from_secs(90)), "1m30s");
        assert_eq!(short(Duration::from_millis(1500)), "1.5s");
        assert_eq!(short(Duration::from_millis(10)), "10ms");
    }
}
