//! `amazon-ami`: an image by its properties.

use async_trait::async_trait;
use imgc_compiler::types::Type;
use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::data_source::DataSource;
use imgc_runtime::error::Result;
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Right, Scope};

use crate::account::{Access, Accounts};
use crate::data::{asked, rights, text};
use crate::lookup::find_source;
use crate::options::{Source, filters, owners};
use crate::rights::Part;

const COMPONENT: &str = "data source `amazon-ami`";
const NAME: &str = "amazon-ami";

/// The data source `amazon-ami`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ami;

#[async_trait]
impl DataSource for Ami {
    fn check(&self, options: &Value) -> Vec<Problem> {
        match owners(&Options::new(COMPONENT, options), NAME) {
            // What only a reading knows is looked at then.
            Err(error) if error.id != "run/unknown-option" => vec![error.into()],
            _ => Vec::new(),
        }
    }

    fn read(&self, options: &Value) -> Result<Value, Problem> {
        asked(read(&Options::new(COMPONENT, options)))
    }

    async fn rights(&self, options: &Value, scope: Scope) -> Vec<Right> {
        let options = Options::new(COMPONENT, options);
        rights(&options, &[Part::Source], scope).await
    }
}

async fn read(options: &Options<'_>) -> Result<Value> {
    let source = Source::Filter {
        option: "filters",
        filters: filters(options)?,
        owners: owners(options, NAME)?,
        most_recent: options.bool("most_recent")?,
        deprecated: options.bool("include_deprecated")?,
    };
    let account = Accounts::default().get(&Access::read(options)?).await?;
    let image = find_source(&account.region(account.home()), &source).await?;
    let tags = image.tags().iter().filter_map(|tag| {
        let value = Value::string(tag.value().unwrap_or_default());
        Some((tag.key()?.to_owned(), value))
    });
    Ok(Value::object([
        ("creation_date", text(image.creation_date())),
        ("id", text(image.image_id())),
        ("name", text(image.name())),
        ("owner", text(image.owner_id())),
        ("owner_name", text(image.image_owner_alias())),
        ("tags", Value::map(Type::String, tags)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(owners: Option<Value>) -> Vec<String> {
        let filters = Value::map(Type::String, [("name", Value::string("ubuntu/*"))]);
        let options = [("filters", filters)].into_iter();
        let options = Value::object(options.chain(owners.map(|owners| ("owners", owners))));
        let found = Ami.check(&options).into_iter();
        found
            .map(|problem| format!("{}: {}", problem.options.join(","), problem.message))
            .collect()
    }

    #[test]
    fn whose_image_it_is_must_be_said() {
        let wanted =
            "owners: `amazon-ami` needs `owners`: anybody may publish an image of that name";
        for owners in [
            None,
            Some(Value::strings([""])),
            Some(Value::list(Type::String, [])),
            Some(Value::null(Type::list(Type::String))),
        ] {
            assert_eq!(said(owners), [wanted]);
        }
        for owners in [
            Value::strings(["amazon"]),
            Value::unknown(Type::list(Type::String)),
            Value::list(Type::String, [Value::unknown(Type::String)]),
        ] {
            assert!(said(Some(owners)).is_empty());
        }
    }
}
