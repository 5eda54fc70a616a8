//! Functions of time.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

use super::{
    CallCx, Function, FunctionError, FunctionResult, Param, Purity, Returns, Shape, number, text,
};
use crate::types::Type;
use crate::value::Value;

const STRING: Returns = Returns::Is(Shape::String);
const FORMAT: Param = Param::new("format", Shape::String);
const TIMESTAMP: Param = Param::new("timestamp", Shape::String);

/// The numbers and names of a point in time.
const PARTS: [(&str, Type); 12] = [
    ("day", Type::Number),
    ("hour", Type::Number),
    ("iso_week", Type::Number),
    ("iso_year", Type::Number),
    ("minute", Type::Number),
    ("month", Type::Number),
    ("month_name", Type::String),
    ("second", Type::Number),
    ("weekday", Type::Number),
    ("weekday_name", Type::String),
    ("year", Type::Number),
    ("year_day", Type::Number),
];

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "formatdate",
        &[FORMAT, Param::new("time", Shape::String)],
        STRING,
        "A point in time after a pattern of letters such as `YYYY-MM-DD hh:mm:ss`.",
        (
            "formatdate(\"DD MMM YYYY\", \"2026-01-02T03:04:05Z\")",
            "\"02 Jan 2026\"",
        ),
        format_date,
    ),
    Function::new(
        "legacy_isotime",
        &[],
        STRING,
        "The start of the run after a pattern in which 2006-01-02 15:04:05 stands for it.",
        ("legacy_isotime(\"2006\")", "\"1970\""),
        |args, cx| {
            let now = now(cx)?;
            Ok(Value::string(match args.first() {
                Some(_) => go_layout(text(args, 0), &now),
                None => rfc3339(&now),
            }))
        },
    )
    .optional(FORMAT, 0, 1)
    .reads(Purity::Time),
    Function::new(
        "legacy_strftime",
        &[],
        STRING,
        "The start of the run after a pattern such as `%Y-%m-%d`.",
        ("legacy_strftime(\"%Y\")", "\"1970\""),
        |args, cx| {
            let now = now(cx)?;
            if args.is_empty() {
                return Ok(Value::string(rfc3339(&now)));
            }
            let formatted = jiff::fmt::strtime::format(text(args, 0), &now);
            formatted
                .map(Value::string)
                .map_err(|error| FunctionError::at(0, error.to_string()))
        },
    )
    .optional(FORMAT, 0, 1)
    .reads(Purity::Time),
    Function::new(
        "rfc3339_parse",
        &[TIMESTAMP],
        Returns::Follows(Shape::Any, |_| {
            Type::object(PARTS.into_iter().chain([("unix", Type::Number)]))
        }),
        "The parts of a point in time written as in RFC 3339.",
        (
            "rfc3339_parse(\"2026-01-02T03:04:05Z\").month_name",
            "\"January\"",
        ),
        |args, cx| {
            let time = parse(args, 0, cx)?;
            let unix = ("unix", Value::number(time.timestamp().as_second()));
            Ok(Value::object(parts(&time).into_iter().chain([unix])))
        },
    ),
    Function::new(
        "timeadd",
        &[TIMESTAMP, Param::new("duration", Shape::String)],
        STRING,
        "A point in time and a duration such as `-1h30m` added up.",
        (
            "timeadd(\"2026-01-02T03:04:05Z\", \"1h30m\")",
            "\"2026-01-02T04:34:05Z\"",
        ),
        time_add,
    ),
    Function::new(
        "timestamp",
        &[],
        STRING,
        "The start of the run, in UTC.",
        ("length(timestamp())", "20"),
        |_, cx| Ok(Value::string(rfc3339(&now(cx)?))),
    )
    .reads(Purity::Time),
    Function::new(
        "unix_timestamp_parse",
        &[Param::new("unix_timestamp", Shape::Number)],
        Returns::Follows(Shape::Any, |_| {
            Type::object(PARTS.into_iter().chain([("rfc3339", Type::String)]))
        }),
        "The parts of a point in time given in seconds since 1970, in UTC.",
        (
            "unix_timestamp_parse(0).rfc3339",
            "\"1970-01-01T00:00:00Z\"",
        ),
        |args, _| {
            let seconds = number(args, 0).floor().to_i64();
            let timestamp = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            let timestamp =
                timestamp.ok_or_else(|| FunctionError::at(0, "this time is out of range"))?;
            let time = timestamp.to_zoned(TimeZone::UTC);
            let text = ("rfc3339", Value::string(rfc3339(&time)));
            Ok(Value::object(parts(&time).into_iter().chain([text])))
        },
    ),
];

