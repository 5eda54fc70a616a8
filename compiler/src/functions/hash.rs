//! Digests, passwords, identities.

use std::fmt::Write as _;

use sha2::Digest as _;
use uuid::Uuid;

use super::{
    CallCx, Function, FunctionError, FunctionResult, Param, Purity, Returns, Shape, integer, text,
};
use crate::value::Value;

const STR: Param = Param::new("str", Shape::String);
const STRING: Returns = Returns::Is(Shape::String);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "bcrypt",
        &[STR],
        STRING,
        "The text as a bcrypt password hash, of a cost that may be given (10); another one each time.",
        ("length(bcrypt(\"secret\", 4))", "60"),
        bcrypt,
    )
    .optional(Param::new("cost", Shape::Number), 0, 1)
    .reads(Purity::Random),
    Function::new(
        "md5",
        &[STR],
        STRING,
        "The MD5 digest of the text, in hexadecimal.",
        ("md5(\"hello\")", "\"5d41402abc4b2a76b9719d911017c592\""),
        |args, _| Ok(Value::string(hex(&md5::Md5::digest(text(args, 0))))),
    ),
    Function::new(
        "sha1",
        &[STR],
        STRING,
        "The SHA-1 digest of the text, in hexadecimal.",
        ("sha1(\"hello\")", "\"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\""),
        |args, _| Ok(Value::string(hex(&sha1::Sha1::digest(text(args, 0))))),
    ),
    Function::new(
        "sha256",
        &[STR],
        STRING,
        "The SHA-256 digest of the text, in hexadecimal.",
        (
            "sha256(\"hello\")",
            "\"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"",
        ),
        |args, _| Ok(Value::string(hex(&sha2::Sha256::digest(text(args, 0))))),
    ),
    Function::new(
        "sha512",
        &[STR],
        STRING,
        "The SHA-512 digest of the text, in hexadecimal.",
        (
            "substr(sha512(\"hello\"), 0, 32)",
            "\"9b71d224bd62f3785d96d46ad3ea3d73\"",
        ),
        |args, _| Ok(Value::string(hex(&sha2::Sha512::digest(text(args, 0))))),
    ),
    Function::new(
        "uuidv4",
        &[],
        STRING,
        "A new random UUID.",
        ("length(uuidv4())", "36"),
        |_, cx| {
            let uuid = uuid::Builder::from_random_bytes(cx.world.random()).into_uuid();
            Ok(Value::string(uuid.to_string()))
        },
    )
    .reads(Purity::Random),
    Function::new(
        "uuidv5",
        &[
            Param::new("namespace", Shape::String),
            Param::new("name", Shape::String),
        ],
        STRING,
        "The UUID of a name in a namespace: `dns`, `url`, `oid`, `x500` or a UUID.",
        (
            "uuidv5(\"dns\", \"example.com\")",
            "\"cfbff0d1-9375-5685-968c-48ce8b15ae17\"",
        ),
        uuid_v5,
    ),
];

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("strings take all text");
    }
    text
}

fn bcrypt(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    const HIGHEST: i64 = 18;
    let cost = if args.len() > 1 {
        integer(args, 1)?
    } else {
        10
    };
    if !(4..=HIGHEST).contains(&cost) {
        let message = format!("expected a cost from 4 to {HIGHEST}, found {cost}");
        return Err(FunctionError::quoting(1, message));
    }
    let password = text(args, 0);
    if password.len() > 72 {
        return Err(FunctionError::at(0, "bcrypt takes no more than 72 bytes"));
    }
    bcrypt::hash_with_salt(password, cost as u32, cx.world.random())
        .map(|hash| Value::string(hash.format_for_version(bcrypt::Version::TwoA)))
        .map_err(|error| FunctionError::new(error.to_string()))
}

fn uuid_v5(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let namespace = match text(args, 0) {
        "dns" => Uuid::NAMESPACE_DNS,
        "url" => Uuid::NAMESPACE_URL,
        "oid" => Uuid::NAMESPACE_OID,
        "x500" => Uuid::NAMESPACE_X500,
        other => Uuid::parse_str(other).map_err(|_| {
            let other = cx.quote(other);
            let message = format!(
                "expected `dns`, `url`, `oid`, `x500` or a UUID as the namespace, found {other}"
            );
            FunctionError::at(0, message)
        })?,
    };
    let uuid = Uuid::new_v5(&namespace, text(args, 1).as_bytes());
    Ok(Value::string(uuid.to_string()))
}
