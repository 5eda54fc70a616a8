//! Moments as tags hold them.

use imgc_runtime::state::Moment;

/// RFC 3339, UTC, whole seconds; empty where the moment is outside of the calendar.
pub(crate) fn written(moment: Moment) -> String {
    jiff::Timestamp::from_millisecond(moment)
        .and_then(|stamp| stamp.round(jiff::Unit::Second))
        .map_or_else(|_| String::new(), |stamp| stamp.to_string())
}

/// The moment that such a text stands for.
pub(crate) fn read(text: &str) -> Option<Moment> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    Some(stamp.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read("2026-09-21T14:13:20Z"), Some(1_790_000_000_000));
        assert_eq!(read("soon"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn moments_are_written_for_people_and_machines() {
        assert_eq!(written(1_790_000_000_000), "2026-09-21T14:13:20Z");
    }
}
