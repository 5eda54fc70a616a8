//! Functions from and to notations: JSON, YAML, CSV, Base64, URLs.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{CallCx, Function, FunctionError, FunctionResult, Param, Returns, Shape, text, yaml};
use crate::types::Type;
use crate::value::Value;

const STR: Param = Param::new("str", Shape::String);
const STRING: Returns = Returns::Is(Shape::String);
const ANY: Returns = Returns::Follows(Shape::Any, |_| Type::Any);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "base64decode",
        &[STR],
        STRING,
        "The text that a Base64 text stands for.",
        ("base64decode(\"aGVsbG8=\")", "\"hello\""),
        |args, _| {
            let bytes = decode_base64(args, 0)?;
            let text = String::from_utf8(bytes);
            text.map(Value::string)
                .map_err(|_| FunctionError::at(0, "the decoded bytes are not text in UTF-8"))
        },
    ),
    Function::new(
        "base64encode",
        &[STR],
        STRING,
        "The text in Base64.",
        ("base64encode(\"hello\")", "\"aGVsbG8=\""),
        |args, _| Ok(Value::string(STANDARD.encode(text(args, 0)))),
    ),
    Function::new(
        "base64gzip",
        &[STR],
        STRING,
        "The text compressed with gzip, in Base64.",
        ("substr(base64gzip(\"hello\"), 0, 4)", "\"H4sI\""),
        gzip,
    ),
    Function::new(
        "csvdecode",
        &[STR],
        Returns::Follows(Shape::List(&Shape::Any), |_| Type::list(Type::Any)),
        "The lines of a CSV text as objects by the names in its first line.",
        ("csvdecode(\"a,b\\n1,2\\n\")", "[{ a = \"1\", b = \"2\" }]"),
        csv_decode,
    ),
    Function::new(
        "jsondecode",
        &[STR],
        ANY,
        "The value that a JSON text stands for.",
        (
            "jsondecode(\"{\\\"a\\\": [1, true]}\")",
            "{ a = [1, true] }",
        ),
        |args, _| {
            Value::from_json_text(text(args, 0))
                .map_err(|error| FunctionError::at(0, format!("this is not JSON: {error}")))
        },
    ),
    Function::new(
        "jsonencode",
        &[Param::new("val", Shape::Any).nullable()],
        STRING,
        "The value as compact JSON.",
        ("jsonencode({ a = [1, true] })", "\"{\\\"a\\\":[1,true]}\""),
        |args, _| {
            let json = args[0].to_json_text();
            json.map(Value::string)
                .map_err(|error| FunctionError::at(0, error.to_string()))
        },
    ),
    Function::new(
        "textdecodebase64",
        &[
            Param::new("source", Shape::String),
            Param::new("encoding", Shape::String),
        ],
        STRING,
        "The text that Base64 stands for, in the character encoding of that name.",
        ("textdecodebase64(\"aABpAA==\", \"UTF-16LE\")", "\"hi\""),
        text_decode,
    ),
    Function::new(
        "textencodebase64",
        &[
            Param::new("string", Shape::String),
            Param::new("encoding", Shape::String),
        ],
        STRING,
        "The text in the character encoding of that name, in Base64.",
        ("textencodebase64(\"hi\", \"UTF-16LE\")", "\"aABpAA==\""),
        text_encode,
    ),
    Function::new(
        "urlencode",
        &[STR],
        STRING,
        "The text as it may stand in the query of a URL.",
        ("urlencode(\"a b&c\")", "\"a+b%26c\""),
        |args, _| {
            /// What stays, besides letters and digits.
            const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
                .remove(b'-')
                .remove(b'_')
                .remove(b'.')
                .remove(b'~')
                .remove(b' ');
            let encoded = utf8_percent_encode(text(args, 0), RESERVED).to_string();
            Ok(Value::string(encoded.replace(' ', "+")))
        },
    ),
    Function::new(
        "yamldecode",
        &[Param::new("src", Shape::String)],
        ANY,
        "The value that a YAML text stands for.",
        ("yamldecode(\"a: [1, x]\")", "{ a = [1, \"x\"] }"),
        |args, _| yaml::decode(text(args, 0)).map_err(|error| FunctionError::quoting(0, error)),
    ),
    Function::new(
        "yamlencode",
        &[Param::new("value", Shape::Any).nullable()],
        STRING,
        "The value as YAML.",
        (
            "yamlencode({ a = [1, \"x\"] })",
            "\"\\\"a\\\":\\n- 1\\n- \\\"x\\\"\\n\"",
        ),
        |args, _| Ok(Value::string(yaml::encode(&args[0]))),
    ),
];

