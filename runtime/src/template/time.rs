//! Go's way of writing time formats: a layout is an example of the time `Mon Jan 2 15:04:05 MST 2006`.

use jiff::civil::Weekday;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The longest first, since `01` begins like nothing else but `2` begins `2006`.
const ELEMENTS: &[&str] = &[
    "January", "Monday", "Z07:00", "-07:00", "2006", "Z0700", "-0700", "Jan", "Mon", "MST", "002",
    "Z07", "-07", "06", "01", "02", "03", "04", "05", "15", "_2", "PM", "pm", "1", "2", "3", "4",
    "5",
];

/// Formats a time, given as seconds and nanoseconds since 1970, by a Go layout, in UTC. `None` if the time is out of
/// range.
pub fn go_layout(seconds: i64, nanoseconds: u32, layout: &str) -> Option<String> {
    let time = jiff::Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC);
    let hour12 = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let month = MONTHS[usize::try_from(time.month() - 1).ok()?];
    let weekday = match time.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    };
    let mut result = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some((digits, length)) = fraction(rest) {
            let shown = format!("{nanoseconds:09}")[..digits].to_owned();
            if rest[1..].starts_with('0') {
                result.push_str(&rest[..1]);
                result.push_str(&shown);
            } else if !shown.trim_end_matches('0').is_empty() {
                result.push_str(&rest[..1]);
                result.push_str(shown.trim_end_matches('0'));
            }
            rest = &rest[length..];
            continue;
        }
        let Some(element) = ELEMENTS.iter().find(|element| rest.starts_with(**element)) else {
            result.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        result.push_str(&match *element {
            "January" => month.to_owned(),
            "Jan" => month[..3].to_owned(),
            "Monday" => weekday.to_owned(),
            "Mon" => weekday[..3].to_owned(),
            "MST" => "UTC".to_owned(),
            "Z07:00" | "Z0700" | "Z07" => "Z".to_owned(),
            "-07:00" => "+00:00".to_owned(),
            "-0700" => "+0000".to_owned(),
            "-07" => "+00".to_owned(),
            "2006" => format!("{:04}", time.year()),
            "06" => format!("{:02}", time.year().rem_euclid(100)),
            "01" => format!("{:02}", time.month()),
            "1" => time.month().to_string(),
            "002" => format!("{:03}", time.day_of_year()),
            "02" => format!("{:02}", time.day()),
            "_2" => format!("{:2}", time.day()),
            "2" => time.day().to_string(),
            "15" => format!("{:02}", time.hour()),
            "03" => format!("{hour12:02}"),
            "3" => hour12.to_string(),
            "04" => format!("{:02}", time.minute()),
            "4" => time.minute().to_string(),
            "05" => format!("{:02}", time.second()),
            "5" => time.second().to_string(),
            "PM" => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            _ => if time.hour() < 12 { "am" } else { "pm" }.to_owned(),
        });
        rest = &rest[element.len()..];
    }
    Some(result)
}

/// `.000`, `,999`: a point or comma before zeros or nines that end there. Gives the digits and the length.
fn fraction(rest: &str) -> Option<(usize, usize)> {
    let digits = rest.strip_prefix(['.', ','])?;
    let kind = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.chars().take_while(|c| *c == kind).count();
    let ends = !digits[count..].starts_with(|c: char| c.is_ascii_digit());
    (ends && count <= 9).then_some((count, count + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let cases = [
            ("2006-01-02T15:04:05Z07:00", "2023-11-14T22:13:20Z"),
            (
                "Mon Jan _2 15:04:05 MST 2006",
                "Tue Nov 14 22:13:20 UTC 2023",
            ),
            ("02/01/06 03:04PM", "14/11/23 10:13PM"),
            ("20060102", "20231114"),
            ("3:4:5 pm, January 2", "10:13:20 pm, November 14"),
            ("15.000 .999", "22.120 .12"),
            ("0102002 -0700", "1114318 +0000"),
            ("é", "é"),
        ];
        for (layout, answer) in cases {
            assert_eq!(
                go_layout(1_700_000_000, 120_000_000, layout).as_deref(),
                Some(answer),
                "{layout}"
            );
        }
    }
}
