//! Data sources: what is looked up before a plan is made. Options and outputs are those of Packer's Amazon plugin.

mod ami;
mod parameterstore;
mod secretsmanager;

pub use ami::Ami;
pub use parameterstore::ParameterStore;
pub use secretsmanager::SecretsManager;

use std::collections::BTreeSet;

use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::error::{Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Right, Scope};

use crate::account::{Access, Accounts};
use crate::client;
use crate::preview::{asking, held};
use crate::rights::{self, Part, narrowed};

/// Asks, and gives a failure as a problem of the data source.
///
/// Each question has clients of its own: their connections end with the thread that asks.
fn asked(question: impl Future<Output = Result<Value>> + Send) -> Result<Value, Problem> {
    match client::wait(question) {
        Ok(answer) => answer.map_err(Problem::from),
        Err(message) => Err(Problem::new(message)),
    }
}

/// The failure of a question for one thing: that there is none is said with the region in which it was looked for, and `list` is
/// the command of Amazon's that shows what is there.
fn not_read(error: Error, what: &str, region: &str, list: &str) -> Error {
    if error.id != "run/aws-missing" {
        return error;
    }
    let help = format!(
        "check `name` and `region`, and that the account is the one meant (`profile`): what is there shows \
         `aws {list} --region {region}`"
    );
    missing(error, format!("there is no {what} in {region}"), help)
}

/// What a failure means, in place of its own words.
fn missing(error: Error, message: String, help: String) -> Error {
    let mut missing = Error::new(error.class, error.id, message)
        .because(error)
        .help(help);
    missing.again = Some(false);
    missing
}

/// The rights that a question takes: these parts of the table, on the thing that the option `name` names.
async fn rights(options: &Options<'_>, parts: &[Part], scope: Scope) -> Vec<Right> {
    let access = Access::read(options).unwrap_or_default();
    let (place, holder) = asking(&Accounts::default(), &access, scope).await;
    let parts: BTreeSet<Part> = parts.iter().copied().collect();
    let mut all = rights::rights(&parts, &place, false);
    if let Some(name) = options.string("name").ok().flatten() {
        for right in &mut all {
            let resources = std::mem::take(&mut right.resources).into_iter();
            right.resources = resources.map(|one| narrowed(one, &name)).collect();
        }
    }
    held(all, &access, &holder)
}

/// A text; an empty one where there is none, as for Packer: it can be put into another text.
fn text(value: Option<&str>) -> Value {
    Value::string(value.unwrap_or_default())
}