fn decode_base64(args: &[Value], at: usize) -> Result<Vec<u8>, FunctionError> {
    // Line ends are allowed, as in Packer.
    let text = text(args, at).replace(['\r', '\n'], "");
    STANDARD
        .decode(text)
        .map_err(|_| FunctionError::at(at, "this is not Base64"))
}

fn gzip(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let written = encoder.write_all(text(args, 0).as_bytes());
    let bytes = written.and_then(|()| encoder.finish());
    let bytes = bytes.map_err(|error| FunctionError::new(error.to_string()))?;
    Ok(Value::string(STANDARD.encode(bytes)))
}

fn csv_decode(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let malformed = |error: csv::Error| FunctionError::at(0, format!("this is not CSV: {error}"));
    check_quotes(text(args, 0)).map_err(|(line, reason)| {
        FunctionError::at(0, format!("this is not CSV: line {line}: {reason}"))
    })?;
    let mut reader = csv::Reader::from_reader(text(args, 0).as_bytes());
    let names = reader.headers().map_err(malformed)?.clone();
    if names.is_empty() {
        return Err(FunctionError::at(0, "the line with the names is missing"));
    }
    let mut sorted: Vec<&str> = names.iter().collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let name = crate::convert::shortened(pair[0]);
        return Err(FunctionError::quoting(
            0,
            format!("two columns have the name {name}"),
        ));
    }
    let ty = Type::object(sorted.iter().map(|name| (*name, Type::String)));
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(malformed)?;
        rows.push(Value::object(
            names.iter().zip(record.iter().map(Value::from)),
        ));
    }
    Ok(Value::list(ty, rows))
}

/// The first wrong quote of a CSV text: its line, from 1, and what is wrong. The reader itself lets all of them pass.
fn check_quotes(text: &str) -> Result<(), (usize, &'static str)> {
    #[derive(PartialEq)]
    enum At {
        Start,
        Plain,
        Quoted,
        Closed,
    }
    let mut at = At::Start;
    let mut line = 1;
    for character in text.chars() {
        at = match (at, character) {
            (At::Quoted, '"') => At::Closed,
            (At::Quoted, _) => At::Quoted,
            (At::Start | At::Closed, '"') => At::Quoted,
            (At::Plain, '"') => return Err((line, "a quote in a field that has none around it")),
            (_, ',' | '\n') => At::Start,
            (At::Closed, '\r') => At::Closed,
            (At::Closed, _) => return Err((line, "something follows a closing quote")),
            _ => At::Plain,
        };
        line += usize::from(character == '\n');
    }
    match at {
        At::Quoted => Err((line, "a quote is not closed")),
        _ => Ok(()),
    }
}

/// UTF-16 both ways and the single-byte encodings of the web, by their IANA names.
enum Charset {
    Utf16 { big: bool },
    Other(&'static encoding_rs::Encoding),
}

fn charset(args: &[Value], at: usize) -> Result<Charset, FunctionError> {
    let name = text(args, at);
    match name.to_ascii_uppercase().as_str() {
        "UTF-16LE" => Ok(Charset::Utf16 { big: false }),
        "UTF-16BE" | "UTF-16" => Ok(Charset::Utf16 { big: true }),
        _ => encoding_rs::Encoding::for_label(name.as_bytes())
            .map(Charset::Other)
            .ok_or_else(|| FunctionError::at(at, "there is no character encoding of that name")),
    }
}

fn text_encode(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let text = text(args, 0);
    let bytes = match charset(args, 1)? {
        Charset::Utf16 { big: true } => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Charset::Utf16 { big: false } => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Charset::Other(encoding) => match encoding.encode(text) {
            (bytes, _, false) => bytes.into_owned(),
            _ => {
                let message = "the text has a character that the encoding does not have";
                return Err(FunctionError::at(0, message));
            }
        },
    };
    Ok(Value::string(STANDARD.encode(bytes)))
}

fn text_decode(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let bytes = decode_base64(args, 0)?;
    let malformed = || FunctionError::at(0, "the bytes are not text in this encoding");
    let text = match charset(args, 1)? {
        Charset::Utf16 { big } => {
            let (pairs, rest) = bytes.as_chunks::<2>();
            if !rest.is_empty() {
                return Err(malformed());
            }
            let unit = |pair: &[u8; 2]| match big {
                true => u16::from_be_bytes(*pair),
                false => u16::from_le_bytes(*pair),
            };
            let units: Vec<u16> = pairs.iter().map(unit).collect();
            String::from_utf16(&units).map_err(|_| malformed())?
        }
        Charset::Other(encoding) => encoding
            .decode_without_bom_handling_and_without_replacement(&bytes)
            .ok_or_else(malformed)?
            .into_owned(),
    };
    Ok(Value::string(text))
}
