//! YAML from and to values, as Packer reads and writes it: one document, scalars by the words and numbers of YAML 1.1.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use saphyr_parser::{Event, Parser, ScalarStyle};
use smol_str::SmolStr;

use crate::types::Type;
use crate::value::{Data, Number, Value};

/// Deepest nesting read.
const MAX_DEPTH: usize = 120;
/// Most parts of the value, aliases counted in full: a small text cannot stand for an enormous value.
const MAX_PARTS: usize = 1_000_000;

/// The value of a YAML text, or what is wrong with it.
pub(super) fn decode(text: &str) -> Result<Value, String> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        parts: 0,
    };
    match reader.next()? {
        Event::StreamStart => {}
        _ => return Err("this is not YAML".to_owned()),
    }
    match reader.next()? {
        Event::DocumentStart(_) => {}
        _ => return Err("the text is empty".to_owned()),
    }
    let event = reader.next()?;
    let value = reader.value(event, 0)?;
    reader.next()?;
    match reader.next()? {
        Event::StreamEnd => Ok(value),
        _ => Err("there is more than one document in the text".to_owned()),
    }
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: HashMap<usize, (Value, usize)>,
    parts: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Event<'t>, String> {
        loop {
            return match self.parser.next() {
                Some(Ok((Event::Nothing, _))) => continue,
                Some(Ok((event, _))) => Ok(event),
                Some(Err(error)) => {
                    let mark = error.marker();
                    let (line, column) = (mark.line(), mark.col() + 1);
                    Err(format!("line {line}, column {column}: {}", error.info()))
                }
                None => Ok(Event::StreamEnd),
            };
        }
    }

    fn value(&mut self, event: Event<'t>, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} levels of nesting"));
        }
        self.count(1)?;
        let before = self.parts;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(tag) = tag.as_ref().filter(|tag| !tag.is_yaml_core_schema()) {
                    return Err(format!(
                        "the tag `{}{}` is not supported",
                        tag.handle, tag.suffix
                    ));
                }
                let tag = tag.as_ref().map(|tag| tag.suffix.as_str());
                (scalar(&text, style, tag)?, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut parts = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd => break,
                        event => parts.push(self.value(event, depth + 1)?),
                    }
                }
                (Value::tuple(parts), anchor)
            }
            Event::MappingStart(anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => {
                let (value, size) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or("an alias has no anchor before it")?;
                self.count(size)?;
                return Ok(value);
            }
            _ => return Err("a value is missing".to_owned()),
        };
        if anchor != 0 {
            self.anchors
                .insert(anchor, (value.clone(), self.parts - before));
        }
        Ok(value)
    }

    fn count(&mut self, parts: usize) -> Result<(), String> {
        self.parts += parts;
        if self.parts > MAX_PARTS {
            return Err(format!("the value has more than {MAX_PARTS} parts"));
        }
        Ok(())
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let mut entries: BTreeMap<SmolStr, Value> = BTreeMap::new();
        loop {
            let event = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let key = self.value(event, depth + 1)?;
            let event = self.next()?;
            let value = self.value(event, depth + 1)?;
            if is_merge {
                merge(&value, &mut entries)?;
                continue;
            }
            let key = match key.data() {
                Data::String(text) => text.clone(),
                Data::Number(number) => number.to_string().into(),
                Data::Bool(value) => value.to_string().into(),
                _ => return Err("a key is not a plain value".to_owned()),
            };
            entries.insert(key, value);
        }
        Ok(Value::object(entries))
    }
}

/// `<<`: the entries of one mapping or of several, of which the first counts. As in Packer, what stands later in the
/// mapping counts more.
fn merge(value: &Value, entries: &mut BTreeMap<SmolStr, Value>) -> Result<(), String> {
    let sources = value.as_slice().unwrap_or(std::slice::from_ref(value));
    for source in sources.iter().rev() {
        let source = source.as_map().ok_or("what `<<` merges is no mapping")?;
        entries.extend(
            source
                .iter()
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>) -> Result<Value, String> {
    let is_plain = style == ScalarStyle::Plain && tag.is_none();
    match tag {
        None if !is_plain => return Ok(Value::string(text)),
        Some("str" | "binary") => return Ok(Value::string(text)),
        _ => {}
    }
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::null(Type::Any),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::bool(false)
        }
        _ => match plain_number(text) {
            Some(number) => number?,
            None => Value::string(date(text).unwrap_or_else(|| text.to_owned())),
        },
    };
    Ok(value)
}

