//! Durations as Packer users write them: `5m`, `1h30m`, `1.5s`, `500ms` (the notation of Go's `time.ParseDuration`).

use std::time::Duration;

/// Reads a duration; `None` where the text is not one. A negative one, such as Packer's `-1s` for "off", is `Some(None)`.
pub(crate) fn parse(text: &str) -> Option<Option<Duration>> {
    let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(Some(Duration::ZERO));
    }
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        seconds += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    Some((!negative || duration.is_zero()).then_some(duration))
}

/// A duration for people: `5m`, `1h30m`, `1.5s`.
pub(crate) fn show(duration: Duration) -> String {
    let whole = duration.as_secs();
    if duration.subsec_millis() != 0 && whole < 60 {
        let text = format!("{:.1}", duration.as_secs_f64());
        return format!("{}s", text.trim_end_matches(".0"));
    }
    let parts = [
        (whole / 3600, "h"),
        (whole / 60 % 60, "m"),
        (whole % 60, "s"),
    ];
    let text: String = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read() {
        let millis = |text| parse(text).map(|duration| duration.map(|d| d.as_millis()));
        assert_eq!(millis("5m"), Some(Some(300_000)));
        assert_eq!(millis("1h30m"), Some(Some(5_400_000)));
        assert_eq!(millis("1.5s"), Some(Some(1_500)));
        assert_eq!(millis("500ms"), Some(Some(500)));
        assert_eq!(millis("0"), Some(Some(0)));
        assert_eq!(millis("-1s"), Some(None));
        for wrong in [
            "",
            "5",
            "m",
            "5 m",
            "5x",
            "-",
            "1.2.3s",
            "99999999999999999999h",
        ] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn durations_are_shown_short() {
        let show = |millis| show(Duration::from_millis(millis));
        assert_eq!(show(300_000), "5m");
        assert_eq!(show(5_400_000), "1h30m");
        assert_eq!(show(1_500), "1.5s");
        assert_eq!(show(0), "0s");
    }
}
