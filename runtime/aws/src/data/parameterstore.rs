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
use crate::data::{asked, missing, not_read, rights, text};
use crate::error::{Meaning, answer, failed};
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
    let client = Client::new(account.config());
    let request = client.get_parameter().name(&name);
    let answer = match request.with_decryption(decrypt).send().await {
        Ok(answer) => answer,
        Err(error) => {
            let failure = failed(ACTION, &format!("read the parameter `{name}`"), &error);
            let is_missing = answer(&error) == Some(Meaning::Missing);
            let region = account.home();
            let list = "ssm describe-parameters";
            let (bare, version) = match split(&name).filter(|_| is_missing) {
                Some(parts) => parts,
                None => {
                    return Err(not_read(
                        failure,
                        &format!("parameter `{name}`"),
                        region,
                        list,
                    ));
                }
            };
            // Amazon's answer leaves open which of both it is where a label is asked for.
            let whole = client.get_parameter().name(bare).send().await;
            if let Err(error) = whole {
                let what = match answer(&error) == Some(Meaning::Missing) {
                    true => format!("parameter `{bare}`"),
                    // Which of both it is stays open.
                    false => format!("parameter `{name}`"),
                };
                return Err(not_read(failure, &what, region, list));
            }
            let what = match version.bytes().all(|byte| byte.is_ascii_digit()) {
                true => format!("version {version}"),
                false => format!("version with the label `{version}`"),
            };
            let message = format!("the parameter `{bare}` in {region} has no {what}");
            let help = format!(
                "its versions and their labels shows `aws ssm get-parameter-history --name {bare} --region {region}`; \
                 `{bare}` alone is the newest"
            );
            return Err(missing(failure, message, help));
        }
    };
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

/// The name of a parameter without the version or label that it ends with; `None` where it ends with none. An ARN has colons of
/// its own.
fn split(name: &str) -> Option<(&str, &str)> {
    let (bare, version) = name.rsplit_once(':')?;
    let is_whole = !bare.starts_with("arn:") || bare.contains(":parameter/");
    (is_whole && !version.is_empty() && !version.contains('/')).then_some((bare, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_follows_the_last_colon_of_a_name() {
        let arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/web/ami";
        for (name, wanted) in [
            ("/web/ami", None),
            ("/web/ami:7", Some(("/web/ami", "7"))),
            ("ami:live", Some(("ami", "live"))),
            ("/web/ami:", None),
            (arn, None),
        ] {
            assert_eq!(split(name), wanted, "{name}");
        }
        assert_eq!(split(&format!("{arn}:live")), Some((arn, "live")));
    }
}