/// Decimal, binary (`0b`), digits grouped with `_`; `None` for what is no number.
fn plain_number(text: &str) -> Option<Result<Value, String>> {
    let first = text.bytes().next()?;
    if !first.is_ascii_digit() && !matches!(first, b'+' | b'-' | b'.') {
        return None;
    }
    let infinite = matches!(
        text.trim_start_matches(['+', '-']),
        ".inf" | ".Inf" | ".INF"
    );
    if infinite || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Err(format!("`{text}` is not a number here")));
    }
    let plain = text.replace('_', "");
    if let Some(binary) = plain.strip_prefix("0b") {
        let number = i64::from_str_radix(binary, 2).ok()?;
        return Some(Ok(Value::number(number)));
    }
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let digits = match digits.strip_prefix('.') {
        Some(fraction) => format!("0.{fraction}"),
        None => digits.strip_suffix('.').unwrap_or(digits).to_owned(),
    };
    let digits = digits.replace(".e", "e").replace(".E", "e");
    let number = Number::parse(&format!("{sign}{digits}")).ok()?;
    Some(Ok(Value::number(number)))
}

/// A plain `2001-01-01`, `2001-01-01 10:20:30` or RFC 3339 text is a point in time, written out in full.
fn date(text: &str) -> Option<String> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let (day, time) = text
        .split_once(['T', 't', ' '])
        .unwrap_or((text, "00:00:00Z"));
    let mut parts = day.splitn(3, '-');
    let mut part = |longest: usize| {
        let part = parts.next().filter(|part| part.len() <= longest)?;
        part.parse::<u16>().ok()
    };
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let utc = if text.contains(' ') { "Z" } else { "" };
    super::time::normalize(&format!("{year:04}-{month:02}-{day:02}T{time}{utc}"))
}

/// The value as one YAML document: strings in quotes, block style, keys sorted.
pub(super) fn encode(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, Place::Root, &mut out);
    // A bare word needs the end of the document said.
    if !out.starts_with('"') && value.len().is_none() && value.as_str().is_none() {
        out.push_str("...\n");
    }
    out
}

/// Where a value is written: it decides what comes before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    AfterKey,
    AfterDash,
}

fn write(value: &Value, indent: usize, place: Place, out: &mut String) {
    let gap = match place {
        Place::Root => "",
        Place::AfterKey | Place::AfterDash => " ",
    };
    match value.data() {
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) if !parts.is_empty() => {
            // A list in an object stands at the object's own depth; in a list it goes on in the line.
            let inner = if place == Place::AfterKey {
                indent.saturating_sub(2)
            } else {
                indent
            };
            for (at, part) in parts.iter().enumerate() {
                begin(at, inner, place, out);
                out.push('-');
                write(part, inner + 2, Place::AfterDash, out);
            }
        }
        Data::Map(_, entries) | Data::Object(entries) if !entries.is_empty() => {
            for (at, (key, part)) in entries.iter().enumerate() {
                begin(at, indent, place, out);
                out.push_str(&quoted(key));
                out.push(':');
                write(part, indent + 2, Place::AfterKey, out);
            }
        }
        Data::String(text) if text.contains('\n') && is_block(text) => {
            let hint = if text.starts_with([' ', '\n']) {
                "2"
            } else {
                ""
            };
            let chomp = match text.strip_suffix('\n') {
                None => "-",
                Some(rest) if rest.is_empty() || rest.ends_with('\n') => "+",
                Some(_) => "",
            };
            writeln!(out, "{gap}|{hint}{chomp}").expect("strings take all text");
            let depth = indent.max(2);
            for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                let padding = if line.is_empty() { 0 } else { depth };
                writeln!(out, "{:padding$}{line}", "").expect("strings take all text");
            }
        }
        _ => {
            let text = match value.data() {
                Data::Null(_) | Data::Unknown(_) => "null".to_owned(),
                Data::Bool(value) => value.to_string(),
                Data::Number(number) => number.to_string(),
                Data::String(text) => quoted(text),
                Data::Map(..) | Data::Object(_) => "{}".to_owned(),
                _ => "[]".to_owned(),
            };
            writeln!(out, "{gap}{text}").expect("strings take all text");
        }
    }
}

/// What stands before the entry number `at` of a collection.
fn begin(at: usize, indent: usize, place: Place, out: &mut String) {
    match (at, place) {
        (0, Place::AfterDash) => out.push(' '),
        (0, Place::AfterKey) => {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
        }
        _ => out.push_str(&" ".repeat(indent)),
    }
}

/// Whether a text of several lines can stand as a block: nothing in it needs an escape, and no line
/// ends in a blank.
fn is_block(text: &str) -> bool {
    let plain = |c: char| c == '\n' || quoted(c.encode_utf8(&mut [0; 4])).chars().count() == 3;
    text.chars().all(plain) && !text.split('\n').any(|line| line.ends_with(' '))
}

/// In double quotes, with YAML's escapes, as `libyaml` writes them.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        let escape = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\0' => "\\0",
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\u{b}' => "\\v",
            '\u{c}' => "\\f",
            '\u{1b}' => "\\e",
            '\u{85}' => "\\N",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            '\u{feff}' => "\\uFEFF",
            _ => "",
        };
        let code = character as u32;
        match escape {
            "" if character.is_control() => write!(out, "\\x{code:02X}"),
            "" if code > 0xffff => write!(out, "\\U{code:08X}"),
            "" => write!(out, "{character}"),
            escape => out.write_str(escape),
        }
        .expect("strings take all text");
    }
    out.push('"');
    out
}
