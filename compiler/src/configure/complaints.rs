//! What is said about options and components that are not what they should be.

use smol_str::SmolStr;

use super::Subject;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::hir::Attribute;
use crate::module::quoted_list;
use crate::schema::BodySchema;

/// The way out where a block is to be repeated.
pub(crate) const NO_REPETITION: &str = "only `dynamic` blocks can be repeated in this version; write one block for each, \
    as nested `source` blocks in `build` for variations of one source";

/// What replaces deprecated options, where one option or block does.
const REPLACED: &[(&str, &str)] = &[
    ("command", "inline"),
    ("efidisk", "efi_config"),
    ("enable_t2_unlimited", "enable_unlimited_credits"),
    ("exlude_from_latest", "exclude_from_latest"),
    ("floating_ip_pool", "floating_ip_network"),
    ("iso_download_pve", "boot_iso"),
    ("iso_file", "boot_iso"),
    ("iso_storage_pool", "boot_iso"),
    ("ssh_host_port_max", "host_port_max"),
    ("ssh_host_port_min", "host_port_min"),
    ("ssh_skip_nat_mapping", "skip_nat_mapping"),
    ("ssh_wait_timeout", "ssh_timeout"),
    ("tenancy", "placement"),
    ("unmount_iso", "boot_iso"),
];

/// An option that is better not used any more.
pub(super) fn deprecated(
    subject: &Subject<'_>,
    schema: &BodySchema,
    attribute: &Attribute,
) -> Diagnostic {
    let name = attribute.name.text.as_str();
    let span = attribute.name.span;
    let diagnostic = Diagnostic::warning(
        "check/deprecated-option",
        span,
        format!("the option `{name}` of {} is deprecated", subject.what),
    );
    let new = REPLACED.iter().find(|(old, _)| *old == name);
    let ty = |name: &str| schema.attributes.get(name).map(|known| &known.ty);
    match new.map(|(_, new)| *new) {
        Some(new) if schema.blocks.contains_key(new) => {
            diagnostic.help(format!("the block `{new} {{ … }}` replaces it"))
        }
        Some(new) if ty(new).is_some() && ty(new) == ty(name) => {
            diagnostic.help(format!("write `{new}`")).fix(
                format!("change `{name}` to `{new}`"),
                Edit::replace(span, new),
            )
        }
        Some(new) if ty(new).is_some() => diagnostic.help(format!("`{new}` replaces it")),
        _ => diagnostic.help("see the component's documentation for what replaces it"),
    }
}

/// An option the component does not have, or has in another form.
pub(super) fn unknown_option(
    subject: &Subject<'_>,
    schema: &BodySchema,
    attribute: &Attribute,
) -> Diagnostic {
    let name = &attribute.name.text;
    let what = &subject.what;
    let span = attribute.name.span;
    if let Some(block) = schema.blocks.get(name) {
        let diagnostic = Diagnostic::error(
            "check/option-not-block",
            span,
            format!("`{name}` of {what} is a block, not an attribute"),
        );
        let many = if block.repeated {
            ", one block for each"
        } else {
            ""
        };
        return diagnostic.help(format!("write `{name} {{ … }}` without `=`{many}"));
    }
    let diagnostic = Diagnostic::error(
        "check/unknown-option",
        span,
        format!("{what} has no option `{name}`"),
    );
    if matches!(name.as_str(), "for_each" | "count") {
        return diagnostic.help(NO_REPETITION);
    }
    let meta = if std::ptr::eq(schema, &subject.component.body) {
        subject.meta
    } else {
        &[]
    };
    match nearest(name, option_names(schema).chain(meta.iter().copied())) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
            format!("change `{name}` to `{near}`"),
            Edit::replace(span, near),
        ),
        None => diagnostic.help(if option_names(schema).count() <= 12 {
            format!("it has {}", quoted_list(option_names(schema)))
        } else {
            "remove it, or check the name in the component's documentation".to_owned()
        }),
    }
}

/// The names of attributes and blocks.
pub(super) fn option_names(schema: &BodySchema) -> impl Iterator<Item = &str> {
    schema
        .attributes
        .keys()
        .chain(schema.blocks.keys())
        .map(SmolStr::as_str)
}
