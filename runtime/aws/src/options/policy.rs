//! `temporary_iam_instance_profile_policy_document`: what the instance itself may do at Amazon while it is provisioned.

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use serde_json::{Value as Json, json};

use super::list;

const OPTION: &str = "temporary_iam_instance_profile_policy_document";
/// The version of IAM's policy language.
const VERSION: &str = "2012-10-17";

/// The policy as IAM takes it; `None` where the template has none.
pub(crate) fn read(options: &Options<'_>) -> Result<Option<String>> {
    let Some(value) = options.value(OPTION) else {
        return Ok(None);
    };
    if options.is_given("iam_instance_profile") {
        return Err(wrong(format!(
            "`iam_instance_profile` and `{OPTION}` are both set"
        ))
        .help("an instance has one profile: keep one of the two"));
    }
    let block = Options::new(OPTION, value);
    let statements = list(&block, "Statement").into_iter().map(|statement| {
        let statement = Options::new("`Statement`", statement);
        let effect = statement.string("Effect")?;
        Ok(json!({
            "Effect": effect.as_deref().unwrap_or("Allow"),
            "Action": statement.plain_strings("Action")?,
            "Resource": statement.plain_strings("Resource")?,
        }))
    });
    let statements = statements.collect::<Result<Vec<Json>>>()?;
    if statements.is_empty() {
        return Err(wrong(format!("`{OPTION}` allows nothing")).help(
            "write a block `Statement { Effect = \"Allow\", Action = […], Resource = […] }` in it",
        ));
    }
    let version = block.string("Version")?;
    let policy = json!({
        "Version": version.as_deref().unwrap_or(VERSION),
        "Statement": statements,
    });
    Ok(Some(policy.to_string()))
}

fn wrong(message: String) -> Error {
    Error::new(Class::Template, "run/aws-option", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::value::Value;
    use imgc_runtime::testing::object;

    use super::*;

    #[test]
    fn blocks_become_a_policy() {
        let statement = object([
            ("Effect", Value::string("Allow")),
            ("Action", Value::string("s3:GetObject")),
            ("Resource", Value::string("*")),
        ]);
        let document = object([("Statement", statement)]);
        let options = object([(OPTION, document.clone())]);
        let policy = read(&Options::new("source", &options)).unwrap().unwrap();
        let policy: Json = serde_json::from_str(&policy).unwrap();
        assert_eq!(
            policy,
            json!({"Version": VERSION, "Statement": [
                {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]}
            ]})
        );
        let both = object([
            (OPTION, document),
            ("iam_instance_profile", Value::string("ops")),
        ]);
        let error = read(&Options::new("source", &both)).unwrap_err();
        assert_eq!(error.id, "run/aws-option");
    }
}
