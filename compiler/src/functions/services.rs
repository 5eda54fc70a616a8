//! Functions that ask a service, through [`World::look_up`](crate::source::World::look_up).
//!
//! What they give is sensitive. While the world is offline it is unknown as well, so that a plan neither needs the
//! network nor fails on it.

use super::{CallCx, Function, FunctionError, FunctionResult, Param, Purity, Returns, Shape, text};
use crate::source::Lookup;
use crate::types::Type;
use crate::value::Value;

const STRING: Returns = Returns::Is(Shape::String);
const NAME: Param = Param::new("name", Shape::String);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "aws_secretsmanager",
        &[NAME, Param::new("key", Shape::String).nullable()],
        STRING,
        "A value of a secret in AWS Secrets Manager; with null or \"\" for the key, the only one it has.",
        (
            "aws_secretsmanager(\"web/database\", \"password\")",
            "(sensitive)",
        ),
        |args, cx| {
            let key = args[1].as_str().filter(|key| !key.is_empty());
            let name = text(args, 0);
            ask(&Lookup::AwsSecret { name, key }, cx)
        },
    )
    .reads(Purity::Network),
    Function::new(
        "aws_secretsmanager_raw",
        &[NAME],
        STRING,
        "A secret in AWS Secrets Manager, the whole text.",
        ("aws_secretsmanager_raw(\"web/key.pem\")", "(sensitive)"),
        |args, cx| ask(&Lookup::AwsSecretRaw { name: text(args, 0) }, cx),
    )
    .reads(Purity::Network),
    Function::new(
        "consul_key",
        &[Param::new("key", Shape::String)],
        STRING,
        "The value of a key in Consul.",
        ("consul_key(\"web/version\")", "(sensitive)"),
        |args, cx| ask(&Lookup::ConsulKey { key: text(args, 0) }, cx),
    )
    .reads(Purity::Network),
    Function::new(
        "vault",
        &[
            Param::new("path", Shape::String),
            Param::new("key", Shape::String),
        ],
        STRING,
        "A value of a secret in HashiCorp Vault.",
        ("vault(\"secret/data/web\", \"password\")", "(sensitive)"),
        |args, cx| {
            let (path, key) = (text(args, 0), text(args, 1));
            ask(&Lookup::Vault { path, key }, cx)
        },
    )
    .reads(Purity::Network),
];

fn ask(what: &Lookup<'_>, cx: &CallCx<'_>) -> FunctionResult {
    let found = cx.world.look_up(what).map_err(|message| FunctionError {
        // The message names what was asked for.
        quotes: true,
        ..FunctionError::new(message)
    })?;
    let value = match found {
        Some(found) => Value::string(found),
        None => Value::unknown(Type::String),
    };
    Ok(value.mark(true))
}