fn now(cx: &CallCx<'_>) -> Result<Zoned, FunctionError> {
    let (seconds, _) = cx.world.now();
    let timestamp = Timestamp::from_second(seconds);
    let timestamp = timestamp.map_err(|error| FunctionError::new(error.to_string()))?;
    Ok(timestamp.to_zoned(TimeZone::UTC))
}

/// Strictly as in RFC 3339: `2026-01-02T03:04:05Z`, with its own offset.
fn parse(args: &[Value], at: usize, cx: &CallCx<'_>) -> Result<Zoned, FunctionError> {
    let text = text(args, at);
    parse_rfc3339(text).ok_or_else(|| {
        let shown = cx.quote(text);
        let message = format!("expected a time such as `2026-01-02T03:04:05Z`, found {shown}");
        FunctionError::at(at, message)
    })
}

fn parse_rfc3339(text: &str) -> Option<Zoned> {
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    if !separators
        .iter()
        .all(|(at, byte)| bytes.get(*at) == Some(byte))
    {
        return None;
    }
    let (civil, offset) = match text.strip_suffix('Z') {
        Some(civil) => (civil, Offset::UTC),
        None => {
            let at = text.len().checked_sub(6)?;
            let (civil, offset) = (text.get(..at)?, text.get(at..)?);
            let digit = |at: usize| {
                let byte = *offset.as_bytes().get(at)?;
                byte.is_ascii_digit().then(|| i32::from(byte - b'0'))
            };
            let (hours, minutes) = (digit(1)? * 10 + digit(2)?, digit(4)? * 10 + digit(5)?);
            if offset.as_bytes()[3] != b':' || hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            let sign = match offset.as_bytes()[0] {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            (civil, Offset::from_seconds(sign * seconds).ok()?)
        }
    };
    let civil: DateTime = civil.parse().ok()?;
    offset
        .to_timestamp(civil)
        .ok()
        .map(|time| time.to_zoned(TimeZone::fixed(offset)))
}

/// A time of RFC 3339 as all functions write it, without fractions; `None` for other texts.
pub(super) fn normalize(text: &str) -> Option<String> {
    parse_rfc3339(text).map(|time| rfc3339(&time))
}

fn rfc3339(time: &Zoned) -> String {
    let time_of_day = time.strftime("%Y-%m-%dT%H:%M:%S");
    format!("{time_of_day}{}", offset_text(time, ":", "Z"))
}

/// `+02:00` with the given separator, or `utc` for none.
fn offset_text(time: &Zoned, separator: &str, utc: &str) -> String {
    let minutes = time.offset().seconds() / 60;
    if minutes == 0 && !utc.is_empty() {
        return utc.to_owned();
    }
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
}

fn parts(time: &Zoned) -> Vec<(&'static str, Value)> {
    let number = |value: i64| Value::number(value);
    let text = |pattern: &str| Value::string(time.strftime(pattern).to_string());
    let week = time.date().iso_week_date();
    vec![
        ("day", number(time.day().into())),
        ("hour", number(time.hour().into())),
        ("iso_week", number(week.week().into())),
        ("iso_year", number(week.year().into())),
        ("minute", number(time.minute().into())),
        ("month", number(time.month().into())),
        ("month_name", text("%B")),
        ("second", number(time.second().into())),
        (
            "weekday",
            number(time.weekday().to_sunday_zero_offset().into()),
        ),
        ("weekday_name", text("%A")),
        ("year", number(time.year().into())),
        ("year_day", number(time.day_of_year().into())),
    ]
}

fn time_add(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let time = parse(args, 0, cx)?;
    let duration = parse_duration(text(args, 1)).ok_or_else(|| {
        let shown = cx.quote(text(args, 1));
        FunctionError::at(
            1,
            format!("expected a duration such as `1h30m`, found {shown}"),
        )
    })?;
    let moved = time.checked_add(duration);
    let moved = moved.map_err(|_| FunctionError::at(1, "the result is out of range"))?;
    Ok(Value::string(rfc3339(&moved)))
}

/// Go's notation: `-1.5h`, `2h45m`, `300ms`; a bare `0`.
fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut nanoseconds = 0_i128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, unit_on) = rest.split_at(end);
        let units = [
            ("ns", 1),
            ("us", 1_000),
            ("µs", 1_000),
            ("μs", 1_000),
            ("ms", 1_000_000),
            ("s", 1_000_000_000),
            ("m", 60_000_000_000),
            ("h", 3_600_000_000_000_i64),
        ];
        let (unit, size) = units
            .into_iter()
            .find(|(unit, _)| unit_on.starts_with(unit))?;
        let amount = match amount.strip_prefix('.') {
            Some(fraction) => format!("0.{fraction}"),
            None => amount.trim_end_matches('.').to_owned(),
        };
        let amount = crate::value::Number::parse(&amount).ok()?;
        let amount = amount.multiply(&size.into()).ok()?.floor().to_i64()?;
        nanoseconds += i128::from(amount);
        rest = &unit_on[unit.len()..];
    }
    let nanoseconds = i64::try_from(if negative { -nanoseconds } else { nanoseconds }).ok()?;
    Some(SignedDuration::from_nanos(nanoseconds))
}

