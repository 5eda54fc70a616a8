//! What the name of a component stands for: one of the catalogue, one that only a community plugin could have, or a slip.
//!
//! In: kind and name as written, and the plugins the template asks for. Out: the schema to check the options by, with a
//! remark where there is something to say, or the mistake.

use smol_str::SmolStr;

use crate::components::ComponentKind;
use crate::diagnostic::{Diagnostic, Edit, slip};
use crate::hir::{ExprKind, Name};
use crate::module::{Module, quoted_list};
use crate::schema::{self, Component};

/// Old names of components, with the new ones.
const RENAMED: &[(ComponentKind, &str, &str)] = &[
    (ComponentKind::Builder, "virtualbox", "virtualbox-iso"),
    (ComponentKind::Builder, "vmware", "vmware-iso"),
];

/// Provisioners of Terraform, with what they are called here.
const TERRAFORM: &[(&str, &str)] = &[("local-exec", "shell-local"), ("remote-exec", "shell")];

/// A component that options can be checked by, see [`known_component`].
#[derive(Debug)]
pub struct Known {
    /// Its schema; [`schema::foreign`] where the catalogue does not know it.
    pub component: &'static Component,
    /// What is worth saying about the name.
    pub remark: Option<Diagnostic>,
}

impl Known {
    fn silent(component: &'static Component) -> Self {
        Self {
            component,
            remark: None,
        }
    }
}

/// The schema of a component.
///
/// A name nobody knows may belong to a community plugin: that is a warning, and all its options are accepted. It is an
/// error where a known name is one slip away and none of the template's plugins could provide the one that is written.
pub fn known_component(
    kind: ComponentKind,
    name: &Name,
    module: &Module,
) -> Result<Known, Box<Diagnostic>> {
    let plugins = plugins(module);
    if let Some(component) = schema::component(kind, &name.text) {
        return Ok(Known::silent(as_required(component, &plugins)));
    }
    if name.is_missing() {
        return Ok(Known::silent(schema::foreign()));
    }
    if let Some(component) = by_alias(kind, &name.text, &plugins) {
        return Ok(Known::silent(component));
    }
    let (text, span, word) = (name.text.as_str(), name.span, kind.word());
    let renamed = RENAMED
        .iter()
        .find(|(k, old, _)| (*k, *old) == (kind, text));
    if let Some((_, _, new)) = renamed
        && let Some(component) = schema::component(kind, new)
    {
        let message = format!("the {word} `{text}` is called `{new}` now");
        let remark = Diagnostic::warning("check/renamed-component", span, message)
            .help(format!("write `{new}`"))
            .fix(
                format!("change `{text}` to `{new}`"),
                Edit::replace(span, *new),
            );
        return Ok(Known {
            component,
            remark: Some(remark),
        });
    }
    let near = near(text, schema::names(kind));
    let provider = plugins
        .iter()
        .find(|plugin| !plugin.is_known() && plugin.provides(text));
    if let (Some((distance @ 0..=1, right)), None) = (near.first(), provider) {
        let message = format!("there is no {word} of type `{text}`");
        debug_assert!(*distance <= 1, "a slip is one letter");
        return Err(Box::new(
            Diagnostic::error("check/unknown-component", span, message)
                .help(format!("did you mean `{right}`?"))
                .correct(
                    slip(text, right, schema::names(kind)),
                    format!("change `{text}` to `{right}`"),
                    Edit::replace(span, *right),
                ),
        ));
    }
    let remark = Diagnostic::warning(
        "check/foreign-component",
        span,
        format!("imgc knows no {word} `{text}`, and takes its options as they are"),
    );
    let other = schema::KINDS
        .into_iter()
        .find(|other| schema::component(*other, text).is_some());
    let terraform = TERRAFORM.iter().find(|(theirs, _)| *theirs == text);
    let help = match (provider, other) {
        (None, _) if kind == ComponentKind::Provisioner && terraform.is_some() => {
            let ours = terraform.map_or("", |(_, ours)| ours);
            format!("that is Terraform's name; here it is `{ours}`")
        }
        (Some(plugin), _) => format!(
            "it may be one of the plugin `{}`, which `required_plugins` names",
            plugin.name
        ),
        (None, Some(other)) => format!("there is a {} of that name", other.word()),
        (None, None) if near.is_empty() => {
            format!(
                "`imgc schema {}` lists those it knows",
                schema::directory(kind)
            )
        }
        (None, None) => format!(
            "similar names: {}",
            quoted_list(near.iter().map(|(_, name)| *name))
        ),
    };
    Ok(Known {
        component: schema::foreign(),
        remark: Some(remark.help(help)),
    })
}

/// A plugin of `required_plugins`.
struct Plugin {
    /// The name it goes by in this template.
    name: SmolStr,
    /// `OWNER/NAME`, where its source is written out.
    source: Option<SmolStr>,
}

impl Plugin {
    /// Whether the catalogue has its components; whoever maintains it, they have the same names.
    fn is_known(&self) -> bool {
        let name = |plugin: &str| plugin.rsplit('/').next().map(str::to_ascii_lowercase);
        self.source
            .as_deref()
            .is_some_and(|source| schema::plugins().any(|plugin| name(plugin) == name(source)))
    }

    /// A plugin `x` has components called `x` and `x-…`.
    fn provides(&self, component: &str) -> bool {
        component
            .strip_prefix(self.name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

fn plugins(module: &Module) -> Vec<Plugin> {
    let all = module.settings.iter();
    all.flat_map(|settings| &settings.required_plugins)
        .map(|attribute| {
            let source = match &attribute.value.kind {
                ExprKind::Object(entries) => entries.iter().find_map(|(key, value)| {
                    let (ExprKind::Literal(key), ExprKind::Literal(value)) =
                        (&key.kind, &value.kind)
                    else {
                        return None;
                    };
                    (key.as_str()? == "source").then_some(value.as_str()?)
                }),
                _ => None,
            };
            let source = source.map(|source| {
                let mut parts = source.rsplitn(3, '/');
                let (name, owner) = (parts.next().unwrap_or_default(), parts.next());
                SmolStr::from(format!("{}/{name}", owner.unwrap_or_default()))
            });
            Plugin {
                name: attribute.name.text.clone(),
                source,
            }
        })
        .collect()
}

/// A component as the template's plugin of that name has it, which may be another's work than the catalogue's.
fn as_required(component: &'static Component, plugins: &[Plugin]) -> &'static Component {
    let provider = plugins
        .iter()
        .find(|plugin| plugin.provides(&component.name));
    match provider.and_then(|plugin| plugin.source.as_deref()) {
        Some(source) => schema::of_plugin(component, source),
        None => component,
    }
}

/// The component of a known plugin that goes by a name of its own here: `mine = { source = "…/amazon" }` makes
/// `mine-ebs` of `amazon-ebs`.
fn by_alias(kind: ComponentKind, name: &str, plugins: &[Plugin]) -> Option<&'static Component> {
    plugins.iter().find_map(|plugin| {
        let rest = name.strip_prefix(plugin.name.as_str())?;
        let (_, real) = plugin.source.as_deref()?.split_once('/')?;
        if real == plugin.name || !plugin.provides(name) {
            return None;
        }
        schema::component(kind, &format!("{real}{rest}"))
    })
}

/// Up to three names a few letters away, the nearest first, with the number of slips between.
fn near<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Vec<(usize, &'n str)> {
    let fold = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let wanted = fold(wanted);
    let limit = match wanted.chars().count() {
        0..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    let mut near: Vec<_> = names
        .map(|name| (strsim::osa_distance(&wanted, &fold(name)), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.truncate(3);
    near
}
