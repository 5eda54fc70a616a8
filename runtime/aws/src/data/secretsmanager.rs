//! `amazon-secretsmanager`: a secret. All of its outputs are sensitive but the version.

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::data_source::DataSource;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Right, Scope};

use crate::account::{Access, Accounts};
use crate::data::{asked, not_read, rights, text};
use crate::error::failed;
use crate::rights::Part;
use crate::secrets::pick;

const COMPONENT: &str = "data source `amazon-secretsmanager`";

/// The data source `amazon-secretsmanager`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SecretsManager;

#[async_trait]
impl DataSource for SecretsManager {
    fn read(&self, options: &Value) -> Result<Value, Problem> {
        asked(read(&Options::new(COMPONENT, options)))
    }

    async fn rights(&self, options: &Value, scope: Scope) -> Vec<Right> {
        let options = Options::new(COMPONENT, options);
        rights(&options, &[Part::Secret], scope).await
    }
}

async fn read(options: &Options<'_>) -> Result<Value> {
    let name = options.required("name")?;
    let account = Accounts::default().get(&Access::read(options)?).await?;
    let answer = Client::new(account.config())
        .get_secret_value()
        .secret_id(&name)
        .set_version_id(options.string("version_id")?)
        .version_stage(
            options
                .string("version_stage")?
                .unwrap_or_else(|| "AWSCURRENT".to_owned()),
        )
        .send()
        .await
        .map_err(|error| {
            let what = format!("secret `{name}`");
            let attempt = format!("read the {what}");
            let failure = failed("secretsmanager:GetSecretValue", &attempt, &error);
            not_read(
                failure,
                &what,
                account.home(),
                "secretsmanager list-secrets",
            )
        })?;
    let whole = answer.secret_string();
    let value = match whole {
        None => None,
        Some(whole) => {
            let picked = pick(&name, options.string("key")?.as_deref(), whole.to_owned());
            Some(picked.map_err(|message| {
                Error::new(Class::Template, "run/aws-missing", message)
                    .help("`key` names one of the entries of a secret that is a JSON object")
            })?)
        }
    };
    let bytes = answer.secret_binary().map(|bytes| STANDARD.encode(bytes));
    let secret = |value: Option<&str>| text(value).mark(true);
    Ok(Value::object([
        ("secret_binary", secret(bytes.as_deref())),
        ("secret_string", secret(whole)),
        ("value", secret(value.as_deref())),
        ("version_id", text(answer.version_id())),
    ]))
}
