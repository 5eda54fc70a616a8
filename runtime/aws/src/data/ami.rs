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
use crate::options::{Source, filters};
use crate::rights::Part;

const COMPONENT: &str = "data source `amazon-ami`";

/// The data source `amazon-ami`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ami;

#[async_trait]
impl DataSource for Ami {
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
        owners: options.plain_strings("owners")?,
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
