//! `amazon-parameterstore`: a parameter of Systems Manager, its newest version unless the name ends with another one
//! (`/web/ami:3`) or a label (`/web/ami:live`).

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;
use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::data_source::DataSource;
use imgc_runtime::error::Result;
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Right, Scope};

use crate::account::{Access, Accounts};
use crate::data::{asked, not_read, rights, text};
use crate::error::failed;
use crate::region::incomplete;
use crate::rights::Part;

const COMPONENT: &str = "data source `amazon-parameterstore`";
const ACTION: &str = "ssm:GetParameter";

/// The data source `amazon-parameterstore`. The value of a secure string that was decrypted is sensitive.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParameterStore;

#[async_trait]
impl DataSource for ParameterStore {
    fn read(&self, options: &Value) -> Result<Value, Problem> {
        asked(read(&Options::new(COMPONENT, options)))
    }

    async fn rights(&self, options: &Value, scope: Scope) -> Vec<Right> {
        let options = Options::new(COMPONENT, options);
        let mut parts = vec![Part::ReadParameter];
        // What is unknown counts as given.
        if options.is_given("with_decryption") {
            parts.push(Part::ReadSecretParameter);
        }
        rights(&options, &parts, scope).await
    }
}

async fn read(options: &Options<'_>) -> Result<Value> {
    let name = options.required("name")?;
    let decrypt = options.bool("with_decryption")?;
    let account = Accounts::default().get(&Access::read(options)?).await?;
    let answer = Client::new(account.config())
        .get_parameter()
        .name(&name)
        .with_decryption(decrypt)
        .send()
        .await
        .map_err(|error| {
            let what = format!("parameter `{name}`");
            let failure = failed(ACTION, &format!("read the {what}"), &error);
            not_read(failure, &what, account.home(), "ssm describe-parameters")
        })?;
    let parameter = answer
        .parameter
        .ok_or_else(|| incomplete(ACTION, "parameter"))?;
    let secret = decrypt && parameter.r#type() == Some(&ParameterType::SecureString);
    Ok(Value::object([
        ("arn", text(parameter.arn())),
        ("value", text(parameter.value()).mark(secret)),
        ("version", Value::string(parameter.version().to_string())),
    ]))
}
