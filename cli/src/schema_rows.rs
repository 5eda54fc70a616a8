//! What is said about each option of a component, for `imgc schema` and the reference pages alike.
//!
//! In: the catalogue's schemas. Out: rows of plain words; Markdown and columns are made of the same ones.

use imgc_compiler::schema::{
    Attribute, BlockSchema, BodySchema, Component, ConstraintKind, Format, Required,
};

/// An option.
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) ty: String,
    /// Whether it must be given: `yes`, a condition, or nothing.
    pub(crate) needed: String,
    /// The value it has when it is not given, as one would write it.
    pub(crate) default: String,
    /// What else is known.
    pub(crate) notes: Vec<String>,
}

/// The `name = value` options of a body; of a builder, the communicators' can be left out.
pub(crate) fn rows(body: &BodySchema, with_communicator: bool) -> Vec<Row> {
    body.attributes
        .iter()
        .filter(|(name, attribute)| with_communicator || !is_common(name, attribute))
        .map(|(name, attribute)| row(body, name, attribute))
        .collect()
}

/// Whether a builder's option is one that all builders with a communicator have, with nothing of its own.
pub(crate) fn is_common(name: &str, attribute: &Attribute) -> bool {
    attribute.group.as_deref() == Some("communicator") && name != "communicator"
}

fn row(body: &BodySchema, name: &str, attribute: &Attribute) -> Row {
    let mut notes = Vec::new();
    if let Some(doc) = &attribute.doc {
        notes.push(doc.to_string());
    }
    if attribute.deprecated {
        notes.push(match body.renamed.get(name).and_then(|new| new.name()) {
            Some(new) => format!("deprecated: see `{new}`"),
            None => "deprecated".to_owned(),
        });
    }
    if !attribute.values.is_empty() {
        notes.push(format!("accepts {}", listed(&attribute.values)));
    }
    match attribute.format {
        Some(Format::Duration) => notes.push("a duration such as `5m`".to_owned()),
        Some(format) => notes.push(format.describe().to_owned()),
        None => {}
    }
    if let Some(least) = attribute.least {
        notes.push(format!("at least {least}"));
    }
    if let Some(most) = attribute.most {
        notes.push(format!("at most {most}"));
    }
    if attribute.sensitive {
        notes.push("secret".to_owned());
    }
    if !attribute.env.is_empty() {
        notes.push(format!(
            "else {} of the environment",
            listed(&attribute.env)
        ));
    }
    if let Some(also) = &attribute.also {
        notes.push(format!("in other versions of type {also}"));
    }
    Row {
        name: name.to_owned(),
        ty: attribute.ty.to_string(),
        needed: needed(
            attribute.required,
            attribute.required_when.as_deref(),
            &attribute.required_unless,
        ),
        default: attribute
            .default
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        notes,
    }
}

/// What a block's heading says about it.
pub(crate) fn block_notes(block: &BlockSchema) -> String {
    let mut notes = vec![match block.repeated {
        true => "any number".to_owned(),
        false => "at most one".to_owned(),
    }];
    let needed = needed(block.required, None, &block.required_unless);
    match needed.as_str() {
        "" => {}
        "yes" => notes.push("needed".to_owned()),
        other => notes.push(format!("needed {other}")),
    }
    if block.deprecated {
        notes.push("deprecated".to_owned());
    }
    notes.join(", ")
}

fn needed<S: AsRef<str>>(required: Required, when: Option<&str>, unless: &[S]) -> String {
    let alternatives: Vec<&str> = unless.iter().map(AsRef::as_ref).collect();
    let open = |name: &&str| matches!(*name, "default" | "other");
    match (required, when) {
        (Required::Yes, _) => "yes".to_owned(),
        (Required::Newly, _) => "in newer versions".to_owned(),
        (Required::Tagged, _) => "mostly".to_owned(),
        (Required::No, Some(communicator)) => format!("for `{communicator}`"),
        (Required::No, None) if alternatives.is_empty() || alternatives.iter().any(open) => {
            String::new()
        }
        (Required::No, None) => {
            let names: Vec<String> = alternatives
                .iter()
                .map(|name| match name.strip_prefix("env:") {
                    Some(variable) => format!("`${variable}`"),
                    None => format!("`{name}`"),
                })
                .collect();
            format!("unless {}", names.join(", "))
        }
    }
}

/// Everything about a component that belongs to no single option, a sentence each.
pub(crate) fn remarks(component: &Component) -> Vec<String> {
    let mut remarks = Vec::new();
    for constraint in &component.constraints {
        let names = listed(&constraint.attributes);
        remarks.push(match constraint.kind {
            ConstraintKind::AtLeastOne => format!("One of {names} must be given."),
            ConstraintKind::NotTogether => format!("Only one of {names} may be given."),
            ConstraintKind::Requires => format!(
                "`{}` needs `{}`.",
                constraint.attributes[0], constraint.attributes[1]
            ),
            ConstraintKind::Idles => format!(
                "`{}` leaves {} without effect.",
                constraint.attributes[0],
                listed(&constraint.attributes[1..])
            ),
        });
    }
    let body = &component.body;
    let old: Vec<String> = body
        .renamed
        .iter()
        .filter(|(old, _)| !body.attributes.contains_key(old.as_str()))
        .map(|(old, successor)| match successor.name() {
            Some(new) => format!("`{old}` is `{new}` now"),
            None => format!("`{old}` is not needed any more"),
        })
        .collect();
    if !old.is_empty() {
        remarks.push(format!("Old names: {}.", old.join(", ")));
    }
    if !body.removed.is_empty() {
        let names: Vec<_> = body.removed.keys().collect();
        remarks.push(format!("Only older versions have {}.", listed(&names)));
    }
    if !component.json_only.is_empty() {
        remarks.push(format!(
            "Only legacy JSON templates have {}.",
            listed(&component.json_only)
        ));
    }
    if !component.generated_data.is_empty() {
        let names: Vec<String> = component
            .generated_data
            .iter()
            .map(|name| format!("build.{name}"))
            .collect();
        remarks.push(format!("Adds the values {}.", listed(&names)));
    }
    remarks
}

/// Names in backticks, with commas.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    names.join(", ")
}