fn format_date(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let time = parse(args, 1, cx)?;
    let mut out = String::new();
    let mut rest = text(args, 0);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => {
                let (literal, length) = quoted(rest).ok_or_else(|| {
                    FunctionError::at(0, "a quoted part of the pattern has no closing `'`")
                })?;
                out.push_str(&literal);
                length
            }
            letter if letter.is_ascii_alphabetic() => {
                let length = rest.len() - rest.trim_start_matches(letter).len();
                out.push_str(&date_part(&rest[..length], &time).ok_or_else(|| {
                    let message = format!(
                        "the pattern has no part `{}`; plain text stands in single quotes",
                        &rest[..length]
                    );
                    FunctionError::quoting(0, message)
                })?);
                length
            }
            other => {
                out.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Ok(Value::string(out))
}

/// `'text'` at the start, in which `''` is a quote, and its length.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut literal = String::new();
    let mut at = 1;
    loop {
        let end = at + text[at..].find('\'')?;
        literal.push_str(&text[at..end]);
        at = end + 1;
        if !text[at..].starts_with('\'') {
            return Some((literal, at));
        }
        literal.push('\'');
        at += 1;
    }
}

fn date_part(part: &str, time: &Zoned) -> Option<String> {
    let pattern = match part {
        "YYYY" => "%Y",
        "YY" => "%y",
        "MMMM" => "%B",
        "MMM" => "%b",
        "MM" => "%m",
        "M" => "%-m",
        "DD" => "%d",
        "D" => "%-d",
        "EEEE" => "%A",
        "EEE" => "%a",
        "hh" => "%H",
        "h" => "%-H",
        "HH" => "%I",
        "H" => "%-I",
        "AA" => "%p",
        "aa" => "%P",
        "mm" => "%M",
        "m" => "%-M",
        "ss" => "%S",
        "s" => "%-S",
        "ZZZZZ" => return Some(offset_text(time, ":", "")),
        "ZZZZ" => return Some(offset_text(time, "", "")),
        "ZZZ" => return Some(offset_text(time, "", "UTC")),
        "Z" => return Some(offset_text(time, ":", "Z")),
        _ => return None,
    };
    Some(time.strftime(pattern).to_string())
}

/// Go's way to describe a time: by example, Monday 2 January 2006, 15:04:05, offset -07:00. Longer examples come first.
const LAYOUT: [(&str, &str); 33] = [
    ("January", "%B"),
    ("Monday", "%A"),
    ("-07:00:00", "%:z"),
    ("Z07:00", "Z:"),
    ("-07:00", "+:"),
    ("Z0700", "Z"),
    ("-0700", "+"),
    ("2006", "%Y"),
    ("Jan", "%b"),
    ("Mon", "%a"),
    ("MST", "UTC"),
    ("002", "%j"),
    ("-07", "h"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("_2", "%e"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
    ("4", "%-M"),
    ("5", "%-S"),
    (".000000000", "."),
    (".000000", "."),
    (".000", "."),
    (",000", "."),
    (".999", "."),
];

fn go_layout(layout: &str, time: &Zoned) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        let found = LAYOUT
            .iter()
            .find(|(example, _)| starts_with(rest, example));
        let Some((example, pattern)) = found else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        match *pattern {
            "Z:" => out.push_str(&offset_text(time, ":", "Z")),
            "Z" => out.push_str(&offset_text(time, "", "Z")),
            "+:" => out.push_str(&offset_text(time, ":", "")),
            "+" => out.push_str(&offset_text(time, "", "")),
            "h" => out.push_str(&offset_text(time, "", "")[..3]),
            "UTC" => out.push_str("UTC"),
            // The start of a run is known to the second; nines mean "no zeros at the end".
            "." if example.ends_with('9') => {}
            "." => out.push_str(&example.replace(',', ".")),
            pattern => out.push_str(&time.strftime(pattern).to_string()),
        }
        rest = &rest[example.len()..];
    }
    out
}

/// `Jan` counts only where no small letter follows, as in Go.
fn starts_with(text: &str, example: &str) -> bool {
    let Some(after) = text.strip_prefix(example) else {
        return false;
    };
    let follows = after.bytes().next();
    match example {
        "Jan" | "Mon" => !follows.is_some_and(|byte| byte.is_ascii_lowercase()),
        _ if example.starts_with(['.', ',']) => !follows.is_some_and(|byte| byte.is_ascii_digit()),
        _ => true,
    }
}
