//! What is said about options and components that are not what they should be.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::Subject;
use crate::diagnostic::{Diagnostic, Edit, nearest, slip};
use crate::hir::{Attribute, Block};
use crate::module::quoted_list;
use crate::schema::BodySchema;
use crate::types::Type;

/// The way out where something is to be repeated that cannot be.
pub(crate) const NO_REPETITION: &str = "`for_each` and `count` repeat a whole `source`, `build`, `provisioner` or \
    `post-processor`; write one block here for each, or a `dynamic` block";

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
    let new = schema.renamed.get(name).and_then(|new| new.name());
    let ty = |name: &str| schema.attributes.get(name).map(|known| &known.ty);
    match new {
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
        _ => diagnostic.help("the component's documentation says what to do instead"),
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
    if let Some(near) = nearest(name, option_names(schema).chain(meta.iter().copied())) {
        return diagnostic.help(format!("did you mean `{near}`?")).correct(
            slip(name, near, option_names(schema).chain(meta.iter().copied())),
            format!("change `{name}` to `{near}`"),
            Edit::replace(span, near),
        );
    }
    diagnostic.help(match shortened(name, schema) {
        Some(whole) => format!("did you mean `{whole}`?"),
        None if option_names(schema).count() <= 12 => {
            format!("it has {}", quoted_list(option_names(schema)))
        }
        None => format!("`imgc schema {}` lists its options", subject.component.name),
    })
}

/// The only option that a name can be short for: `args` for `arguments`.
fn shortened<'s>(name: &str, schema: &'s BodySchema) -> Option<&'s str> {
    let stem = name.strip_suffix('s').unwrap_or(name);
    let mut whole = option_names(schema).filter(|option| option.starts_with(stem));
    let first = whole.next().filter(|_| stem.len() >= 3)?;
    whole.next().is_none().then_some(first)
}

/// The names of attributes and blocks.
pub(super) fn option_names(schema: &BodySchema) -> impl Iterator<Item = &str> {
    schema
        .attributes
        .keys()
        .chain(schema.blocks.keys())
        .map(SmolStr::as_str)
}

/// The option or block whose name is near.
pub(super) fn near_option<'s>(name: &str, schema: &'s BodySchema) -> Option<&'s str> {
    nearest(name, option_names(schema))
}

/// An option of older versions in the place of which newer ones have another.
pub(super) fn replaced(
    subject: &Subject<'_>,
    schema: &BodySchema,
    span: Span,
    name: &str,
) -> Option<Diagnostic> {
    let near = near_option(name, schema)?;
    let only = only_older(subject, &[(name.into(), span)])?;
    Some(only.help(format!("newer ones have `{near}`")))
}

/// Options of older versions that newer ones refuse: all of a body in one message.
pub(super) fn gone(subject: &Subject<'_>, options: &[(SmolStr, Span)]) -> Option<Diagnostic> {
    let them = match options.len() {
        1 => "it is taken as it is; newer versions refuse it",
        _ => "they are taken as they are; newer versions refuse them",
    };
    Some(only_older(subject, options)?.help(them))
}

fn only_older(subject: &Subject<'_>, options: &[(SmolStr, Span)]) -> Option<Diagnostic> {
    let (_, first) = options.first()?;
    let names = quoted_list(options.iter().map(|(name, _)| name.as_str()));
    let what = &subject.what;
    let message = format!("only older versions of {what} have {names}");
    let diagnostic = Diagnostic::warning("check/removed-option", *first, message);
    let others = options[1..].iter();
    Some(others.fold(diagnostic, |diagnostic, (name, span)| {
        diagnostic.label(*span, format!("`{name}`"))
    }))
}

/// An option Packer fills in itself.
pub(super) fn set_by_packer(subject: &Subject<'_>, attribute: &Attribute) -> Diagnostic {
    Diagnostic::warning(
        "check/removed-option",
        attribute.name.span,
        format!(
            "`{}` of {} is not for templates: it is set for each run",
            attribute.name.text, subject.what
        ),
    )
    .help("remove it; here it has no effect")
}

/// A block under an old name, where its successor is known.
pub(super) fn renamed_block(
    subject: &Subject<'_>,
    schema: &BodySchema,
    block: &Block,
) -> Option<Diagnostic> {
    let name = &block.kind.text;
    let new = schema.renamed.get(name)?.name()?;
    (!schema.has(name)).then(|| {
        Diagnostic::warning(
            "check/renamed-option",
            block.kind.span,
            format!("`{name}` of {} has become part of `{new}`", subject.what),
        )
        .help(format!("see `{new}`"))
    })
}

/// A block the component does not have, or has as an attribute.
pub(super) fn unknown_block(
    subject: &Subject<'_>,
    schema: &BodySchema,
    block: &Block,
) -> Diagnostic {
    let name = &block.kind.text;
    let what = &subject.what;
    let span = block.kind.span;
    if let Some(attribute) = schema.attributes.get(name) {
        return Diagnostic::error(
            "check/option-not-block",
            span,
            format!("`{name}` of {what} is an attribute, not a block"),
        )
        .help(match attribute.ty {
            Type::Map(_) | Type::Object(_) | Type::Any => format!("write `{name} = {{ … }}`"),
            Type::List(_) => format!("write `{name} = […]`"),
            _ => format!("write `{name} = …`"),
        });
    }
    let diagnostic = Diagnostic::error(
        "check/unknown-option",
        span,
        format!("{what} has no block `{name}`"),
    );
    if let Some(near) = near_option(name, schema) {
        return diagnostic.help(format!("did you mean `{near}`?")).correct(
            slip(name, near, option_names(schema)),
            format!("change `{name}` to `{near}`"),
            Edit::replace(span, near),
        );
    }
    diagnostic.help(match shortened(name, schema) {
        Some(whole) => format!("did you mean `{whole}`?"),
        None => format!("`imgc schema {}` lists its options", subject.component.name),
    })
}
