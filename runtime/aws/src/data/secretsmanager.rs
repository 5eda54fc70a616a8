//! `amazon-secretsmanager`: a secret. All of its outputs are sensitive but the version.

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::http::HttpResponse;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::{
    GetSecretValueError, GetSecretValueOutput,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::data_source::DataSource;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Right, Scope};

use crate::account::{Access, Accounts};
use crate::data::{asked, missing, not_read, rights, text};
use crate::error::{Meaning, answer, failed};
use crate::rights::Part;
use crate::secrets::pick;

const COMPONENT: &str = "data source `amazon-secretsmanager`";
const ACTION: &str = "secretsmanager:GetSecretValue";
/// The stage of the version that is in use.
const CURRENT: &str = "AWSCURRENT";

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
    let client = Client::new(account.config());
    let version = Which::read(options)?;
    let answer = match version.ask(&client, &name).await {
        Ok(answer) => answer,
        Err(error) => {
            let what = format!("secret `{name}`");
            let failure = failed(ACTION, &format!("read the {what}"), &error);
            let region = account.home();
            if !version.is_what_is_missing(&client, &name, &error).await {
                return Err(not_read(
                    failure,
                    &what,
                    region,
                    "secretsmanager list-secrets",
                ));
            }
            let message = format!("the {what} in {region} has no {}", version.described());
            let help = format!(
                "its versions and their stages shows `aws secretsmanager list-secret-version-ids --secret-id {name} \
                 --region {region}`; without `version_id` and `version_stage` it is the one with the stage `{CURRENT}`"
            );
            return Err(missing(failure, message, help));
        }
    };
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

/// Which version of a secret is read.
enum Which {
    /// `version_id`, which counts before a stage, as it does for Packer.
    Id(String),
    /// `version_stage`.
    Stage(String),
    /// The one in use: the template names none.
    Current,
}

impl Which {
    fn read(options: &Options<'_>) -> Result<Self> {
        Ok(
            match (
                options.string("version_id")?,
                options.string("version_stage")?,
            ) {
                (Some(id), _) => Self::Id(id),
                (None, Some(stage)) => Self::Stage(stage),
                (None, None) => Self::Current,
            },
        )
    }

    async fn ask(&self, client: &Client, name: &str) -> Answer {
        let request = client.get_secret_value().secret_id(name);
        let request = match self {
            Self::Id(id) => request.version_id(id),
            Self::Stage(stage) => request.version_stage(stage),
            Self::Current => request.version_stage(CURRENT),
        };
        request.send().await
    }

    /// Whether the secret is there, and this version of it is not. Amazon says so; where the answer leaves it open, the version
    /// in use is asked for, which takes the same right.
    async fn is_what_is_missing(&self, client: &Client, name: &str, error: &Failure) -> bool {
        if answer(error) != Some(Meaning::Missing) {
            return false;
        }
        if has_no_such_version(error) {
            return true;
        }
        match self {
            Self::Current => false,
            Self::Id(_) | Self::Stage(_) => match Self::Current.ask(client, name).await {
                Ok(_) => true,
                Err(error) => has_no_such_version(&error),
            },
        }
    }

    fn described(&self) -> String {
        match self {
            Self::Id(id) => format!("version `{id}`"),
            Self::Stage(stage) => format!("version with the stage `{stage}`"),
            Self::Current => format!("version with the stage `{CURRENT}`"),
        }
    }
}

type Failure = SdkError<GetSecretValueError, HttpResponse>;
type Answer = std::result::Result<GetSecretValueOutput, Failure>;

/// Whether an answer is about the value of a secret that is there: "can't find the specified secret value for staging label".
fn has_no_such_version(error: &Failure) -> bool {
    let message = error.message().unwrap_or_default();
    message.contains("secret value for")
}
